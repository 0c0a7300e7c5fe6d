"""The application pool's state machine: which worker serves, which one comes, which ones go.

It does nothing by itself and starts no thread: the supervisor's loop calls it with what happened.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from gateway.pool.ageing import Ageing, Figures
from gateway.pool.availability import Availability
from gateway.pool.chronicle import Chronicle
from gateway.pool.leaving import LIMIT_GRACE_SECONDS, LeavingWorkers
from gateway.pool.pinging import Pinger
from gateway.pool.reasons import Reason
from gateway.pool.restarts import Restarts
from gateway.pool.rotation import Request, Rotation, Waiter
from gateway.pool.surroundings import PoolState, Surroundings, exit_text, seconds
from gateway.pool.workers import Stage, Worker
from gateway.settings import GatewaySettings, settings_changes

RETRY_AFTER_STOPPED = 30
STOPPED_BY_PERSON = "the pool was stopped"


class ApplicationPool:
    """Overlapped recycling, restarts, rapid-fail protection; `settings` are those to begin with."""

    def __init__(self, around: Surroundings, settings: GatewaySettings) -> None:
        self._around = around
        self._pinger = Pinger(around.timers, self._on_silence)
        self._ageing = Ageing(around.timers, self._on_due, self._on_idle)
        self._availability = Availability(around.timers, around.unavailable)
        self._stop_waiters: list[Waiter] = []
        self._queued: Request | None = None
        self._restarts = Restarts(around.timers, around.clock, around.policy)
        self._proven = False
        self.state = PoolState.STOPPED
        self.stop_reason: str | None = None
        self.good_settings = settings
        """What a crashed worker is started again with: values that one served with, if there are any."""
        self.current: Worker | None = None
        self.rotation: Rotation | None = None
        self.leaving = LeavingWorkers(around.timers, around.events)
        self.record = Chronicle(around.events)

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
        return self._restarts.retry_after()

    # What people and files ask for

    def start(self, settings: GatewaySettings, waiter: Waiter | None = None) -> None:
        """Start a stopped pool."""
        request = Request(Reason.START, settings, waiters=[waiter] if waiter else [])
        if self.state is not PoolState.STOPPED:
            request.tell(f"the pool is {self.state.value}, expected {PoolState.STOPPED.value}")
            return
        self._restarts.policy.reset()
        self.stop_reason = None
        if settings.application_pool.start_mode == "OnDemand":
            self.good_settings = self.good_settings if self._proven else settings
            self._wait_for_client(settings)
            request.tell(None)
            return
        self._availability.interrupted()
        self._begin(request)

    def stay_stopped(self, reason: str) -> None:
        """Do not start until a person asks for it."""
        self.stop_reason = reason
        self._availability.withdrawn()
        self.record.pool_stopped(reason)

    def wake(self) -> None:
        """A client came while there was no worker."""
        if self.state is PoolState.STARTED and self.current is None and self.rotation is None:
            settings = self._settings_for_a_new_worker()
            self._begin(Request(Reason.FIRST_REQUEST, settings, by_file=True))
            self._availability.interrupted()

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
            self._around.bell.disarm()
            self._restarts.cancel()
            self._abandon(STOPPED_BY_PERSON)
            if self.current is not None:
                self._retire(self.current)
            self._availability.withdrawn()
            self.record.pool_stopping()
        self._finish_stop()

    def kill_all(self) -> None:
        """End all workers without waiting for their work."""
        for worker in self.workers:
            worker.kill()

    # What workers report

    def on_report(self, serial: int, report: dict[str, Any]) -> None:
        worker = self._find(serial)
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
                self._pinger.answered(worker, report["id"], report["loop_age"], report["stuck_seconds"])
            case "figures":
                self._ageing.told(worker, Figures.of_report(report))
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
        limit = seconds(self.current.settings.application_pool.process_model.shutdown_time_limit)
        rotation.handing_over = self._around.timers.after(limit + LIMIT_GRACE_SECONDS, self._let_serve)
        self.current.send("hand_over", timeout=limit)

    def on_exit(self, serial: int, code: int) -> None:
        worker = self._find(serial)
        if worker is None:
            return
        worker.clear_limit()
        reason = worker.failure or exit_text(code)
        if self.rotation is not None and worker is self.rotation.candidate:
            self._candidate_failed(reason, exited=True)
        elif worker is self.current:
            self.current = None
            self._lost_current(worker, reason, code)
        else:
            del self.leaving[serial]
            self._after_leaving()

    def _find(self, serial: int) -> Worker | None:
        return next((worker for worker in self.workers if worker.serial == serial), None)

    # A change of workers, step by step

    def _begin(self, request: Request) -> None:
        self._restarts.cancel()
        self._around.bell.disarm()
        serving = self.current.settings if self.current else self.good_settings
        self.rotation = Rotation(
            request,
            began=self._around.clock(),
            began_at=datetime.now(UTC),
            is_recycle=self.current is not None,
            changes=settings_changes(serving, request.settings),
        )
        if self.current is not None:
            self.record.recycle_begins(self.rotation, self.current)
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
            self.record.not_spawned(exc)
            self._candidate_failed(f"the process could not be started: {exc}")
            return
        self.rotation.candidate = worker
        limit = seconds(settings.application_pool.process_model.startup_time_limit)
        worker.limit = self._around.timers.after(limit, partial(self._on_start_overrun, worker, limit))
        self.record.worker_starting(worker, self.rotation.request)

    def _on_start_overrun(self, worker: Worker, limit: float) -> None:
        self.record.start_overrun(worker, limit)
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
            self.record.not_handed_over(worker)
        self._let_serve()

    def _let_serve(self) -> None:
        rotation = self.rotation
        if rotation is None or rotation.candidate is None or rotation.candidate.stage is not Stage.STANDBY:
            return
        candidate = rotation.candidate
        candidate.stage = Stage.TAKING_OVER
        if rotation.handing_over is not None:
            rotation.handing_over.cancel()
        limit = seconds(candidate.settings.application_pool.process_model.startup_time_limit)
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
        self.good_settings, self._proven = worker.settings, True
        self._restarts.policy.served(self._around.clock())
        self._availability.given()
        self._pinger.watch(worker)
        self._ageing.watch(worker)
        if old is not None:
            self._retire(old)
        self._around.last_good.save(worker.settings)
        self.record.serves(worker, rotation, self._around.clock())
        rotation.request.tell(None)
        self._begin_queued()

    def _begin_queued(self) -> None:
        request, self._queued = self._queued, None
        if request is None:
            return
        if request.by_file and self.current and not settings_changes(self.current.settings, request.settings):
            request.tell(None)
            return
        self._begin(request)

    # What a worker has reached

    def _on_due(self, reason: Reason, reached: str) -> None:
        """The serving worker has done enough; a recycle under way serves the purpose too."""
        if self.rotation is None:
            self._begin(Request(reason, self._settings_for_a_new_worker(), reached=reached))

    def _on_idle(self, idle: float) -> None:
        if self.current is None or self.rotation is not None:
            return
        self.record.idle(self.current, idle)
        self._retire(self.current)
        self._wait_for_client(self.good_settings)

    def _wait_for_client(self, settings: GatewaySettings) -> None:
        self.state = PoolState.STARTED
        self._availability.given()
        self._around.bell.arm()
        self.record.pool_waits(settings.application_pool.name)

    def _settings_for_a_new_worker(self) -> GatewaySettings:
        """Return what the file says, unless that is not valid or has failed already."""
        settings = self._around.settings_of_file()
        if settings is None or settings.revision == self.record.refused_revision:
            return self.good_settings
        return settings

    # What goes wrong

    def _on_failed(self, worker: Worker, reason: str) -> None:
        worker.failure = reason
        if self.rotation is not None and worker is self.rotation.candidate:
            self._candidate_failed(reason)
        elif worker is self.current:
            self._retire(worker)
            self._lost_current(worker, reason)

    def _on_silence(self, worker: Worker, reason: str) -> None:
        self.record.silent(worker, reason)
        worker.failure = reason
        worker.kill()

    def _candidate_failed(self, reason: str, *, exited: bool = False) -> None:
        rotation = self.rotation
        assert rotation is not None
        self.rotation = None
        self._drop_candidate(rotation, exited=exited)
        self.record.not_started(rotation, self.current, reason)
        if self.current is not None:
            if rotation.handing_over is not None:
                self.current.send("resume")
            self._ageing.watch_later(self.current)
        else:
            self._restart_later(reason)
        rotation.request.tell(reason)
        self._begin_queued()

    def _drop_candidate(self, rotation: Rotation, *, exited: bool) -> None:
        if rotation.handing_over is not None:
            rotation.handing_over.cancel()
        if rotation.candidate is not None:
            rotation.candidate.clear_limit()
            if not exited:
                self.leaving.drop(rotation.candidate)

    def _lost_current(self, worker: Worker, reason: str, code: int | None = None) -> None:
        """The serving worker ended, or is about to, though nobody asked for it."""
        self._stop_watching()
        self.record.lost(worker, reason, code)
        self._availability.interrupted()
        self.state = PoolState.STARTING
        if self.rotation is not None:
            self._let_serve()
            return
        self._restart_later(reason)

    def _restart_later(self, reason: str) -> None:
        request = Request(Reason.AFTER_FAILURE, self.good_settings)
        self.state = PoolState.STARTING
        wanted = self._queued is not None
        if not self._restarts.plan(request.settings, lambda: self._begin(request), wanted_anyway=wanted):
            self.state, self.stop_reason = PoolState.STOPPED, f"rapid-fail protection: {reason}"
            self._availability.withdrawn()
            self.record.gave_up(reason)

    # Leaving

    def _retire(self, worker: Worker) -> None:
        """Let a worker leave in good order; it is ended if that takes too long."""
        if worker is self.current:
            self.current = None
            self._stop_watching()
        self.leaving.see_off(worker)

    def _stop_watching(self) -> None:
        self._pinger.stop()
        self._ageing.stop()

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
            self.record.pool_stopped()
        if self.state is PoolState.STOPPED:
            waiters, self._stop_waiters = self._stop_waiters, []
            for waiter in waiters:
                waiter(None)
