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

REPLACED_GRACE_SECONDS = 5.0
"""How long a worker serves connections that are kept without a request, if no client has to wait for that."""


class LeavingWorkers(dict[int, Worker]):
    """By their serial numbers; they are taken out when their process has ended."""

    def __init__(self, timers: Timers, events: EventLog) -> None:
        super().__init__()
        self._timers = timers
        self._events = events

    def see_off(self, worker: Worker, *, lingering: bool = False, replaced: bool = False) -> None:
        """Let a worker leave in good order; it is ended if that takes longer than `shutdownTimeLimit`.

        `lingering`: nobody takes over from it yet, so it serves new clients until its idle ones are gone.
        `replaced`: others serve already. In both cases there is no hurry about idle ones.
        """
        limit = _limit(worker)
        worker.stage = Stage.DRAINING
        worker.clear_limit()
        worker.limit = self._timers.after(
            limit + LIMIT_GRACE_SECONDS, partial(self._on_overrun, worker, limit)
        )
        self[worker.serial] = worker
        # What is cut at the time limit counts as not well done, so idle ones have to go before.
        patience = {"idle_grace": min(REPLACED_GRACE_SECONDS, limit / 2)} if replaced or lingering else {}
        worker.send("drain", timeout=limit, lingering=lingering, **patience)

    def hurry(self) -> None:
        """Have those that were replaced wait for idle connections no longer than others: the pool stops."""
        for worker in self.values():
            if worker.stage is Stage.DRAINING:
                worker.send("drain", timeout=_limit(worker), lingering=False)

    def drop(self, worker: Worker) -> None:
        """End a worker at once: it has nothing to finish."""
        self[worker.serial] = worker
        worker.kill()

    def _on_overrun(self, worker: Worker, limit: float) -> None:
        self._events.add(SHUTDOWN_OVERRUN, pid=worker.pid, limit=f"{limit:g} s")
        worker.kill()


def _limit(worker: Worker) -> float:
    return seconds(worker.settings.application_pool.process_model.shutdown_time_limit)
