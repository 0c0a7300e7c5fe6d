"""Tells when the first client comes while there is no worker to accept it."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable

LONGEST_WAIT = 0.5
"""A listener that is closed, or a bell that is disarmed, is noticed by then."""


class Doorbell:
    """Looks at the listening socket and accepts nothing: the client stays in the queue for the worker."""

    def __init__(self, listener: socket.socket, on_ring: Callable[[], None]) -> None:
        self._listener = listener
        self._on_ring = on_ring
        self._armed: threading.Event | None = None

    def arm(self) -> None:
        """Call `on_ring` once, from another thread, when a client comes."""
        self.disarm()
        self._armed = armed = threading.Event()
        armed.set()
        threading.Thread(target=self._listen, args=(armed,), name="doorbell", daemon=True).start()

    def disarm(self) -> None:
        if self._armed is not None:
            self._armed.clear()
            self._armed = None

    def _listen(self, armed: threading.Event) -> None:
        while armed.is_set() and self._listener.fileno() >= 0:
            try:
                came = select.select([self._listener], [], [], LONGEST_WAIT)[0]
            except (OSError, ValueError):
                return
            if came and armed.is_set():
                armed.clear()
                self._on_ring()
