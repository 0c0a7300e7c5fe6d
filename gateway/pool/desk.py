"""What a worker may ask of the pool that runs it, for pages that show and command the pool.

It goes the way of the command line, the control channel: a worker is the same user on the same machine.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.pool.changing import Seen, change_settings, files_digest, preview_settings
from gateway.pool.control import ask_briefly, control_key
from gateway.pool.errors import PoolError, PoolRefusedError
from gateway.pool.events import events_file, read_events
from gateway.pool.recycles import recycles_of
from gateway.pool.start_permit import START_AGAIN, digest_of
from gateway.settings import GatewaySettings, SettingChange, SettingsError, load_settings

PATIENCE_SECONDS = 5.0
"""The pool answers at once unless its machine is overloaded."""

BEGINNING_SECONDS = 0.3
"""What cannot even begin is known by then; how it ends a worker does not live to hear."""


class PoolDesk:
    """Safe to use from many threads; every method raises PoolError if the pool does not answer."""

    def __init__(self, var: Path, ask: Callable[..., dict[str, Any] | None] = ask_briefly) -> None:
        """:param ask: the way to the pool"""
        self._var = var
        self._ask_pool = ask
        self._saving = threading.Lock()

    def status(self) -> dict[str, Any]:
        """Return what `app_pool.py status --json` prints."""
        status: dict[str, Any] = self._ask("status")["status"]
        return status

    def workers(self) -> list[dict[str, Any]]:
        """Return what `app_pool.py list-workers --json` prints."""
        workers: list[dict[str, Any]] = self._ask("list-workers")["workers"]
        return workers

    def history(self, count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the last events and the recycles among them, as `recycles_of` has them; the oldest first."""
        try:
            events = read_events(events_file(self._var), count)
        except OSError as exc:
            raise PoolError(f"events cannot be read: {exc.strerror or exc}") from exc
        return events, recycles_of(events)

    def recycle(self) -> None:
        """Begin a recycle.

        :raises PoolError: if it cannot begin
        """
        self._ask("recycle")

    def stop(self, by: Mapping[str, str | None]) -> str:
        """Begin to stop the pool, with the worker that asks for it.

        Returned is a secret: whoever sends it to the stopped pool, as `StartPermit` says, starts it again.

        :param by: who that will be, for the record
        """
        permit = secrets.token_urlsafe(32)
        self._begin("stop", permit=digest_of(permit), by=dict(by))
        return permit

    def start_again(self, by: Mapping[str, str | None]) -> None:
        """Begin to start the pool once it has stopped, if `stop` is what stops it.

        :param by: who asks for it, for the record
        :raises PoolError: if it runs, or somebody else has stopped it
        """
        self._begin(START_AGAIN, by=dict(by))

    def settings_file(self) -> tuple[GatewaySettings, str]:
        """Return what the file says now, and its digest, by which `save` knows whether it is still so.

        :raises PoolRefusedError: if it is not valid
        """
        config = self._config()
        digest = files_digest(config, self._key())
        try:
            return load_settings(config), digest
        except SettingsError as exc:
            raise PoolRefusedError(str(exc)) from exc

    def preview(self, values: Mapping[str, str], digest: str) -> tuple[SettingChange, ...]:
        """Return what `save` would change, and write nothing.

        :raises FileChangedError: if the file has changed since its digest was told
        :raises PoolRefusedError: if a key or a value is not valid, or a second file overrides it
        """
        return preview_settings(self._config(), values, self._seen(digest))

    def save(self, values: Mapping[str, str], digest: str) -> tuple[SettingChange, ...]:
        """Write the values, all at once, and return what that changed; the pool sees it by itself.

        :raises PoolError: as `preview` does, and if the file cannot be written
        """
        with self._saving:
            return change_settings(self._config(), values, self._seen(digest))

    def _config(self) -> Path:
        return Path(self.status()["config"])

    def _seen(self, digest: str) -> Seen:
        return Seen(digest, self._key())

    def _key(self) -> str:
        try:
            return control_key(self._var)
        except OSError as exc:
            raise PoolError(f"the pool's key cannot be read: {exc.strerror or exc}") from exc

    def _begin(self, command: str, **arguments: Any) -> None:
        answer = self._ask_pool(self._var, command, BEGINNING_SECONDS, **arguments)
        if answer is not None and not answer["ok"]:
            raise PoolError(answer["problem"])

    def _ask(self, command: str) -> dict[str, Any]:
        answer = self._ask_pool(self._var, command, PATIENCE_SECONDS)
        if answer is None:
            raise PoolError(f"the pool has not answered within {PATIENCE_SECONDS:.0f} s")
        if not answer["ok"]:
            raise PoolError(answer["problem"])
        return answer
