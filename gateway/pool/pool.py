"""The application pool's state machine: which worker serves, which one comes, which ones go.

It does nothing by itself and starts no thread: the supervisor's loop calls it with what happened.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from gateway.pool.availability import Answerer, Availability
from gateway.pool.backoff import RestartPolicy
from gateway.pool.events import EventLog
from gateway.pool.last_good import LastGoodSettings
from gateway.pool.pinging import Pinger
from gateway.pool.rotation import Request, Rotation, Waiter, describe
from gateway.pool.timers import Timer, Timers
from gateway.pool.workers import Stage, Worker
from gateway.settings import GatewaySettings, settings_changes

LIMIT_GRACE_SECONDS = 2.0
"""A worker keeps its time limits by itself; so much later they are enforced."""

RETRY_AFTER_STOPPED = 30
STOPPED_BY_PERSON = "the pool was stopped"


class PoolState(StrEnum):
    """As IIS names them."""

    STARTING = "Starting"
    STARTED = "Started"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


@dataclass(frozen=True)
class Surroundings:
    """What the pool works with."""

    spawn: Callable[[GatewaySettings], Worker]
    """Starts a worker process with these settings; raises OSError if it cannot."""
    clock: Callable[[], float]
    timers: Timers
    events: EventLog
    unavailable: Answerer
    last_good: LastGoodSettings
    policy: RestartPolicy


class ApplicationPool:
    """Overlapped recycling, restarts, rapid-fail protection; `settings` are those to begin with."""

    def __init__(self, around: Surroundings, settings: GatewaySettings) -> None:
        self._around = around
        self._pinger = Pinger(around.timers, self._on_silence)
        self._availability = Availability(around.timers, around.unavailable)
        self._stop_waiters: list[Waiter] = []
        self._queued: Request | None = None
        self._restart: Timer | None = None
        self._proven = False
        self.state = PoolState.STOPPED
        self.stop_reason: str | None = None
        self.good_settings = settings
        """What a crashed worker is started again with: values that one served with, if there are any."""
        self.current: Worker | None = None
        self.rotation: Rotation | None = None
        self.leaving: dict[int, Worker] = {}
        self.refused: str | None = None
        """Why values of the file that are valid were given up: no worker got ready with them."""
        self.last_recycle: dict[str, Any] | None = None
        self.recycles = 0
        self.failures = 0
        self.served_at: datetime | None = None

    @property
    def target_settings(self) -> GatewaySettings:
        """The values that will be in force when all that was asked for is done."""
        request = self._queued or (self.rotation and self.rotation.request)
        return request.settings if request else self.good_settings

    @property
    def workers(self) -> list[Worker]:
        """All worker processes that live."""
        candidate = self.rotation.candidate if self.rotation else None
        return [w for w in (self.current, candidate, *self.leaving.values()) if w is not None]

    def retry_after(self) -> int:
        """Return how many seconds a client should wait for a worker; any thread may ask."""
        if self.state in (PoolState.STOPPED, PoolState.STOPPING):
            return RETRY_AFTER_STOPPED
        restart = self._restart
        return max(2, math.ceil(restart.due - self._around.clock()) + 1) if restart else 2

    # What people and files ask for

    def start(self, settings: GatewaySettings, waiter: Waiter | None = None) -> None:
        """Start a stopped pool."""
        request = Request("start", settings, waiters=[waiter] if waiter else [])
        if self.state is not PoolState.STOPPED:
            request.tell(f"the pool is {self.state.value}, expected {PoolState.STOPPED.value}")
            return
        self._around.policy.reset()
        self.stop_reason = None
        self._availability.interrupted()
        self._begin(request)

    def recycle(self, request: Request) -> None:
        """Replace the worker; while that is being done already, one more time afterwards."""
        if self.state in (PoolState.STOPPED, PoolState.STOPPING):
            request.tell(f"the pool is {self.state.value}; start-pool starts it")
        elif self.rotation is None:
            self._begin(request)
        elif self._queued is None:
            self._queued = request
        else:
            self._queued.absorb(request)

    def stop(self, waiter: Waiter | None = None) -> None:
        """End all workers in good order; the waiter is told when they are gone."""
        if waiter is not None:
            self._stop_waiters.append(waiter)
        if self.state not in (PoolState.STOPPING, PoolState.STOPPED):
            self.state, self.stop_reason = PoolState.STOPPING, STOPPED_BY_PERSON
            self._cancel_restart()
            self._abandon(STOPPED_BY_PERSON)
            if self.current is not None:
                self._retire(self.current)
            self._availability.withdrawn()
            self._around.events.information("Pool stopping")
        self._finish_stop()

    def kill_all(self) -> None:
        """End all workers without waiting for their work."""
        for worker in self.workers:
            worker.kill()

    def forgive(self) -> None:
        """The file is good again: what was wrong with its last values does not matter any more."""
        self.refused = None

    # What workers report

    def on_report(self, serial: int, report: dict[str, Any]) -> None:
        worker = next((w for w in self.workers if w.serial == serial), None)
        if worker is None:
            return
        match report.get("report"):
            case "ready":
                self._on_ready(worker, report["port"])
            case "not_ready":
                worker.problems = tuple(report["problems"])
            case "handed_over":
                self._on_handed_over(worker, complete=report["complete"])
            case "serving":
                self._on_serving(worker)
            case "pong":
                self._pinger.answered(worker, report["id"], report["loop_age"])
            case "failed":
                self._on_failed(worker, report["reason"])

    def on_probe(self, serial: int, problem: str | None) -> None:
        rotation = self.rotation
        if rotation is None or rotation.candidate is None or rotation.candidate.serial != serial:
            return
        if problem is not None:
            self._candidate_failed(problem)
            return
        rotation.candidate.stage = Stage.STANDBY
        rotation.candidate.clear_limit()
        if self.current is None:
            self._let_serve()
            return
        limit = _seconds(self.current.settings.application_pool.process_model.shutdown_time_limit)
        rotation.handing_over = self._around.timers.after(limit + LIMIT_GRACE_SECONDS, self._let_serve)
        self.current.send("hand_over", timeout=limit)

    def on_exit(self, serial: int, code: int) -> None:
        worker = next((w for w in self.workers if w.serial == serial), None)
        if worker is None:
            return
        worker.clear_limit()
        reason = worker.failure or exit_text(code)
        if self.rotation is not None and worker is self.rotation.candidate:
            self._candidate_failed(reason, exited=True)
        elif worker is self.current:
            self.current = None
            self._lost_current(worker, reason)
        else:
            del self.leaving[serial]
            self._after_leaving()

    # A change of workers, step by step

    def _begin(self, request: Request) -> None:
        self._cancel_restart()
        serving = self.current.settings if self.current else self.good_settings
        self.rotation = Rotation(
            request,
            began=self._around.clock(),
            began_at=datetime.now(UTC),
            is_recycle=self.current is not None,
            changes=settings_changes(serving, request.settings),
        )
        if not self._proven:
            self.good_settings = request.settings
        if self.current is None:
            self.state = PoolState.STARTING
        if request.settings.application_pool.recycling.disallow_overlapping_rotation and (
            self.current or self.leaving
        ):
            if self.current is not None:
                self._retire(self.current)
                self._availability.interrupted()
                self.state = PoolState.STARTING
            return
        self._spawn()

    def _spawn(self) -> None:
        assert self.rotation is not None
        settings = self.rotation.request.settings
        try:
            worker = self._around.spawn(settings)
        except OSError as exc:
            self._candidate_failed(f"the process could not be started: {exc}")
            return
        self.rotation.candidate = worker
        limit = _seconds(settings.application_pool.process_model.startup_time_limit)
        worker.limit = self._around.timers.after(limit, partial(self._on_start_overrun, worker, limit))
        self._around.events.information(
            "Worker starting", pid=worker.pid, reason=self.rotation.request.reason
        )

    def _on_start_overrun(self, worker: Worker, limit: float) -> None:
        lacks = f": {'; '.join(worker.problems)}" if worker.problems else ""
        self._candidate_failed(f"not ready within {limit:g} s{lacks}")

    def _on_ready(self, worker: Worker, port: int) -> None:
        if worker.stage is Stage.STARTING:
            worker.stage = Stage.PROBING
            worker.probe(port)

    def _on_handed_over(self, worker: Worker, *, complete: bool) -> None:
        if worker is not self.current or self.rotation is None or self.rotation.handing_over is None:
            return
        if not complete:
            # The new worker serves all the same; it takes work once the old one is gone.
            self._around.events.warning("Work not handed over in time", pid=worker.pid)
        self._let_serve()

    def _let_serve(self) -> None:
        rotation = self.rotation
        if rotation is None or rotation.candidate is None or rotation.candidate.stage is not Stage.STANDBY:
            return
        candidate = rotation.candidate
        candidate.stage = Stage.TAKING_OVER
        if rotation.handing_over is not None:
            rotation.handing_over.cancel()
        limit = _seconds(candidate.settings.application_pool.process_model.startup_time_limit)
        candidate.clear_limit()
        candidate.limit = self._around.timers.after(
            limit, partial(self._candidate_failed, f"did not begin to serve within {limit:g} s")
        )
        candidate.send("serve")

    def _on_serving(self, worker: Worker) -> None:
        rotation = self.rotation
        if rotation is None or worker is not rotation.candidate:
            return
        worker.clear_limit()
        old, self.current, self.rotation = self.current, worker, None
        worker.stage = Stage.SERVING
        self.state = PoolState.STARTED
        self.good_settings, self._proven, self.refused = worker.settings, True, None
        self.served_at = datetime.now(UTC)
        self._around.policy.served(self._around.clock())
        self._availability.given()
        self._pinger.watch(worker)
        self._around.last_good.save(worker.settings)
        self._record(rotation, worker)
        if old is not None:
            self._retire(old)
        rotation.request.tell(None)
        self._begin_queued()

    def _record(self, rotation: Rotation, worker: Worker) -> None:
        outcome = describe(rotation, self._around.clock())
        if rotation.is_recycle:
            self.recycles += 1
            self.last_recycle = outcome
        self._around.events.information(
            "Worker serves",
            pid=worker.pid,
            reason=outcome["reason"],
            changed_keys=",".join(outcome["changed_keys"]) or None,
            seconds=outcome["seconds"],
        )

    def _begin_queued(self) -> None:
        request, self._queued = self._queued, None
        if request is None:
            return
        if request.by_file and self.current and not settings_changes(self.current.settings, request.settings):
            request.tell(None)
            return
        self._begin(request)

    # What goes wrong

    def _on_failed(self, worker: Worker, reason: str) -> None:
        worker.failure = reason
        if self.rotation is not None and worker is self.rotation.candidate:
            self._candidate_failed(reason)
        elif worker is self.current:
            self._retire(worker)
            self._lost_current(worker, reason)

    def _on_silence(self, worker: Worker, reason: str) -> None:
        worker.failure = reason
        worker.kill()

    def _candidate_failed(self, reason: str, *, exited: bool = False) -> None:
        rotation = self.rotation
        assert rotation is not None
        self.rotation = None
        self._drop_candidate(rotation, exited=exited)
        self.failures += 1
        request = rotation.request
        if rotation.changes:
            self.refused = f"no worker got ready with the new values: {reason}"
        self._around.events.error(
            "Worker did not start", reason=reason, serves_on=self.current and self.current.pid
        )
        if self.current is not None:
            if rotation.handing_over is not None:
                self.current.send("resume")
        else:
            self._restart_later(reason)
        request.tell(reason)
        self._begin_queued()

    def _drop_candidate(self, rotation: Rotation, *, exited: bool) -> None:
        if rotation.handing_over is not None:
            rotation.handing_over.cancel()
        if rotation.candidate is not None:
            rotation.candidate.clear_limit()
            if not exited:
                self.leaving[rotation.candidate.serial] = rotation.candidate
                rotation.candidate.kill()

    def _lost_current(self, worker: Worker, reason: str) -> None:
        """The serving worker ended, or is about to, though nobody asked for it."""
        self.failures += 1
        self._pinger.stop()
        self._around.events.error("Worker ended unexpectedly", pid=worker.pid, reason=reason)
        self._availability.interrupted()
        self.state = PoolState.STARTING
        if self.rotation is not None:
            self._let_serve()
            return
        self._restart_later(reason)

    def _restart_later(self, reason: str) -> None:
        settings = self.good_settings
        pause = self._around.policy.failed(self._around.clock(), settings)
        if pause is None and self._queued is None:
            self.state, self.stop_reason = PoolState.STOPPED, f"rapid-fail protection: {reason}"
            self._availability.withdrawn()
            self._around.events.error("Pool stopped by rapid-fail protection", reason=reason)
            return
        self.state = PoolState.STARTING
        self._restart = self._around.timers.after(
            pause or 0.0, lambda: self._begin(Request("restart after a failure", settings))
        )

    # Leaving

    def _retire(self, worker: Worker) -> None:
        """Let a worker leave in good order; it is ended if that takes too long."""
        if worker is self.current:
            self.current = None
            self._pinger.stop()
        limit = _seconds(worker.settings.application_pool.process_model.shutdown_time_limit)
        worker.stage = Stage.DRAINING
        worker.clear_limit()
        worker.limit = self._around.timers.after(
            limit + LIMIT_GRACE_SECONDS, partial(self._on_leave_overrun, worker, limit)
        )
        self.leaving[worker.serial] = worker
        worker.send("drain", timeout=limit)

    def _on_leave_overrun(self, worker: Worker, limit: float) -> None:
        self._around.events.warning(
            "Worker did not leave in time and was ended", pid=worker.pid, limit=f"{limit:g} s"
        )
        worker.kill()

    def _after_leaving(self) -> None:
        if self.rotation is not None and self.rotation.candidate is None and not self.leaving:
            self._spawn()
        self._finish_stop()

    def _abandon(self, reason: str) -> None:
        """Give up the change of workers that is going on, and the one that waits."""
        rotation, self.rotation = self.rotation, None
        queued, self._queued = self._queued, None
        if rotation is not None:
            self._drop_candidate(rotation, exited=False)
            rotation.request.tell(reason)
        if queued is not None:
            queued.tell(reason)

    def _finish_stop(self) -> None:
        if self.state is PoolState.STOPPING and not self.workers:
            self.state = PoolState.STOPPED
            self._around.events.information("Pool stopped")
        if self.state is PoolState.STOPPED:
            waiters, self._stop_waiters = self._stop_waiters, []
            for waiter in waiters:
                waiter(None)

    def _cancel_restart(self) -> None:
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None


def exit_text(code: int) -> str:
    """Return how a process ended, in words."""
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _seconds(limit: Any) -> float:
    return float(limit.total_seconds())
