"""A worker as the supervisor sees it."""

from __future__ import annotations

import http.client
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import Any

from gateway.pool.listener import inheritable_fds
from gateway.pool.loading import AT_LEISURE
from gateway.pool.messages import Message, ProbeFinished, WorkerExited, WorkerReport
from gateway.pool.protocol import read_lines, to_line
from gateway.pool.timers import Timer
from gateway.settings import GatewaySettings

log = logging.getLogger(__name__)

PROBE_TRIES = 10
PROBE_PAUSE = 0.2
PROBE_TIMEOUT = 5.0
EXIT_SECONDS = 5.0


class Stage(Enum):
    """How far a worker has come."""

    STARTING = "starting"
    PROBING = "probing"
    STANDBY = "standby"
    TAKING_OVER = "taking over"
    SERVING = "serving"
    DRAINING = "draining"


class Worker(ABC):
    """What the pool knows of one worker, and what it can do to it."""

    def __init__(self, serial: int, settings: GatewaySettings) -> None:
        self.serial = serial
        self.settings = settings
        """The values it runs with; a spare gets its own when it is needed."""
        self.number = 0
        """Its place among those that serve at the same time, from 1 on; 0 for a spare."""
        self.was_spare = False
        self.stage = Stage.STARTING
        self.problems: tuple[str, ...] = ()
        """What it lacks to be ready, in its own words."""
        self.failure: str | None = None
        """Why it is about to end, where that is known."""
        self.limit: Timer | None = None
        """Ends it if it does not get on in time."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """Process id."""

    @abstractmethod
    def send(self, command: str, **arguments: Any) -> None:
        """Give it a command; returns at once, and never fails: a dead worker is reported elsewhere."""

    @abstractmethod
    def probe(self, port: int) -> None:
        """Ask it over HTTP whether it is ready; the answer comes as a message."""

    @abstractmethod
    def kill(self) -> None:
        """End it now."""

    def clear_limit(self) -> None:
        if self.limit is not None:
            self.limit.cancel()
            self.limit = None


def python_command(module: str, *arguments: str) -> list[str]:
    """Return a command that runs a module with this interpreter."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_options() -> dict[str, Any]:
    """Return options of `Popen` for a child that finds the same modules and does not hear Ctrl-C."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry or "." for entry in sys.path)}
    # To compile every module with each start would take half as long again as the start itself.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # To look for plugins Pydantic would read something of every installed package; none is meant for us.
    environment.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Of many threads each would keep freed memory for itself, in an arena and in a cache of its own; they
    # wait for the interpreter, not for memory.
    environment.setdefault("MALLOC_ARENA_MAX", "2")
    environment.setdefault("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
    options: dict[str, Any] = {"env": environment}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        options["process_group"] = 0
    return options


class WorkerProcess(Worker):
    """A real one. One thread reads its reports and one writes its commands: the loop never blocks."""

    def __init__(
        self,
        serial: int,
        settings: GatewaySettings,
        listener: socket.socket,
        secret: str,
        post: Callable[[Message], None],
        *,
        is_urgent: bool = True,
    ) -> None:
        """:raises OSError: if the process cannot be started"""
        super().__init__(serial, settings)
        self._secret = secret
        self._post = post
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module.
            python_command("gateway.pool.worker_process", *([] if is_urgent else [AT_LEISURE])),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=inheritable_fds(listener),
            **child_options(),
        )
        for target, name in ((self._read, "reports"), (self._write, "commands")):
            threading.Thread(target=target, name=f"worker-{self.pid}-{name}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: str, **arguments: Any) -> None:
        self._outgoing.put(to_line({"cmd": command, **arguments}))

    def probe(self, port: int) -> None:
        threading.Thread(
            target=self._probe, args=(port,), name=f"worker-{self.pid}-probe", daemon=True
        ).start()

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for report in read_lines(stdout.fileno()):
                self._post(WorkerReport(self.serial, report))
        self._outgoing.put(None)
        self._post(WorkerExited(self.serial, self._wait()))

    def _wait(self) -> int:
        """Return the exit code; a worker that closed its reports has nothing to stay for."""
        try:
            return self._process.wait(timeout=EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _write(self) -> None:
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            while (line := self._outgoing.get()) is not None:
                try:
                    while line:
                        line = line[stdin.write(line) or 0 :]
                except OSError:
                    # It died; the reading thread says so.
                    return

    def _probe(self, port: int) -> None:
        problem: str | None = None
        for _ in range(PROBE_TRIES):
            problem = probe_problem(port, self._secret)
            if problem is None:
                break
            time.sleep(PROBE_PAUSE)
        self._post(ProbeFinished(self.serial, problem))


def probe_problem(port: int, secret: str) -> str | None:
    """Ask a worker's private port for `/readyz`; return None if it answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT)
    try:
        connection.request("GET", "/readyz", headers={"X-Gateway-Probe": secret, "Connection": "close"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as exc:
        return f"GET /readyz: {exc}"
    finally:
        connection.close()
    return None if status == 200 else f"GET /readyz answered {status}, expected 200"
