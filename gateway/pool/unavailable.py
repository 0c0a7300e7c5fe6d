"""Answers 503 on the listening socket while no worker can."""

from __future__ import annotations

import logging
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from gateway.pool.unavailable_page import PAGE, POLICY, wants_page

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 200
MAX_REQUEST = 1 << 20
READ_SECONDS = 5.0
"""How long a client may take to send its request, or to take the answer and close."""
LINGER_SECONDS = 1.0

BODY = b"Service Unavailable\n"
LINGER_NOT = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def response(retry_after: int, request: bytes = b"") -> bytes:
    """Return the whole answer, as a page where a browser asks; `retry_after` in seconds."""
    is_page = wants_page(request)
    body = PAGE if is_page else BODY
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        f"Content-Type: {'text/html' if is_page else 'text/plain'}; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Retry-After: {retry_after}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"Content-Security-Policy: {POLICY}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def request_is_whole(data: bytes) -> bool:
    """Return whether the head and the announced body of a request have been read."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return False
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
        if name == b"transfer-encoding" and b"chunked" in value:
            return body.endswith(b"0\r\n\r\n")
        if name == b"expect" and b"100-continue" in value:
            return True  # The client waits for a word before it sends the body.
    return True


class _Connection:
    """One client: its request is read, the answer is sent, then its close is awaited.

    Closing with unread bytes would reset the connection, and the client might never see the answer.
    """

    def __init__(self, client: socket.socket, deadline: float) -> None:
        self.socket = client
        self.deadline = deadline
        self.received = b""
        self.unsent = b""
        self.answered = False


class UnavailableAnswerer:
    """Takes connections from the listening socket between `open` and `close`; never closes the socket itself.

    `retry_after` tells how many seconds a client should wait; `must_cut`, whether clients are to be cut off
    instead of answered, for balancers that do not read HTTP; `answer`, what a request gets in place of 503.
    """

    def __init__(
        self,
        listener: socket.socket,
        retry_after: Callable[[], int],
        must_cut: Callable[[], bool] = lambda: False,
        answer: Callable[[bytes], bytes | None] = lambda _: None,
    ) -> None:
        self._listener = listener
        self._retry_after = retry_after
        self._must_cut = must_cut
        self._answer = answer
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._connections: dict[int, _Connection] = {}
        self._wanted = False
        self._ended = False
        self._listening = False
        self._to_shed = 0
        self._thread = threading.Thread(target=self._run, name="unavailable", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        return self._wanted

    def open(self) -> None:
        """Begin to answer."""
        self._wanted = True
        self._wake()

    def close(self) -> None:
        """Take no new connections; those taken are answered."""
        self._wanted = False
        self._wake()

    def shed(self, count: int) -> None:
        """Answer so many of the clients that wait, also while workers serve: too many do."""
        self._to_shed = count
        self._wake()

    def end(self) -> None:
        """Stop for good and wait until it is done."""
        self._wanted, self._ended = False, True
        self._wake()
        self._thread.join(timeout=READ_SECONDS)
        self._wake_writer.close()

    def _wake(self) -> None:
        with suppress(OSError):  # The thread may have seen by itself that this is the end.
            self._wake_writer.send(b"x")

    def _run(self) -> None:
        while not (self._ended and not self._connections):
            for key, _ in self._selector.select(timeout=0.2 if self._connections else None):
                self._handle(key.fileobj)
            while self._to_shed and len(self._connections) < MAX_CONNECTIONS:
                self._to_shed -= 1
                self._accept()
            self._follow_wish()
            self._drop_late()
        self._selector.close()
        self._wake_reader.close()

    def _handle(self, ready: object) -> None:
        if ready is self._wake_reader:
            self._wake_reader.recv(4096)
        elif ready is self._listener and self._wanted:
            self._accept()
        elif isinstance(ready, socket.socket) and (connection := self._connections.get(ready.fileno())):
            try:
                self._serve(connection)
            except BlockingIOError:
                return
            except OSError:
                self._drop(connection)

    def _follow_wish(self) -> None:
        """Listen if that is wanted and there is room; workers take what is left otherwise."""
        listen = self._wanted and len(self._connections) < MAX_CONNECTIONS
        if listen and not self._listening:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif self._listening and not listen:
            self._selector.unregister(self._listener)
        self._listening = listen

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError as exc:
            if not isinstance(exc, BlockingIOError):
                log.warning("Connection not accepted: error=%s", exc)
            return
        if self._must_cut():
            # A close without lingering resets the connection.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            client.close()
            return
        client.setblocking(False)
        self._connections[client.fileno()] = _Connection(client, time.monotonic() + READ_SECONDS)
        self._selector.register(client, selectors.EVENT_READ)

    def _serve(self, connection: _Connection) -> None:
        if connection.unsent:
            self._send(connection)
            return
        data = connection.socket.recv(65536)
        if not data:
            self._drop(connection)
        elif not connection.answered:
            connection.received += data
            if request_is_whole(connection.received) or len(connection.received) > MAX_REQUEST:
                connection.answered = True
                request, connection.received = connection.received, b""
                connection.unsent = self._answer(request) or response(self._retry_after(), request)
                self._send(connection)

    def _send(self, connection: _Connection) -> None:
        sent = connection.socket.send(connection.unsent)
        connection.unsent = connection.unsent[sent:]
        if connection.unsent:
            self._selector.modify(connection.socket, selectors.EVENT_WRITE)
            return
        connection.socket.shutdown(socket.SHUT_WR)
        connection.deadline = time.monotonic() + LINGER_SECONDS
        self._selector.modify(connection.socket, selectors.EVENT_READ)

    def _drop_late(self) -> None:
        now = time.monotonic()
        for connection in [c for c in self._connections.values() if c.deadline <= now]:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        del self._connections[connection.socket.fileno()]
        self._selector.unregister(connection.socket)
        connection.socket.close()
