"""What a person may ask of the running pool, and the true outcome as the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.pool.messages import ControlRequest
from gateway.pool.pool import ApplicationPool
from gateway.pool.rotation import Request, Waiter
from gateway.settings import SettingsError, load_settings

ON_DEMAND = "on demand"

Answer = Callable[[dict[str, Any]], None]


class Verbs:
    """Carries out control requests; an answer is `{"ok": true, …}` or `{"ok": false, "problem": …}`."""

    def __init__(
        self,
        pool: ApplicationPool,
        config: Path,
        status: Callable[[], dict[str, Any]],
        end: Callable[[Waiter | None], None],
    ) -> None:
        """`end`: stops the pool and then the supervisor."""
        self._pool = pool
        self._config = config
        self._status = status
        self._end = end
        self._verbs: dict[str, Callable[[dict[str, Any], Answer], None]] = {
            "status": lambda _, answer: answer({"ok": True, "status": self._status()}),
            "recycle": self._recycle,
            "stop": self._stop,
            "start-pool": self._start_pool,
        }

    def carry_out(self, request: ControlRequest) -> None:
        verb = self._verbs.get(request.command)
        if verb is None:
            known = ", ".join(self._verbs)
            request.answer(
                {"ok": False, "problem": f"{request.command!r} is no command, expected one of {known}"}
            )
            return
        verb(request.arguments, request.answer)

    def recycle(self, reason: str, waiter: Waiter | None) -> None:
        """Replace the worker by one with the values that the file has now."""
        try:
            settings = load_settings(self._config)
        except SettingsError as exc:
            if waiter is not None:
                waiter(f"the settings are not valid, so nothing was recycled\n{exc}")
            return
        self._pool.recycle(Request(reason, settings, waiters=[waiter] if waiter else []))

    def _recycle(self, arguments: dict[str, Any], answer: Answer) -> None:
        if arguments.get("wait"):
            self.recycle(ON_DEMAND, told(answer))
            return
        problems: list[str] = []
        self.recycle(ON_DEMAND, lambda problem: problems.append(problem) if problem else None)
        # What cannot even begin is known by now; how it ends is not waited for.
        told(answer)(problems[0] if problems else None)

    def _stop(self, arguments: dict[str, Any], answer: Answer) -> None:
        if arguments.get("exit"):
            self._end(told(answer))
        else:
            self._pool.stop(told(answer))

    def _start_pool(self, _: dict[str, Any], answer: Answer) -> None:
        try:
            settings = load_settings(self._config)
        except SettingsError:
            # The status shows what is wrong with the file; the pool serves with what it last served with.
            settings = self._pool.good_settings
        self._pool.start(settings, told(answer))


def told(answer: Answer) -> Waiter:
    """Return a waiter that answers a control request."""
    return lambda problem: answer({"ok": True} if problem is None else {"ok": False, "problem": problem})
