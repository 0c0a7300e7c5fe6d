"""Looks after the workers that serve: pings each, and sees when each has done enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.pool.ageing import Ageing
from gateway.pool.pinging import Pinger
from gateway.pool.reasons import Reason
from gateway.pool.timers import Timers
from gateway.pool.workers import Worker


@dataclass(frozen=True)
class Care:
    """What watches one worker."""

    pinger: Pinger
    ageing: Ageing

    def stop(self) -> None:
        self.pinger.stop()
        self.ageing.stop()


class CareForWorkers:
    """By the serial numbers of workers; reports of any other worker mean nothing here."""

    def __init__(
        self,
        timers: Timers,
        on_silence: Callable[[Worker, str], None],
        on_due: Callable[[Worker, Reason, str], None],
        on_idle: Callable[[dict[int, float]], None],
    ) -> None:
        """`on_idle`: all of them have had nothing to do for so many seconds, by serial number, and may go."""
        self._timers = timers
        self._on_silence = on_silence
        self._on_due = on_due
        self._on_idle = on_idle
        self._cares: dict[int, Care] = {}

    def watch(self, worker: Worker) -> None:
        """Look after this one too."""
        pinger = Pinger(self._timers, self._on_silence)
        ageing = Ageing(self._timers, partial(self._on_due, worker), self._idle)
        self._cares[worker.serial] = Care(pinger, ageing)
        pinger.watch(worker)
        ageing.watch(worker)

    def stop(self, worker: Worker) -> None:
        """Leave this one alone from now on."""
        if care := self._cares.pop(worker.serial, None):
            care.stop()

    def look_later(self, worker: Worker) -> None:
        """Look at its limits again after a while: a recycle failed, and would fail again at once."""
        if care := self._cares.get(worker.serial):
            care.ageing.watch_later(worker)

    def of(self, worker: Worker) -> Care | None:
        return self._cares.get(worker.serial)

    def _idle(self) -> None:
        idle = {serial: care.ageing.idle_for for serial, care in self._cares.items()}
        known = {serial: seconds for serial, seconds in idle.items() if seconds is not None}
        if len(known) == len(idle):
            self._on_idle(known)
