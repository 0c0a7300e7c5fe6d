"""When a serving worker has done enough: by its age, the clock, its requests, its memory, or idleness."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.pool.backoff import RANDOM
from gateway.pool.reasons import Reason
from gateway.pool.surroundings import seconds
from gateway.pool.timers import Timer, Timers
from gateway.pool.workers import Worker
from gateway.settings import PeriodicRestartSettings

JITTER = 0.1
"""Share of its age limit by which a worker may go earlier, so that many nodes do not recycle as one."""

LOOK_SECONDS = 2.0
"""How often a worker is asked for its requests and memory, where a limit is set."""

RETRY_SECONDS = 60.0
"""After a recycle that failed the limits are looked at again so much later."""

LONGEST_SLEEP_SECONDS = 60.0
"""The clock on the wall may be set, and changes to summer time."""


@dataclass(frozen=True)
class Figures:
    """What a worker says of itself."""

    requests: int
    idle_seconds: float
    private_memory: int | None
    """In KB; None where the system does not tell."""
    upgrades: int | None
    """Running and pending; None if that could not be found out."""

    @classmethod
    def of_report(cls, report: dict[str, Any]) -> Figures:
        return cls(report["requests"], report["idle_seconds"], report["private_memory"], report["upgrades"])


def local_now() -> dt.datetime:
    """Return the local time, with the zone of this machine."""
    return dt.datetime.now(dt.UTC).astimezone()


def seconds_to_next(now: dt.datetime, times: tuple[dt.time, ...]) -> float:
    """Return the seconds until the next of these times of the day, of which there is one; `now` is local."""
    today = [now.replace(hour=t.hour, minute=t.minute, second=t.second, microsecond=0) for t in times]
    later = [at for at in today if at > now] or [min(today) + dt.timedelta(days=1)]
    return (min(later) - now).total_seconds()


class Ageing:
    """Watches one serving worker; `on_due` is called with what it has reached, `on_idle` while it is idle."""

    def __init__(
        self,
        timers: Timers,
        on_due: Callable[[Reason, str], None],
        on_idle: Callable[[], None],
        now: Callable[[], dt.datetime] = local_now,
        random: Callable[[], float] = RANDOM,
    ) -> None:
        self._timers = timers
        self._on_due = on_due
        self._on_idle = on_idle
        self._now = now
        self._random = random
        self._worker: Worker | None = None
        self._running: list[Timer] = []
        self.idle_for: float | None = None
        """For how many seconds it has had nothing to do, once that is longer than it may."""

    def watch(self, worker: Worker) -> None:
        """Watch this worker from now on, and no other."""
        self.stop()
        self._worker = worker
        restart = self._limits(worker)
        if limit := seconds(restart.time):
            age = limit * (1 - JITTER * self._random())
            self._after(age, lambda: self._reach(Reason.TIME, f"{age:.0f} s"))
        if restart.schedule:
            self._sleep_to_schedule(restart.schedule)
        if self._must_look(worker):
            self._after(LOOK_SECONDS, self._look)

    def watch_later(self, worker: Worker) -> None:
        """Watch it again after a while: a recycle failed, and would fail again at once."""
        self.stop()
        self._after(RETRY_SECONDS, lambda: self.watch(worker))

    def stop(self) -> None:
        self._worker = None
        for timer in self._running:
            timer.cancel()
        self._running.clear()

    def told(self, worker: Worker, figures: Figures) -> None:
        """The worker said how it is."""
        if worker is not self._worker:
            return
        restart = self._limits(worker)
        idle_limit = seconds(worker.settings.application_pool.process_model.idle_timeout)
        is_idle = idle_limit and figures.idle_seconds >= idle_limit and figures.upgrades == 0
        self.idle_for = figures.idle_seconds if is_idle else None
        if restart.requests and figures.requests >= restart.requests:
            self._reach(Reason.REQUESTS, f"{figures.requests} requests")
        elif restart.private_memory and (figures.private_memory or 0) > restart.private_memory:
            self._reach(Reason.PRIVATE_MEMORY, f"{figures.private_memory} KB")
        elif is_idle:
            self._on_idle()

    def _limits(self, worker: Worker) -> PeriodicRestartSettings:
        return worker.settings.application_pool.recycling.periodic_restart

    def _must_look(self, worker: Worker) -> bool:
        restart = self._limits(worker)
        process_model = worker.settings.application_pool.process_model
        return bool(restart.requests or restart.private_memory or process_model.idle_timeout)

    def _reach(self, reason: Reason, reached: str) -> None:
        self.stop()
        self._on_due(reason, reached)

    def _look(self) -> None:
        if self._worker is not None:
            self._worker.send("look")
            self._after(LOOK_SECONDS, self._look)

    def _sleep_to_schedule(self, times: tuple[dt.time, ...]) -> None:
        left = seconds_to_next(self._now(), times)
        if left > LONGEST_SLEEP_SECONDS:
            self._after(LONGEST_SLEEP_SECONDS, lambda: self._sleep_to_schedule(times))
        else:
            # A little later, so that the next worker does not find the same time before it.
            self._after(left + 0.5, lambda: self._reach(Reason.SCHEDULE, f"{self._now():%H:%M:%S}"))

    def _after(self, pause: float, action: Callable[[], None]) -> None:
        self._running = [timer for timer in self._running if timer.action is not None]
        self._running.append(self._timers.after(pause, action))
