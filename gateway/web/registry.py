"""What the parts of the application share, by the keys of Pyramid's registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from gateway.engine import Report

DATABASE = "gateway.database"
SETTINGS = "gateway.settings"
BACKGROUND = "gateway.background"
CLIENTS = "gateway.clients"
READINESS = "gateway.readiness"
POOL_STATUS = "gateway.pool_status"
"""A dict that the worker keeps up to date; empty when no pool started us."""
NODE = "gateway.node"
SIMULATOR_CATALOG = "gateway.simulator_catalog"
"""The folder from which the simulator of the pool reads its catalogs; None when there is no pool."""
METHODS = "gateway.methods"
"""A dict: the methods that are served, by name of the route."""

Readiness = Callable[[], list[str]]
"""Returns what still keeps the gateway from serving; an empty list is good."""


class Background(Protocol):
    """The engine, as far as requests need it; it is started by the worker."""

    def wake(self) -> None: ...

    def status(self) -> dict[str, Any]: ...


class Clients(Protocol):
    """The clients of Partner Center, as far as requests need them."""

    def ask_upgrade_targets(self, instance_name: str, offer_id: str) -> Sequence[str] | None: ...

    def try_connection(self, instance_name: str) -> Report: ...

    def ask_domain_available(self, instance_name: str, domain: str) -> bool | None: ...

    def trouble(self, instance_name: str) -> tuple[datetime, str] | None: ...

    def pause(self, instance_name: str) -> tuple[datetime, str] | None: ...
