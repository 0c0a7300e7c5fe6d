"""Asks the serving worker now and then whether it is alive."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from gateway.pool.timers import Timer, Timers
from gateway.pool.workers import Worker

SHORTEST_SECONDS = 0.05


class Pinger:
    """Pings one worker at a time, as its settings say; `on_silence` is called with a worker that fails."""

    def __init__(self, timers: Timers, on_silence: Callable[[Worker, str], None]) -> None:
        self._timers = timers
        self._on_silence = on_silence
        self._ids = itertools.count(1)
        self._worker: Worker | None = None
        self._awaited: int | None = None
        self._timer: Timer | None = None

    def watch(self, worker: Worker) -> None:
        """Ping this worker from now on, and no other."""
        self.stop()
        if worker.settings.application_pool.process_model.pinging_enabled:
            self._worker = worker
            self._schedule(worker)

    def stop(self) -> None:
        self._worker = self._awaited = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def answered(self, worker: Worker, number: int, loop_age: float, stuck: float) -> None:
        """The worker answered; another thread than those in question told how they are.

        `loop_age`: seconds since its main loop turned; `stuck`: seconds for which requests have waited while
        no thread finished one.
        """
        if worker is not self._worker or number != self._awaited:
            return
        response_time = worker.settings.application_pool.process_model.ping_response_time.total_seconds()
        if loop_age > max(response_time, 5.0):
            self._fail(worker, f"its main loop has not turned for {loop_age:.0f} s")
            return
        if stuck > response_time:
            self._fail(worker, f"requests wait, and its threads have finished none for {stuck:.0f} s")
            return
        self._awaited = None
        if self._timer is not None:
            self._timer.cancel()
        self._schedule(worker)

    def _schedule(self, worker: Worker) -> None:
        interval = worker.settings.application_pool.process_model.ping_interval.total_seconds()
        self._timer = self._timers.after(max(interval, SHORTEST_SECONDS), lambda: self._ping(worker))

    def _ping(self, worker: Worker) -> None:
        limit = worker.settings.application_pool.process_model.ping_response_time.total_seconds()
        self._awaited = next(self._ids)
        worker.send("ping", id=self._awaited)
        self._timer = self._timers.after(
            limit, lambda: self._fail(worker, f"no answer to a ping within {limit:.0f} s")
        )

    def _fail(self, worker: Worker, reason: str) -> None:
        self.stop()
        self._on_silence(worker, reason)
