"""Tells systemd how the pool is, over the datagram socket that it names; without one nothing is told."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

log = logging.getLogger(__name__)

NOTIFY_SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"


@dataclass(frozen=True)
class Condition:
    """How the pool is at one moment."""

    is_ready: bool
    """A worker has proved itself, or none is wanted."""
    is_reloading: bool
    is_stopping: bool
    text: str
    """One line for `systemctl status`."""


class ServiceManager:
    """For the supervisor's loop: `keep` is called with every turn, and sends only what is news."""

    def __init__(
        self, address: str | None, watchdog_seconds: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`watchdog_seconds`: after so long without a sign of life the pool is killed; None for never."""
        self._address = address if hasattr(socket, "AF_UNIX") else None
        self._watchdog = watchdog_seconds
        self._clock = clock
        self._phase = ""
        self._text = ""
        self._alive_at = -float("inf")
        self._is_deaf = False

    @classmethod
    def of_environment(cls, environ: MutableMapping[str, str] = os.environ) -> ServiceManager:
        """Take what systemd said out of the environment: workers have nothing to tell it."""
        address = environ.pop(NOTIFY_SOCKET, None)
        interval, pid = environ.pop(WATCHDOG_USEC, ""), environ.pop(WATCHDOG_PID, "")
        is_meant = interval.isdecimal() and pid in ("", str(os.getpid()))
        return cls(address, int(interval) / 1_000_000 if is_meant else None)

    def keep(self, condition: Condition) -> None:
        """Send what has changed, and a sign of life when it is time for one."""
        if self._address is None:
            return
        now = self._clock()
        lines = []
        phase = self._next_phase(condition)
        if phase != self._phase:
            lines.append(f"{phase}=1")
            if phase == "RELOADING":
                lines.append(f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        if condition.text != self._text:
            lines.append(f"STATUS={condition.text}")
        is_due = self._watchdog is not None and now >= self._alive_at + self._watchdog / 2
        if is_due:
            lines.append("WATCHDOG=1")
        if lines and self._send(self._address, "\n".join(lines)):
            self._phase, self._text = phase, condition.text
            self._alive_at = now if is_due else self._alive_at

    def _next_phase(self, condition: Condition) -> str:
        if condition.is_stopping:
            return "STOPPING"
        if condition.is_reloading and self._phase:
            return "RELOADING"
        if condition.is_ready or self._phase == "RELOADING":
            return "READY"
        return self._phase

    def _send(self, address: str, text: str) -> bool:
        """Return whether it arrived; what did not is sent again with the next turn."""
        path = f"\0{address[1:]}" if address.startswith("@") else address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(text.encode("utf-8"), path)
        except OSError as exc:
            if not self._is_deaf:
                log.warning("Service manager not told: error=%s", exc)
            self._is_deaf = True
            return False
        self._is_deaf = False
        return True
