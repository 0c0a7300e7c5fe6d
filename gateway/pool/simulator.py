"""Keeps the Partner Center simulator running while an application instance asks for it."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

from gateway.pool.backoff import PAUSES
from gateway.pool.files import private_folder, write_private
from gateway.pool.messages import Message, SimulatorExited, SimulatorReady
from gateway.pool.timers import Timer, Timers
from gateway.pool.workers import child_options, python_command

log = logging.getLogger(__name__)

READY = re.compile(rb"ready on (http://[\w.\[\]:]+:(\d+))")
EXIT_SECONDS = 5.0
CONTROL_TIMEOUT = 5.0
PORT_TRIES = 3
"""The port of last time may have been taken by others; after so many early ends another one is chosen."""


def simulator_command(folder: Path, port: int, latency: float) -> list[str]:
    return python_command(
        "gateway.simulator",
        *("--port", str(port)),
        *("--state", str(folder / "state.db")),
        *("--catalog", str(folder / "catalog")),
        *("--latency", str(latency)),
        "--exit-with-stdin",
    )


class Simulator:
    """At most one simulator process; all methods are for the supervisor's loop.

    It outlives workers, so that it remembers what they did, and listens on the same port every time.
    """

    def __init__(
        self,
        var: Path,
        timers: Timers,
        post: Callable[[Message], None],
        command: Callable[[Path, int, float], list[str]] = simulator_command,
    ) -> None:
        self._folder = var / "simulator"
        self._memory = var / "simulator.json"
        self._timers = timers
        self._post = post
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._restart: Timer | None = None
        self._wanted = False
        self._run = 0
        self._early_ends = 0
        self._latency = 0.0
        self.url: str | None = None
        """Where it answers; None until it is ready."""

    @property
    def pid(self) -> int | None:
        """Process id, None while it does not run."""
        return self._process.pid if self._process is not None else None

    def want(self, latency: float) -> None:
        """Have it run, with so many seconds for an upgrade."""
        if not self._wanted:
            self._wanted, self._latency = True, latency
            self._start()
        elif latency != self._latency:
            self._latency = latency
            if self.url is not None:
                self._tell_latency(self.url)

    def unwant(self) -> None:
        """Let it end."""
        self._wanted, self.url = False, None
        if self._restart is not None:
            self._restart.cancel()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def end(self) -> None:
        """Let it end, and wait for that; it is ended if it takes too long."""
        process = self._process
        self.unwant()
        if process is None:
            return
        try:
            process.wait(timeout=EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def on_ready(self, message: SimulatorReady) -> bool:
        """Return whether it is the one that is wanted now."""
        if message.run != self._run or not self._wanted:
            return False
        self._early_ends = 0
        self.url = message.url
        self._remember(int(message.url.rpartition(":")[2]))
        log.info("Simulator ready: url=%s", self.url)
        self._tell_latency(self.url)
        return True

    def on_exit(self, message: SimulatorExited) -> None:
        """Start it again if it should still run; workers find it at the same address."""
        if message.run != self._run:
            return
        self._process = None
        if not self._wanted:
            return
        self._early_ends += 1
        pause = max(0.1, PAUSES[min(self._early_ends, len(PAUSES) - 1)])
        log.warning("Simulator ended: code=%s restart_in=%.1f", message.code, pause)
        self._restart = self._timers.after(pause, self._start)

    def _start(self) -> None:
        port = 0 if self._early_ends >= PORT_TRIES else self._remembered_port()
        private_folder(self._folder / "catalog")
        self._run += 1
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module.
                self._command(self._folder, port, self._latency),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                **child_options(),
            )
        except OSError as exc:
            log.warning("Simulator not started: error=%s", exc)
            self._post(SimulatorExited(self._run, -1))
            return
        threading.Thread(
            target=self._read, args=(self._run, self._process), name="simulator-output", daemon=True
        ).start()

    def _read(self, run: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        with process.stdout as output:
            for line in output:
                if found := READY.search(line):
                    self._post(SimulatorReady(run, found[1].decode("ascii")))
        code = process.wait()
        process.stdin.close()
        self._post(SimulatorExited(run, code))

    def _tell_latency(self, url: str) -> None:
        threading.Thread(
            target=set_latency, args=(url, self._latency), name="simulator-latency", daemon=True
        ).start()

    def _remembered_port(self) -> int:
        try:
            return int(json.loads(self._memory.read_text(encoding="utf-8"))["port"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _remember(self, port: int) -> None:
        try:
            write_private(self._memory, json.dumps({"port": port}))
        except OSError as exc:
            log.warning("Simulator port not written: error=%s", exc)


def set_latency(url: str, latency: float) -> None:
    """Tell a running simulator how many seconds an upgrade takes."""
    request = urllib.request.Request(  # noqa: S310 -- the simulator named this address, on loopback.
        f"{url}/_control/configure",
        data=json.dumps({"latency": latency}).encode("ascii"),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=CONTROL_TIMEOUT):  # noqa: S310
            log.debug("Simulator latency set: seconds=%s", latency)
    except OSError as exc:
        log.warning("Simulator latency not set: error=%s", exc)
