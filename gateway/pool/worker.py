"""The worker process: serves the WSGI application on a lent socket, and does what the supervisor says.

`worker_process` is what the supervisor starts; see `protocol` for how they talk.
"""

from __future__ import annotations

import hmac
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from gateway.logs import mask_secrets
from gateway.pool.background import (
    BACKGROUND,
    ON_SERVING,
    POOL_DESK,
    POOL_STATUS,
    READINESS,
    BackgroundService,
    find_registry,
)
from gateway.pool.desk import PoolDesk
from gateway.pool.hosting import (
    load_application,
    preload,
    rehearse,
    set_up_logging,
    waitress_adjustments,
)
from gateway.pool.listener import borrow
from gateway.pool.loading import at_leisure, without_collection
from gateway.pool.lock import FileLock, work_lock
from gateway.pool.memory import private_memory
from gateway.pool.protocol import Go, Warm, read_lines, to_line
from gateway.pool.running import Running
from gateway.pool.serving import IDLE_GRACE_SECONDS, Serving
from gateway.settings import GatewaySettings, restore_settings

log = logging.getLogger("gateway.pool.worker")

READINESS_SECONDS = 0.1
WORK_LOCK_SECONDS = 0.1
PROBE_HEADER = "HTTP_X_GATEWAY_PROBE"
EXIT_FAILED = 1
NOT_SERVING = {"loop_age": 0.0, "queue": 0, "stuck_seconds": 0.0}


