"""What the parts of the application share, by the keys of Pyramid's registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from gateway.engine import Report
from gateway.settings import GatewaySettings, SettingChange

DATABASE = "gateway.database"
SETTINGS = "gateway.settings"
BACKGROUND = "gateway.background"
CLIENTS = "gateway.clients"
READINESS = "gateway.readiness"
POOL_STATUS = "gateway.pool_status"
"""A dict that the worker keeps up to date; empty when no pool started us."""
POOL_DESK = "gateway.pool_desk"
"""Where pages ask for what the application pool can do; None when no pool started us."""
NODE = "gateway.node"
SIMULATOR_CATALOG = "gateway.simulator_catalog"
"""The folder from which the simulator of the pool reads its catalogs; None when there is no pool."""
SERVING = "gateway.serving"
"""What the worker calls when it has begun to serve."""
METHODS = "gateway.methods"
"""A dict: the methods that are served, by name of the route."""

Readiness = Callable[[], list[str]]
"""Returns what still keeps the gateway from serving; an empty list is good."""


class Background(Protocol):
    """The engine, as far as requests need it; it is started by the worker."""

    def wake(self) -> None: ...

    def status(self) -> dict[str, Any]: ...


class PoolDesk(Protocol):
    """The application pool; the worker puts it into the registry.

    Every method raises a GatewayError if the pool does not answer or cannot do it.
    """

    def status(self) -> dict[str, Any]:
        """What `app_pool.py status --json` prints."""

    def workers(self) -> list[dict[str, Any]]:
        """Each worker process, with its requests and memory."""

    def history(self, count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The last events, and the recycles among them with `at`, `reason`, `changes`, `seconds`, `problem`.

        Both the oldest first.
        """

    def recycle(self) -> None:
        """Begin a recycle."""

    def stop(self, by: Mapping[str, str | None]) -> str:
        """Begin to stop; this worker ends once its requests are answered.

        Returned is a secret: the stopped pool, listening at the address of Start, starts for who sends it.

        :param by: in whose name, as `started_by` of the pool's status has it then
        """

    def start_again(self, by: Mapping[str, str | None]) -> None:
        """Begin to start once it has stopped, if `stop` was what stops it."""

    def settings_file(self) -> tuple[GatewaySettings, str]:
        """What Settings.config says now, and a digest by which it is known again."""

    def preview(self, values: Mapping[str, str], digest: str) -> tuple[SettingChange, ...]:
        """What saving these values would change.

        An error with the code `settings_file_changed` says that the digest is not that of the file any more.
        """

    def save(self, values: Mapping[str, str], digest: str) -> tuple[SettingChange, ...]:
        """Write them, all at once; what that changed."""


class Clients(Protocol):
    """The clients of Partner Center, as far as requests need them."""

    def ask_upgrade_targets(self, instance_name: str, offer_id: str) -> Sequence[str] | None: ...

    def try_connection(self, instance_name: str) -> Report: ...

    def ask_domain_available(self, instance_name: str, domain: str) -> bool | None: ...

    def trouble(self, instance_name: str) -> tuple[datetime, str] | None: ...

    def pause(self, instance_name: str) -> tuple[datetime, str] | None: ...
