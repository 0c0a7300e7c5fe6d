"""Workers on their way out: each is given time to finish, and ended when that is over."""

from __future__ import annotations

from functools import partial

from gateway.pool.event_kinds import SHUTDOWN_OVERRUN
from gateway.pool.events import EventLog
from gateway.pool.surroundings import seconds
from gateway.pool.timers import Timers
from gateway.pool.workers import Stage, Worker

LIMIT_GRACE_SECONDS = 2.0
"""A worker keeps its time limits by itself; so much later they are enforced."""


class LeavingWorkers(dict[int, Worker]):
    """By their serial numbers; they are taken out when their process has ended."""

    def __init__(self, timers: Timers, events: EventLog) -> None:
        super().__init__()
        self._timers = timers
        self._events = events

    def see_off(self, worker: Worker, *, lingering: bool = False) -> None:
        """Let a worker leave in good order; it is ended if that takes longer than `shutdownTimeLimit`.

        `lingering`: nobody takes over from it yet, so it serves new clients until its idle ones are gone.
        """
        limit = seconds(worker.settings.application_pool.process_model.shutdown_time_limit)
        worker.stage = Stage.DRAINING
        worker.clear_limit()
        worker.limit = self._timers.after(
            limit + LIMIT_GRACE_SECONDS, partial(self._on_overrun, worker, limit)
        )
        self[worker.serial] = worker
        worker.send("drain", timeout=limit, lingering=lingering)

    def drop(self, worker: Worker) -> None:
        """End a worker at once: it has nothing to finish."""
        self[worker.serial] = worker
        worker.kill()

    def _on_overrun(self, worker: Worker, limit: float) -> None:
        self._events.add(SHUTDOWN_OVERRUN, pid=worker.pid, limit=f"{limit:g} s")
        worker.kill()