class Reports:
    """Writes lines to the supervisor, from any thread."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def __call__(self, report: str, **details: Any) -> None:
        line = to_line({"report": report, **details})
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._fd, line) :]
            except OSError:
                # The supervisor is gone; the end of the commands says so too, and is acted on there.
                return


class Worker:
    """Three threads: this one serves, one hears commands, one carries out those that take time."""

    def __init__(self, report: Callable[..., None]) -> None:
        self._report = report
        self._go: queue.SimpleQueue[Go | Warm | None] = queue.SimpleQueue()
        self._chores: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._settings: GatewaySettings | None = None
        self._serving: Serving | None = None
        self._background: BackgroundService | None = None
        self._work_lock: FileLock | None = None
        self._has_work = False
        self._wants_work = False
        self._failed = False
        self._leave_at = 0.0
        self._leaving = threading.Event()
        self._handed_over = threading.Event()
        self._pool_status: dict[str, Any] = {}
        self._on_serving: Callable[[], object] | None = None

    def run(self, commands: Iterable[dict[str, Any]]) -> int:
        """Live the whole life of a worker; return its exit code."""
        threading.Thread(target=self._hear, args=(commands,), name="control", daemon=True).start()
        go = self._go.get()
        if isinstance(go, Warm):
            self._warm_up(go)
            go = self._go.get()
        if not isinstance(go, Go):
            return 0
        threading.Thread(target=self._do_chores, name="chores", daemon=True).start()
        try:
            serving = self._prepare(go)
        except Exception as exc:
            # Whatever keeps an application from loading: the supervisor has to hear the reason.
            log.exception("Worker could not start")
            self._report("failed", reason=mask_secrets(f"{type(exc).__name__}: {exc}"))
            return EXIT_FAILED
        served_all = serving.run()
        handed_over = self._handed_over.wait(timeout=max(0.0, self._leave_at - time.monotonic()))
        log.info("Worker leaves: requests_finished=%s work_handed_over=%s", served_all, handed_over)
        return 0 if served_all and handed_over and not self._failed else EXIT_FAILED

    def ask_to_leave(self) -> None:
        """Drain as if the supervisor had asked; safe in a signal handler."""
        self._chores.put({"cmd": "drain"})

    def _warm_up(self, warm: Warm) -> None:
        """Import beforehand what the application needs; with time enough, make one as a rehearsal."""
        if warm.is_urgent:
            self._load(warm)
        else:
            at_leisure(lambda: self._load(warm))
        self._report("warm")

    def _load(self, warm: Warm) -> None:
        try:
            with without_collection():
                preload(warm.ini)
                if not warm.is_urgent:
                    rehearse(warm.ini)
        except Exception as exc:
            # Whoever is to serve with it finds out, and says it, when it matters.
            log.exception("Spare worker could not import everything: error=%s", type(exc).__name__)

    def _prepare(self, go: Go) -> Serving:
        self._settings = settings = restore_settings(go.settings)
        set_up_logging(go.ini, settings.app.log_level)
        self._work_lock = work_lock(Path(go.var), go.number)
        public = borrow(go.listener)
        with without_collection():
            application = load_application(go)
        registry = find_registry(application)
        status = registry.setdefault(POOL_STATUS, self._pool_status)
        status.update(self._pool_status)
        self._pool_status = status
        registry[POOL_DESK] = PoolDesk(Path(go.var))
        self._background = registry.get(BACKGROUND)
        self._on_serving = registry.get(ON_SERVING) if go.number == 1 else None
        private = socket.create_server(("127.0.0.1", 0))
        guarded = only_with_secret(application, go.probe_secret)
        serving = Serving(
            application,
            guarded,
            public,
            private,
            waitress_adjustments(go.ini),
            queue_length=settings.application_pool.queue_length,
            on_queue_full=lambda count: self._report("queue_full", refused=count),
        )
        readiness = registry.get(READINESS, list)
        port = private.getsockname()[1]
        threading.Thread(
            target=self._await_readiness, args=(readiness, port), name="readiness", daemon=True
        ).start()
        self._serving = serving
        return serving

    def _await_readiness(self, readiness: Callable[[], list[str]], port: int) -> None:
        """Report what is missing whenever that changes, then that nothing is; the supervisor waits."""
        told: list[str] = []
        while not self._leaving.wait(timeout=READINESS_SECONDS if told else 0):
            problems = _problems(readiness)
            if not problems:
                self._report("ready", port=port)
                return
            if problems != told:
                self._report("not_ready", problems=problems)
                told = problems

    def _hear(self, commands: Iterable[dict[str, Any]]) -> None:
        go = None
        for command in commands:
            match command.get("cmd"):
                case "go":
                    go = Go.from_command(command)
                    self._pool_status.update(go.status)
                    self._go.put(go)
                case "warm":
                    self._go.put(Warm(command["ini"], command["is_urgent"]))
                case "ping":
                    self._report("pong", id=command.get("id"), **self._state())
                case "requests":
                    self._tell_requests(command.get("id"))
                case "pool":
                    self._pool_status.update(command["status"])
                case "drain":
                    self._drain(
                        command["timeout"],
                        lingering=command["lingering"],
                        idle_grace=command.get("idle_grace", IDLE_GRACE_SECONDS),
                    )
                case _:
                    self._chores.put(command)
        # The supervisor died: leave, and let go of the port for its successor.
        if go is None:
            self._go.put(None)
        else:
            log.warning("Worker leaves: reason=%s", "the supervisor ended")
            self._drain(let_go=True)

    def _state(self) -> dict[str, Any]:
        return dict(self._serving.state()) if self._serving else NOT_SERVING

    def _tell_requests(self, number: object) -> None:
        running = self._serving.requests if self._serving else Running()
        self._report(
            "requests",
            id=number,
            requests=running.shown(),
            served=running.begun,
            queued=self._state()["queue"],
            private_memory=private_memory(),
        )

    def _tell_figures(self) -> None:
        """What tells whether this worker has done enough; counting upgrades may take a moment."""
        running = self._serving.requests if self._serving else Running()
        self._report(
            "figures",
            requests=running.begun,
            idle_seconds=running.idle_seconds(),
            private_memory=private_memory(),
            upgrades=self._count_upgrades(),
        )

    def _count_upgrades(self) -> int | None:
        if self._background is None:
            return 0
        try:
            status = self._background.status()
        except Exception as exc:
            # The database may be away; who is asked decides with what is known.
            log.exception("Upgrades not counted: error=%s", type(exc).__name__)
            return None
        return int(status.get("running") or 0) + int(status.get("pending") or 0)

    def _drain(
        self,
        timeout: float | None = None,
        *,
        let_go: bool = False,
        lingering: bool = False,
        idle_grace: float = IDLE_GRACE_SECONDS,
    ) -> None:
        if self._serving is None:
            # Nothing was served and no work was taken, so nothing can be lost; loading may take long.
            os._exit(EXIT_FAILED)
        assert self._settings is not None
        process_model = self._settings.application_pool.process_model
        limit = process_model.shutdown_time_limit.total_seconds() if timeout is None else timeout
        if not self._leaving.is_set():
            self._leave_at = time.monotonic() + limit
        self._leaving.set()
        self._pool_status["draining"] = True
        if self._background is not None:
            self._background.stop_claiming()
        self._chores.put({"cmd": "release", "timeout": limit})
        self._serving.drain(limit, let_go=let_go, lingering=lingering, idle_grace=idle_grace)

    def _do_chores(self) -> None:
        while True:
            command = self._chores.get()
            try:
                self._do(command)
            except Exception as exc:
                log.exception("Command failed: command=%s", command.get("cmd"))
                self._failed = True
                self._report("failed", reason=mask_secrets(f"{type(exc).__name__}: {exc}"))
                if command.get("cmd") == "release":
                    self._handed_over.set()
                else:
                    self._drain()

    def _do(self, command: dict[str, Any]) -> None:
        match command["cmd"]:
            case "serve":
                self._want_work()
                if self._serving is not None:
                    self._serving.open()
                self._report("serving")
                if self._on_serving is not None:
                    self._on_serving()
            case "hand_over":
                self._report("handed_over", complete=self._release(command["timeout"]))
            case "resume":
                self._want_work()
            case "look":
                self._tell_figures()
            case "begin_work":
                self._leaving.wait(timeout=WORK_LOCK_SECONDS)
                self._begin_work()
            case "release":
                self._release(command["timeout"])
                self._handed_over.set()
            case "drain":
                self._drain()

    def _want_work(self) -> None:
        self._wants_work = self._background is not None
        self._begin_work()

    def _begin_work(self) -> None:
        """Start background work, now or as soon as no earlier worker can have any in flight."""
        if (
            self._background is None
            or self._work_lock is None
            or self._leaving.is_set()
            or not self._wants_work
        ):
            return
        if self._work_lock.try_acquire():
            self._wants_work, self._has_work = False, True
            self._background.start()
        else:
            self._chores.put({"cmd": "begin_work"})

    def _release(self, timeout: float) -> bool:
        self._wants_work = False
        if self._background is None or self._work_lock is None or not self._has_work:
            return True
        self._background.stop_claiming()
        complete = self._background.hand_over(timeout)
        if complete:
            self._has_work = False
            self._work_lock.release()
        return complete


def _problems(readiness: Callable[[], list[str]]) -> list[str]:
    try:
        return [mask_secrets(str(problem)) for problem in readiness()]
    except Exception as exc:
        log.exception("Readiness could not be found out")
        return [mask_secrets(f"{type(exc).__name__}: {exc}")]


def only_with_secret(application: Callable[..., Any], secret: str) -> Callable[..., Any]:
    """Return the application for the supervisor alone: others on this machine can reach its port too."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        given = environ.get(PROBE_HEADER, "")
        if hmac.compare_digest(given.encode("latin-1"), secret.encode("latin-1")):
            answer: Iterable[bytes] = application(environ, start_response)
            return answer
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return []

    return guarded


def take_over_streams() -> tuple[int, int]:
    """Return descriptors for commands and reports.

    What the application reads from its stdin is empty, and what it prints goes to stderr: neither harms them.
    """
    commands, reports = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return commands, reports


def main() -> NoReturn:
    commands, reports = take_over_streams()
    worker = Worker(Reports(reports))
    # Ctrl-C at the terminal is for the supervisor, which then tells its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: worker.ask_to_leave())
    code = worker.run(read_lines(commands))
    logging.shutdown()
    sys.stderr.flush()
    # Threads that did not end in time would hold the process for ever; and without overlap, clients wait
    # while an interpreter takes itself to pieces.
    os._exit(code)
