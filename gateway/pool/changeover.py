"""A change of workers, step by step: the new ones start, prove themselves, and take over together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from gateway.pool.chronicle import Chronicle
from gateway.pool.leaving import LIMIT_GRACE_SECONDS, LeavingWorkers
from gateway.pool.rotation import Rotation
from gateway.pool.surroundings import Surroundings, seconds
from gateway.pool.timers import Timer
from gateway.pool.workers import Stage, Worker

TakeOver = Callable[[dict[int, Worker], dict[int, Worker]], None]
"""Is told of new workers that serve, and of old ones that are to go, by their numbers."""


class Changeover:
    """Carries out one rotation; the pool is told when new workers serve, and how it failed if it did.

    The first new worker proves the values before the others are started. While there are old workers, the new
    ones stand by until the last is ready, and no old one goes before all of them serve: so either all change
    or none does. Where there is none to replace, each new one serves as soon as it can.
    """

    def __init__(
        self,
        around: Surroundings,
        record: Chronicle,
        leaving: LeavingWorkers,
        rotation: Rotation,
        on_serving: TakeOver,
        on_failed: Callable[[str, Worker | None], None],
    ) -> None:
        self._around = around
        self._record = record
        self._leaving = leaving
        self._on_serving = on_serving
        self._on_failed = on_failed
        self._waits_for_old_to_leave = False
        self._old: dict[int, Worker] = {}
        self._handing_over: set[int] | None = None
        self._patience: Timer | None = None
        self._to_come = set(rotation.numbers)
        self.rotation = rotation
        self.candidates: dict[int, Worker] = {}
        """New workers that are not in use yet, by their numbers."""

    @property
    def is_done(self) -> bool:
        return not self._to_come and not self.candidates

    def begin(self, old: Mapping[int, Worker]) -> None:
        """Start the first new worker; `old` are those that serve on until all new ones are ready."""
        self._waits_for_old_to_leave = False
        self._old = dict(old)
        self._spawn(self.rotation.numbers[0])

    def begin_later(self) -> None:
        """Start nothing before all workers that leave have left."""
        self._waits_for_old_to_leave = True

    def all_have_left(self) -> None:
        if self._waits_for_old_to_leave:
            self.begin({})

    def abandon(self, *, resume: bool) -> None:
        """End the new workers; `resume`: old ones take the work up again that they handed over."""
        if self._patience is not None:
            self._patience.cancel()
        for worker in self.candidates.values():
            worker.clear_limit()
            if worker.stage is Stage.SERVING:
                self._leaving.see_off(worker)
            else:
                self._leaving.drop(worker)
        self.candidates.clear()
        if resume and self._handing_over is not None:
            for worker in self._old.values():
                worker.send("resume")

    # What happens

    def on_ready(self, worker: Worker, port: int) -> None:
        if worker.stage is Stage.STARTING:
            worker.stage = Stage.PROBING
            worker.probe(port)

    def on_probe(self, worker: Worker, problem: str | None) -> None:
        if problem is not None:
            self._fail(problem, worker)
            return
        worker.stage = Stage.STANDBY
        worker.clear_limit()
        self._go_on()
        while self._to_come and self._spawn(min(self._to_come)):
            pass

    def on_handed_over(self, worker: Worker, *, complete: bool) -> None:
        if self._handing_over is None or worker.number not in self._handing_over:
            return
        if not complete:
            # The new worker serves all the same; it takes work once the old one is gone.
            self._record.not_handed_over(worker)
        self._handing_over.discard(worker.number)
        self._go_on()

    def on_serving(self, worker: Worker) -> None:
        worker.clear_limit()
        worker.stage = Stage.SERVING
        self._go_on()

    def on_failed(self, worker: Worker, reason: str) -> None:
        """A new worker cannot go on."""
        self._fail(reason, worker)

    def on_exit(self, worker: Worker, reason: str) -> None:
        """The process of a new worker ended."""
        worker.clear_limit()
        del self.candidates[worker.number]
        self._fail(reason, worker)

    def on_lost(self, worker: Worker) -> None:
        """A worker that served ended, or is about to, though nobody asked for it."""
        if self._old.get(worker.number) is worker:
            del self._old[worker.number]
            if self._handing_over is not None:
                self._handing_over.discard(worker.number)
            self._go_on()

    # Step by step

    def _spawn(self, number: int) -> bool:
        """Return whether there is a process."""
        settings = self.rotation.request.settings
        self._to_come.discard(number)
        try:
            worker = self._around.spawn(settings, number)
        except OSError as exc:
            self._record.not_spawned(exc)
            self._fail(f"the process could not be started: {exc}", None)
            return False
        self.candidates[number] = worker
        limit = seconds(settings.application_pool.process_model.startup_time_limit)
        worker.limit = self._around.timers.after(limit, partial(self._on_start_overrun, worker, limit))
        self._record.worker_starting(worker, self.rotation.request)
        return True

    def _on_start_overrun(self, worker: Worker, limit: float) -> None:
        self._record.start_overrun(worker, limit)
        lacks = f": {'; '.join(worker.problems)}" if worker.problems else ""
        self._fail(f"not ready within {limit:g} s{lacks}", worker)

    def _go_on(self) -> None:
        """Do what can be done now."""
        if not self._old:
            for worker in self._at(Stage.STANDBY):
                self._let_serve(worker)
            self._commit()
        elif self._are_all_at(Stage.STANDBY):
            if self._handing_over is None:
                self._ask_to_hand_over()
            elif not self._handing_over:
                for worker in self._at(Stage.STANDBY):
                    self._let_serve(worker)
        elif self._are_all_at(Stage.SERVING):
            self._commit()

    def _at(self, stage: Stage) -> list[Worker]:
        return [worker for worker in self.candidates.values() if worker.stage is stage]

    def _are_all_at(self, stage: Stage) -> bool:
        return not self._to_come and len(self._at(stage)) == len(self.candidates)

    def _ask_to_hand_over(self) -> None:
        self._handing_over = set(self._old)
        limits = []
        for worker in self._old.values():
            limit = seconds(worker.settings.application_pool.process_model.shutdown_time_limit)
            worker.send("hand_over", timeout=limit)
            limits.append(limit + LIMIT_GRACE_SECONDS)
        self._patience = self._around.timers.after(max(limits), self._wait_no_longer)

    def _wait_no_longer(self) -> None:
        self._handing_over = set()
        self._go_on()

    def _let_serve(self, worker: Worker) -> None:
        if self._patience is not None:
            self._patience.cancel()
        worker.stage = Stage.TAKING_OVER
        limit = seconds(worker.settings.application_pool.process_model.startup_time_limit)
        worker.limit = self._around.timers.after(
            limit, partial(self._fail, f"did not begin to serve within {limit:g} s", worker)
        )
        worker.send("serve")

    def _commit(self) -> None:
        if serving := self._at(Stage.SERVING):
            for worker in serving:
                del self.candidates[worker.number]
            old, self._old = self._old, {}
            self._on_serving({worker.number: worker for worker in serving}, old)

    def _fail(self, reason: str, worker: Worker | None) -> None:
        self.abandon(resume=True)
        self._on_failed(reason, worker)
