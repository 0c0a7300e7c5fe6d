"""A spare worker: its imports are done, and it waits for the values to run with."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import gateway
from gateway.pool.event_kinds import SPARE_LOST
from gateway.pool.events import EventLog
from gateway.pool.memory import free_memory
from gateway.pool.surroundings import exit_text
from gateway.pool.timers import Timer, Timers
from gateway.pool.workers import Worker

log = logging.getLogger(__name__)

FREE_MEMORY_NEEDED = 512 * 1024
"""In KB; with less left the machine has better use for it than a worker that waits."""

PAUSE_SECONDS = 0.5
"""After a change of workers the new one is given a moment for itself."""

PACKAGE_FOLDERS = ("site-packages", "dist-packages")

GRACE_SECONDS = 15.0
"""So long one that was made in haste waits for a file to come to rest."""

WARM_UP_SECONDS = 5.0
"""So long one that is still loading is waited for, where clients would wait for it otherwise."""

TRUST_SECONDS = 15.0
"""So long one that was found up to date counts as such, where clients wait while it is taken."""

RETRY_SECONDS = 60.0
"""Before another one is made in place of one that ended, or where memory was short."""


def code_stamp() -> frozenset[tuple[str, int]]:
    """Return what differs once the program was updated: a spare with the old code is of no use then.

    It covers the gateway's own files, and the folders into which packages are installed. Other folders of the
    path do not count: one of them holds Settings.config, and an editor's save is what the spare is for.
    """
    own = Path(gateway.__file__).parent.rglob("*.py")
    installed = (path for path in map(Path, sys.path) if path.name in PACKAGE_FOLDERS)
    found = set()
    for path in (*own, *installed):
        try:
            found.add((str(path), path.stat().st_mtime_ns))
        except OSError:
            continue
    return frozenset(found)


class SpareWorker:
    """At most one spare; all methods are for the supervisor's loop."""

    def __init__(
        self,
        spawn: Callable[[bool], Worker],
        timers: Timers,
        events: EventLog,
        free: Callable[[], int | None] = free_memory,
        stamp: Callable[[], frozenset[tuple[str, int]]] = code_stamp,
    ) -> None:
        """`spawn` is told whether the spare is about to be needed."""
        self._spawn = spawn
        self._timers = timers
        self._events = events
        self._free = free
        self._stamp = stamp
        self._made_from: frozenset[tuple[str, int]] = frozenset()
        self._worker: Worker | None = None
        self._pause: Timer | None = None
        self._grace: Timer | None = None
        self._trust: Timer | None = None
        self._warming_up: Timer | None = None
        self._on_prepared: list[Callable[[], None]] = []
        self._is_warm = False

    @property
    def pid(self) -> int | None:
        """Process id, None without a spare."""
        return self._worker.pid if self._worker else None

    @property
    def is_warm(self) -> bool:
        """Whether there is one that has imported everything."""
        return self._worker is not None and self._is_warm

    def keep(self, wanted: bool) -> None:
        """Have one soon, or none any more."""
        if not wanted:
            if self._grace is None:
                self.dismiss()
        elif self._worker is None and self._pause is None:
            self._pause = self._timers.after(PAUSE_SECONDS, self._make)

    def hasten(self) -> None:
        """Have one at once, for it is about to be needed; where none is kept, it goes again if it was not."""
        if not self._is_of_use():
            self._end()
            self._make(is_urgent=True)
            self._grace = self._timers.after(GRACE_SECONDS, self._end_grace)

    def prepare(self, then: Callable[[], None]) -> None:
        """Have one before workers go that serve; `then` they may, with one that is warm or without any."""
        self.hasten()
        self._forget_trust()
        self._trust = self._timers.after(TRUST_SECONDS, self._forget_trust)
        self._on_prepared.append(then)
        if self._worker is None or self._is_warm:
            self._end_warm_up()
        elif self._warming_up is None:
            self._warming_up = self._timers.after(WARM_UP_SECONDS, self._end_warm_up)

    def take(self) -> Worker | None:
        """Return the spare, which belongs to the caller then; None if there is none of use."""
        self._forget_grace()
        if self._trust is None and not self._is_of_use():
            return None
        self._forget_trust()
        worker, self._worker = self._worker, None
        return worker

    def _is_of_use(self) -> bool:
        """Whether there is one with the code of now; any other is ended."""
        if self._worker is not None and self._stamp() != self._made_from:
            log.info("Spare worker ended: pid=%s reason=%s", self._worker.pid, "the program was updated")
            self._worker.kill()
            self._worker = None
        return self._worker is not None

    def dismiss(self) -> None:
        """End it, for it is not wanted any more."""
        self._end()
        self._end_warm_up()

    def _end(self) -> None:
        self._forget_grace()
        self._forget_trust()
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def on_report(self, serial: int, report: Mapping[str, object]) -> None:
        """A worker process told something, perhaps this one."""
        if self._worker is not None and self._worker.serial == serial and report.get("report") == "warm":
            self._is_warm = True
            self._end_warm_up()

    def on_exit(self, serial: int, code: int) -> None:
        """A worker process ended, perhaps this one."""
        if self._worker is not None and self._worker.serial == serial:
            self._events.add(SPARE_LOST, pid=self._worker.pid, reason=exit_text(code))
            self._worker = None
            self._forget_trust()
            self._rest()
            self._end_warm_up()

    def _make(self, is_urgent: bool = False) -> None:
        self._pause = None
        self._is_warm = False
        free = self._free()
        if free is not None and free < FREE_MEMORY_NEEDED:
            log.info("No spare worker: free_memory=%s KB needed=%s KB", free, FREE_MEMORY_NEEDED)
            self._rest()
            return
        self._made_from = self._stamp()
        try:
            self._worker = self._spawn(is_urgent)
        except OSError as exc:
            log.warning("Spare worker not started: error=%s", exc)
            self._rest()
            return
        self._worker.was_spare = True

    def _rest(self) -> None:
        self._pause = self._timers.after(RETRY_SECONDS, self._end_pause)

    def _end_pause(self) -> None:
        self._pause = None

    def _end_grace(self) -> None:
        self._grace = None

    def _forget_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def _end_warm_up(self) -> None:
        if self._warming_up is not None:
            self._warming_up.cancel()
            self._warming_up = None
        waiting, self._on_prepared = self._on_prepared, []
        for then in waiting:
            then()

    def _forget_trust(self) -> None:
        if self._trust is not None:
            self._trust.cancel()
            self._trust = None
