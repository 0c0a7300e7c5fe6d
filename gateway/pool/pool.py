"""The application pool's state machine: which workers serve, which ones come, which ones go.

It does nothing by itself and starts no thread: the supervisor's loop calls it with what happened.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.pool.ageing import Figures
from gateway.pool.availability import Availability
from gateway.pool.care import CareForWorkers
from gateway.pool.changeover import Changeover
from gateway.pool.chronicle import Chronicle
from gateway.pool.leaving import REPLACED_GRACE_SECONDS, LeavingWorkers
from gateway.pool.numa import numa_nodes
from gateway.pool.reasons import Reason
from gateway.pool.restarts import Restarts
from gateway.pool.rotation import Request, Rotation, Waiter
from gateway.pool.surroundings import PoolState, Surroundings, exit_text
from gateway.pool.workers import Worker
from gateway.settings import GatewaySettings, settings_changes

RETRY_AFTER_STOPPED = 30
STOPPED_BY_PERSON = "the pool was stopped"


def worker_numbers(settings: GatewaySettings) -> tuple[int, ...]:
    """Return the numbers of the workers that serve at the same time."""
    return tuple(range(1, (settings.application_pool.process_model.max_processes or numa_nodes()) + 1))


class ApplicationPool:
    """Overlapped recycling, restarts, rapid-fail protection; `settings` are those to begin with."""

    def __init__(self, around: Surroundings, settings: GatewaySettings) -> None:
        self._around = around
        self._care = CareForWorkers(around.timers, self._on_silence, self._on_due, self._on_idle)
        self._availability = Availability(around.timers, around.unavailable)
        self._stop_waiters: list[Waiter] = []
        self._queued: Request | None = None
        self._restarts = Restarts(around.timers, around.clock, around.policy)
        self._proven = False
        self._change: Changeover | None = None
        self._last_loss = ""
        self.state = PoolState.STOPPED
        self.stop_reason: str | None = None
        self.good_settings = settings
        """What a crashed worker is started again with: values that one served with, if there are any."""
        self.serving: dict[int, Worker] = {}
        """The workers that serve, by their numbers."""
        self.leaving = LeavingWorkers(around.timers, around.events)
        self.record = Chronicle(around.events)

    @property
    def current(self) -> Worker | None:
        """The serving worker, or the first of them."""
        return self.serving[min(self.serving)] if self.serving else None

    @property
    def starting(self) -> list[Worker]:
        """The workers that are to serve."""
        return list(self._change.candidates.values()) if self._change else []

    @property
    def rotation(self) -> Rotation | None:
        """The change of workers that is going on."""
        return self._change.rotation if self._change else None

    @property
    def target_settings(self) -> GatewaySettings:
        """The values that will be in force when all that was asked for is done."""
        request = self._queued or (self.rotation and self.rotation.request)
        return request.settings if request else self.good_settings

    @property
    def workers(self) -> list[Worker]:
        """All worker processes that live."""
        return [*self.serving.values(), *self.starting, *self.leaving.values()]

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
        if self.state is PoolState.STARTED and not self.serving and self._change is None:
            settings = self._settings_for_a_new_worker()
            self._begin(Request(Reason.FIRST_REQUEST, settings, by_file=True))
            self._availability.interrupted()

    def recycle(self, request: Request) -> None:
        """Replace workers; while that is being done already, one more time afterwards."""
        if self.state in (PoolState.STOPPED, PoolState.STOPPING):
            request.tell(f"the pool is {self.state.value}; start-pool starts it")
        elif self._change is None and self._queued is None:
            self._begin_prepared(request)
        elif self._queued is None:
            self._queued = request
        else:
            self._queued.absorb(request)

    def stop(self, waiter: Waiter | None = None) -> None:
        """End all workers in good order; the waiter is told when they are gone."""
        if waiter is not None:
            self._stop_waiters.append(waiter)
        if self.state not in (PoolState.STOPPING, PoolState.STOPPED):
            self._around.bell.disarm()
            self._restarts.cancel()
            self._abandon(STOPPED_BY_PERSON)
            self._withdraw(STOPPED_BY_PERSON)
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
        change = self._change if worker in self.starting else None
        care = self._care.of(worker)
        match report.get("report"):
            case "ready" if change:
                change.on_ready(worker, report["port"])
            case "not_ready":
                worker.problems = tuple(report["problems"])
            case "handed_over" if self._change:
                self._change.on_handed_over(worker, complete=report["complete"])
            case "serving" if change:
                change.on_serving(worker)
            case "pong" if care:
                care.pinger.answered(worker, report["id"], report["loop_age"], report["stuck_seconds"])
            case "figures" if care:
                care.ageing.told(worker, Figures.of_report(report))
            case "queue_full":
                self.record.queue_full(report["refused"], worker)
            case "failed":
                self._on_failed(worker, report["reason"])

    def on_probe(self, serial: int, problem: str | None) -> None:
        worker = self._find(serial)
        if worker is not None and self._change is not None and worker in self.starting:
            self._change.on_probe(worker, problem)

    def on_exit(self, serial: int, code: int) -> None:
        worker = self._find(serial)
        if worker is None:
            return
        worker.clear_limit()
        reason = worker.failure or exit_text(code)
        if self._change is not None and worker in self.starting:
            self._change.on_exit(worker, reason)
        elif worker in self.serving.values():
            self._lose(worker, reason, code)
        else:
            del self.leaving[serial]
            self._after_leaving()

    def _find(self, serial: int) -> Worker | None:
        return next((worker for worker in self.workers if worker.serial == serial), None)

    # A change of workers

    def _begin_prepared(self, request: Request) -> None:
        """Begin once a spare has loaded the program, if clients would have to wait for that."""
        if request.settings.application_pool.recycling.disallow_overlapping_rotation and self.serving:
            self._queued = request
            self._around.prepare_spare(self._begin_queued)
        else:
            self._begin(request)

    def _begin_queued(self) -> None:
        if self._change is None and self._queued is not None:
            request, self._queued = self._queued, None
            self._begin(request)

    def _begin(self, request: Request) -> None:
        self._restarts.cancel()
        self._around.bell.disarm()
        rotation = self._plan(request)
        self._change = change = Changeover(
            self._around, self.record, self.leaving, rotation, self._on_serving, self._on_change_failed
        )
        old = {n: w for n, w in self.serving.items() if rotation.is_of_all or n in rotation.numbers}
        if rotation.is_recycle:
            self.record.recycle_begins(rotation, list(old.values()))
        if not self._proven:
            self.good_settings = request.settings
        if not self.serving:
            self.state = PoolState.STARTING
        may_not_overlap = request.settings.application_pool.recycling.disallow_overlapping_rotation
        if may_not_overlap and (old or self.leaving):
            change.begin_later()
            self._retire(*old.values(), lingering=True)
            self._note_interruption(served_for=REPLACED_GRACE_SECONDS)
        else:
            change.begin(old)

    def _plan(self, request: Request) -> Rotation:
        changes = settings_changes(
            self.current.settings if self.current else self.good_settings, request.settings
        )
        numbers = worker_numbers(request.settings)
        # With other values all have to go, for all run with the same ones.
        some = () if changes else tuple(number for number in numbers if number in request.only)
        return Rotation(
            request,
            began=self._around.clock(),
            began_at=datetime.now(UTC),
            numbers=some or numbers,
            is_of_all=not some,
            is_recycle=bool(self.serving) and request.reason is not Reason.AFTER_FAILURE,
            changes=changes,
        )

    def _on_serving(self, new: dict[int, Worker], old: dict[int, Worker]) -> None:
        assert self._change is not None
        rotation = self._change.rotation
        rotation.has_served = True
        self._retire(*old.values(), replaced=True)
        self.serving |= new
        self.state = PoolState.STARTED
        self.good_settings, self._proven = rotation.request.settings, True
        self._restarts.policy.served(self._around.clock())
        self._availability.given()
        self._around.last_good.save(self.good_settings)
        for worker in new.values():
            self._care.watch(worker)
            self.record.serves(worker, rotation, self._around.clock())
        if self._change.is_done:
            self._change = None
            self.record.changed(rotation, self._around.clock())
            rotation.request.tell(None)
            self._after_change()

    def _on_change_failed(self, reason: str, worker: Worker | None) -> None:
        assert self._change is not None
        rotation, self._change = self._change.rotation, None
        self.record.not_started(rotation, worker, self.current, reason)
        if self._missing():
            self._last_loss = reason
        for each in self.serving.values():
            self._care.look_later(each)
        rotation.request.tell(reason)
        self._after_change()

    def _after_change(self) -> None:
        """Go on with what was asked for meanwhile, or with what is missing."""
        if self._missing():
            self._restart_later(self._last_loss)
        request, self._queued = self._queued, None
        if request is None:
            return
        serving = self.current
        if request.by_file and serving and not settings_changes(serving.settings, request.settings):
            request.tell(None)
            return
        self._begin_prepared(request)

    # What a worker has reached

    def _on_due(self, worker: Worker, reason: Reason, reached: str) -> None:
        """A serving worker has done enough; a recycle of it that is under way serves the purpose too."""
        rotation = self.rotation
        if rotation is None or not (rotation.is_of_all or worker.number in rotation.numbers):
            # At a time of the day all are due.
            only = frozenset({worker.number}) if reason is not Reason.SCHEDULE else frozenset()
            settings = self._settings_for_a_new_worker()
            self.recycle(Request(reason, settings, reached=reached, only=only))

    def _on_idle(self, idle: dict[int, float]) -> None:
        if self._change is not None or self._missing():
            return
        for worker in self.serving.values():
            self.record.idle(worker, idle[worker.serial])
        self._retire(*self.serving.values())
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
        if self._change is not None and worker in self.starting:
            self._change.on_failed(worker, reason)
        elif worker in self.serving.values():
            self._retire(worker)
            self._lose(worker, reason)

    def _on_silence(self, worker: Worker, reason: str) -> None:
        self.record.silent(worker, reason)
        worker.failure = reason
        worker.kill()

    def _lose(self, worker: Worker, reason: str, code: int | None = None) -> None:
        """A serving worker ended, or is about to, though nobody asked for it."""
        self.serving.pop(worker.number, None)
        self._care.stop(worker)
        self.record.lost(worker, reason, code)
        self._last_loss = reason
        self._note_interruption()
        if self._change is not None:
            self._change.on_lost(worker)
        else:
            self._restart_later(reason)

    def _note_interruption(self, served_for: float = 0.0) -> None:
        if not self.serving:
            self._availability.interrupted(served_for)
            self.state = PoolState.STARTING

    def _missing(self) -> frozenset[int]:
        return frozenset(worker_numbers(self.good_settings)) - frozenset(self.serving)

    def _restart_later(self, reason: str) -> None:
        wanted = self._queued is not None
        if not self._restarts.plan(self.good_settings, self._restart, wanted_anyway=wanted):
            self.record.gave_up(reason)
            self._withdraw(f"rapid-fail protection: {reason}")
            self._finish_stop()

    def _restart(self) -> None:
        self._begin(Request(Reason.AFTER_FAILURE, self.good_settings, only=self._missing()))

    # The end of workers

    def _retire(self, *workers: Worker, lingering: bool = False, replaced: bool = False) -> None:
        """Let serving workers leave in good order."""
        for worker in workers:
            self.serving.pop(worker.number, None)
            self._care.stop(worker)
            self.leaving.see_off(worker, lingering=lingering, replaced=replaced)

    def _after_leaving(self) -> None:
        if self._change is not None and not self.leaving:
            self._change.all_have_left()
        self._finish_stop()

    def _abandon(self, reason: str) -> None:
        """Give up the change of workers that is going on, and the one that waits."""
        change, self._change = self._change, None
        queued, self._queued = self._queued, None
        if change is not None:
            change.abandon(resume=False)
            change.rotation.request.tell(reason)
        if queued is not None:
            queued.tell(reason)

    def _withdraw(self, reason: str) -> None:
        """Let no worker serve until a person asks for it."""
        self.state, self.stop_reason = PoolState.STOPPING, reason
        self.leaving.hurry()
        self._retire(*self.serving.values())
        self._availability.withdrawn()

    def _finish_stop(self) -> None:
        if self.state is PoolState.STOPPING and not self.workers:
            self.state = PoolState.STOPPED
            self.record.pool_stopped(self.stop_reason)
        if self.state is PoolState.STOPPED:
            waiters, self._stop_waiters = self._stop_waiters, []
            for waiter in waiters:
                waiter(None)
