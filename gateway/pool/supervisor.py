"""The supervisor: owns the socket, and turns the loop in which everything about the pool is decided.

Threads around it (worker readers, watcher, control channel, signals) only put messages into its inbox.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import platform
import queue
import secrets
import signal
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.logs import utc_text
from gateway.pool.backlog import Backlog
from gateway.pool.backoff import RestartPolicy
from gateway.pool.control_server import ControlServer
from gateway.pool.doorbell import Doorbell
from gateway.pool.event_kinds import POOL_STARTING
from gateway.pool.events import EventLog, events_file
from gateway.pool.intake import SettingsIntake
from gateway.pool.last_good import LastGoodSettings
from gateway.pool.listener import bound_address, lend
from gateway.pool.messages import (
    ClientCame,
    ControlRequest,
    Message,
    ProbeFinished,
    SettingsForeseen,
    SettingsRead,
    SignalReceived,
    SimulatorExited,
    SimulatorReady,
    WorkerExited,
    WorkerReport,
)
from gateway.pool.overflow import Overflow
from gateway.pool.pool import ApplicationPool
from gateway.pool.protocol import Go
from gateway.pool.questions import Questions
from gateway.pool.reasons import Reason
from gateway.pool.rotation import Request, Waiter, worded
from gateway.pool.service_manager import ServiceManager
from gateway.pool.simulator import Simulator
from gateway.pool.spare import SpareWorker
from gateway.pool.start_permit import StartPermit
from gateway.pool.status import full_status, service_condition, shared_status
from gateway.pool.surroundings import PoolState, Surroundings
from gateway.pool.timers import Timers
from gateway.pool.unavailable import UnavailableAnswerer
from gateway.pool.verbs import Verbs
from gateway.pool.watcher import SettingsWatcher
from gateway.pool.watching import Snapshot
from gateway.pool.workers import Worker, WorkerProcess
from gateway.settings import GatewaySettings, dump_settings, settings_changes, with_simulator

log = logging.getLogger(__name__)

LONGEST_WAIT = 0.5
"""Windows runs signal handlers only between waits."""

ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK")
RECYCLING_SIGNALS = ("SIGHUP",)
EVENTS_SHOWN = 10


@dataclass(frozen=True)
class Options:
    """Where everything is."""

    config: Path
    ini: Path
    var: Path


def needs_simulator(settings: GatewaySettings) -> bool:
    return any(instance.is_simulated for instance in settings.application_instances)


def cuts_connections(settings: GatewaySettings) -> bool:
    return settings.application_pool.failure.load_balancer_capabilities == "TcpLevel"


def node_name(var: Path, number: int) -> str:
    """Return a name that no other worker has at the same time, and that the next one of this number has too.

    Leases are held in this name: the successor of a worker that died takes over just those.
    """
    pool = f"{platform.node()}-{hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:8]}"
    return pool if number == 1 else f"{pool}.{number}"


class Supervisor:
    """Runs one application pool on a bound socket, until a signal or `stop --exit`."""

    def __init__(
        self,
        options: Options,
        listener: socket.socket,
        settings: GatewaySettings,
        known: Snapshot,
        service_manager: ServiceManager,
    ) -> None:
        """`known`: the bytes that `settings` were read from."""
        self._options = options
        self._listener = listener
        self._service_manager = service_manager
        self._address = bound_address(listener)
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._timers = Timers(time.monotonic)
        self._events = EventLog(events_file(options.var))
        self._simulator = Simulator(options.var, self._timers, self._inbox.put)
        self._last_good = LastGoodSettings(options.var / "last-good.json")
        self._permit = StartPermit(self._inbox.put)
        self._unavailable = UnavailableAnswerer(
            listener,
            lambda: self._pool.retry_after(),
            lambda: cuts_connections(self._pool.good_settings),
            self._permit.answer,
        )
        self._spare = SpareWorker(self._spawn_spare, self._timers, self._events)
        self._serials = itertools.count(1)
        self._secret = secrets.token_urlsafe(32)
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()
        self._awaiting_simulator: list[Worker] = []
        self._handed_url: str | None = None
        self._published: dict[str, Any] = {}
        self._ending = False
        self._killed = False
        self._pool = ApplicationPool(self._surroundings(), settings)
        self._overflow = Overflow(self._pool.record.queue_full)
        self._backlog = Backlog(listener, self._shed)
        self._intake = SettingsIntake(self._pool, self._events)
        self._questions = Questions(self._pool, self._timers)
        self._watcher = SettingsWatcher(options.config, known, self._inbox.put)
        self._verbs = Verbs(
            self._pool,
            options.config,
            self._intake,
            self._questions,
            status=self._status,
            end=self._end,
            look_again=self._watcher.report_anyway,
            permit=self._permit,
        )

    def _surroundings(self) -> Surroundings:
        """What the pool is given of the processes, files and sockets around it."""
        return Surroundings(
            spawn=self._spawn,
            prepare_spare=self._spare.prepare,
            clock=time.monotonic,
            timers=self._timers,
            events=self._events,
            unavailable=self._unavailable,
            bell=Doorbell(self._listener, lambda: self._inbox.put(ClientCame())),
            last_good=self._last_good,
            policy=RestartPolicy(),
            settings_of_file=lambda: self._intake.valid,
        )

    def run(self) -> int:
        """Return the exit code: 0 after a stop in good order, 1 if workers had to be killed."""
        with ExitStack() as stack:
            stack.callback(self._listener.close)
            stack.callback(self._unavailable.end)
            stack.callback(self._simulator.end)
            stack.callback(self._spare.dismiss)
            about = {"listen": str(self._address), "url": self._address.url}
            control = ControlServer(self._options.var, about, self._inbox.put)
            stack.callback(control.close)
            self._watcher.start()
            stack.callback(self._watcher.stop)
            self._listen_to_signals()
            self._begin()
            while not (self._ending and self._pool.state is PoolState.STOPPED):
                self._turn()
        log.info("Application pool ended: name=%s", self._pool.good_settings.application_pool.name)
        return 1 if self._killed else 0

    def _begin(self) -> None:
        settings = self._pool.good_settings
        last = self._last_good.load()
        changed = settings_changes(last, settings) if last else ()
        self._events.add(
            POOL_STARTING,
            name=settings.application_pool.name,
            listen=str(self._address),
            changes=worded(changed),
        )
        self._intake.warn(settings)
        if settings.application_pool.auto_start:
            self._pool.start(settings)
        else:
            self._pool.stay_stopped("autoStart is false; start-pool starts it")

    def _turn(self) -> None:
        """Handle one message, or what is due."""
        message: Message | None
        try:
            message = self._inbox.get(timeout=self._timers.seconds_to_next(LONGEST_WAIT))
        except queue.Empty:
            message = None
        try:
            if message is not None:
                self._handle(message)
            self._timers.run_due()
            self._keep_simulator()
            self._keep_spare()
            self._backlog.keep(self._pool.good_settings.application_pool.queue_length)
            self._overflow.keep()
            self._publish()
            self._service_manager.keep(service_condition(self._pool, self._config_error(), self._ending))
        except Exception:
            # Whatever it was, the workers serve on only as long as this loop turns.
            log.exception("Message not handled: kind=%s", type(message).__name__)

    def _handle(self, message: Message) -> None:
        match message:
            case WorkerReport():
                self._spare.on_report(message.worker, message.content)
                self._pool.on_report(message.worker, message.content)
                self._questions.on_report(message.worker, message.content)
            case WorkerExited():
                self._spare.on_exit(message.worker, message.code)
                self._pool.on_exit(message.worker, message.code)
                self._questions.on_exit(message.worker)
            case ClientCame():
                self._pool.wake()
            case ProbeFinished():
                self._pool.on_probe(message.worker, message.problem)
            case SettingsRead() | SettingsForeseen():
                self._on_settings(message)
            case SimulatorReady():
                self._on_simulator_ready(message)
            case SimulatorExited():
                self._simulator.on_exit(message)
            case ControlRequest():
                self._verbs.carry_out(message)
            case SignalReceived():
                self._on_signal(message.number)

    def _on_settings(self, message: SettingsRead | SettingsForeseen) -> None:
        if isinstance(message, SettingsRead):
            self._intake.take(message)
        elif self._pool.rotation is None and self._intake.would_recycle(message.settings):
            # The next worker begins to load the program while the file comes to rest.
            self._spare.hasten()

    # Workers

    def _spawn_spare(self, is_urgent: bool) -> Worker:
        worker = self._new_process(self._pool.good_settings, is_urgent=is_urgent)
        worker.send("warm", ini=str(self._options.ini.absolute()), is_urgent=is_urgent)
        return worker

    def _new_process(self, settings: GatewaySettings, *, is_urgent: bool = True) -> Worker:
        serial, post = next(self._serials), self._inbox.put
        return WorkerProcess(serial, settings, self._listener, self._secret, post, is_urgent=is_urgent)

    def _keep_spare(self) -> None:
        if self._ending or self._pool.state in (PoolState.STOPPING, PoolState.STOPPED):
            self._spare.dismiss()
        elif self._pool.rotation is None:
            # During a change of workers the processor is needed for the new one.
            self._spare.keep(self._pool.good_settings.application_pool.process_model.spare_worker)

    def _shed(self, count: int) -> None:
        self._unavailable.shed(count)
        self._overflow.refuse(count)

    def _spawn(self, settings: GatewaySettings, number: int) -> Worker:
        worker = self._spare.take() or self._new_process(settings)
        worker.settings, worker.number = settings, number
        if needs_simulator(settings) and self._simulator.url is None:
            self._simulator.want(settings.app.simulator_latency_seconds)
            worker.problems = ("the simulator is not ready",)
            self._awaiting_simulator.append(worker)
        else:
            self._go(worker)
        return worker

    def _go(self, worker: Worker) -> None:
        settings = worker.settings
        if needs_simulator(settings) and self._simulator.url is not None:
            settings = with_simulator(settings, self._simulator.url)
            self._handed_url = self._simulator.url
        go = Go(
            settings=dump_settings(settings),
            ini=str(self._options.ini.absolute()),
            listener=lend(self._listener, worker.pid),
            pool=settings.application_pool.name,
            var=str(self._options.var.absolute()),
            number=worker.number,
            node=node_name(self._options.var, worker.number),
            probe_secret=self._secret,
            status=self._shared_status(),
        )
        worker.send("go", **go._asdict())

    def _keep_simulator(self) -> None:
        """Let it run for as long as somebody may talk to it, with the latency of the worker that serves."""
        current = self._pool.current
        if current is not None and needs_simulator(current.settings):
            self._simulator.want(current.settings.app.simulator_latency_seconds)
        elif not any(
            needs_simulator(s)
            for s in (self._pool.target_settings, *(w.settings for w in self._pool.workers))
        ):
            self._simulator.unwant()

    def _on_simulator_ready(self, message: SimulatorReady) -> None:
        if not self._simulator.on_ready(message):
            return
        awaiting, self._awaiting_simulator = self._awaiting_simulator, []
        moved = self._handed_url not in (None, message.url)
        for worker in awaiting:
            if worker in self._pool.workers:
                self._go(worker)
        if moved and not awaiting:
            self._pool.recycle(Request(Reason.SIMULATOR_MOVED, self._pool.target_settings))

    # Signals

    def _listen_to_signals(self) -> None:
        """Handlers only queue: this queue may be filled in the middle of anything."""
        for name in (*ENDING_SIGNALS, *RECYCLING_SIGNALS):
            if number := getattr(signal, name, None):
                signal.signal(number, lambda n, _frame: self._inbox.put(SignalReceived(n)))

    def _on_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        log.info("Signal received: signal=%s", name)
        if name in RECYCLING_SIGNALS:
            self._verbs.recycle(Reason.SIGNAL, None)
        elif self._ending:
            self._killed = True
            self._pool.kill_all()
        else:
            self._end(None)

    def _end(self, waiter: Waiter | None) -> None:
        """Stop the pool, then the supervisor."""
        self._ending = True
        self._permit.give(None)
        self._pool.stop(waiter)

    # Status

    def _config_error(self) -> str | None:
        return self._intake.error or self._pool.record.refused

    def _shared_status(self) -> dict[str, Any]:
        return shared_status(self._pool, self._config_error()) | {"started_at": utc_text(self._began_at)}

    def _status(self) -> dict[str, Any]:
        supervisor = {
            "pid": os.getpid(),
            "config": str(self._options.config.absolute()),
            "node": node_name(self._options.var, 1),
            "listen": str(self._address),
            "url": self._address.url,
            "simulator_url": self._simulator.url,
            "simulator_pid": self._simulator.pid,
            "spare_pid": self._spare.pid,
            "spare_is_warm": self._spare.is_warm,
            "uptime_seconds": round(time.monotonic() - self._began, 1),
            "changes_not_applied": self._intake.not_applied,
            "events": self._events.recent(EVENTS_SHOWN),
        }
        return full_status(self._pool, self._shared_status(), supervisor)

    def _publish(self) -> None:
        """Tell the workers what has changed, so that they can show it."""
        status = self._shared_status()
        if status != self._published:
            self._published = status
            for worker in self._pool.workers:
                worker.send("pool", status=status)
