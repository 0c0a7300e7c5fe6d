"""The connections that no worker has taken yet: the system keeps them, and this bounds their number."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

ROOM = 256
"""The system keeps so many more than are wanted: only those that it has can be answered."""

ACCEPT_QUEUE_OFFSET = 24
"""Where `struct tcp_info` of Linux has the length of a listening socket's queue."""


def waiting_connections(listener: socket.socket) -> int | None:
    """Return how many wait to be accepted, None where the system does not tell."""
    if not hasattr(socket, "TCP_INFO"):
        return None
    try:
        about = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACCEPT_QUEUE_OFFSET + 4)
    except OSError:
        return None
    (waiting,) = struct.unpack_from("I", about, ACCEPT_QUEUE_OFFSET)
    return int(waiting)


class Backlog:
    """For the supervisor's loop; `shed` is called with the number of connections that are too many."""

    def __init__(
        self,
        listener: socket.socket,
        shed: Callable[[int], None],
        waiting: Callable[[socket.socket], int | None] = waiting_connections,
    ) -> None:
        self._listener = listener
        self._shed = shed
        self._waiting = waiting
        self._length = 0

    def keep(self, length: int) -> None:
        """Let at most so many wait."""
        if length != self._length:
            self._length = length
            self._listener.listen(length + ROOM)
        waiting = self._waiting(self._listener)
        if waiting is not None and waiting > length:
            self._shed(waiting - length)
