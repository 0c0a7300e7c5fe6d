"""Waitress in a worker: serves on a lent socket, and leaves it without losing a request."""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from waitress import wasyncore
from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ThreadedTaskDispatcher, WSGITask
from waitress.utilities import Error

from gateway.pool.overflow import RETRY_AFTER, Overflow
from gateway.pool.running import Running
from gateway.pool.unavailable import BODY

log = logging.getLogger(__name__)

LOOP_SECONDS = 1.0
DRAIN_LOOP_SECONDS = 0.05
IDLE_GRACE_SECONDS = 1.0
"""How long idle keep-alive connections are served after the drain began: a request may be on its way.

Many clients do not look whether a connection was closed before they use it again. Where others serve already
there is time to wait for those, see `drain`.
"""

FRESH_SECONDS = 5.0
"""A connection without a byte counts as busy for so long: its request is on its way too."""

MOST_AT_ONCE = 262_144
"""Bytes that are copied for the system to send; it often takes far less than its buffer is said to hold."""

WORKER_OWNED = frozenset(
    {"use", "listen", "host", "port", "ipv4", "ipv6", "sockets", "unix_socket", "unix_socket_perms"}
)
"""What `[server:main]` may say for Waitress alone, but the pool decides."""


class _Task(WSGITask):
    """Counts itself, and says `Connection: close` once the worker leaves.

    A WSGI application cannot say it: hop-by-hop headers are refused.
    """

    channel: _Channel

    def service(self) -> None:
        # The stubs of Waitress take the request for an error, and do not know its path.
        request: Any = self.request
        client = self.channel.addr[0] if self.channel.addr else ""
        self.channel.running.begin(id(self), request.command, request.path, str(client))
        try:
            super().service()
        finally:
            self.channel.running.end(id(self))

    def build_response_header(self) -> bytes:
        # Requests that were pipelined behind this one would be dropped by an early close.
        if self.channel.draining.is_set() and len(self.channel.requests) <= 1:
            self.set_close_on_finish()
        return super().build_response_header()


class _QueueFull(Error):
    """The answer to a request that cannot wait for a thread."""

    def to_response(self, ident: str | None = None) -> Any:
        """Return status, headers and body as bytes, which the stubs of Waitress take for a text."""
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Retry-After", str(RETRY_AFTER)),
            ("Cache-Control", "no-store"),
        ]
        return "503 Service Unavailable", headers, BODY


class _Channel(HTTPChannel):
    task_class = _Task
    running: Running
    draining: threading.Event

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.sendbuf_len = min(self.sendbuf_len, MOST_AT_ONCE)

    def write_soon(self, data: Any) -> int:
        """Have a large piece sent from where it is; Waitress would copy it, and larger ones into a file."""
        if isinstance(data, bytes) and len(data) > MOST_AT_ONCE:
            data = ReadOnlyFileBasedBuffer(BytesIO(data))
            data.prepare()
        count: int = super().write_soon(data)
        if self.total_outbufs_len >= self.adj.send_bytes:
            # Waitress told the loop while that still left this connection to us, see `writable`.
            self.server.pull_trigger()
        return count

    def writable(self) -> bool:
        """Leave it to the thread that answers while that is sending.

        Waitress would look again and again, without a pause, whether it may send as well; and the thread then
        waits up to 5 ms for Python's lock after each call of the system. Above the mark the thread is about
        to wait for the loop.
        """
        if self.requests and not self.will_close and self.total_outbufs_len <= self.adj.outbuf_high_watermark:
            if not self.outbuf_lock.acquire(blocking=False):
                return False
            self.outbuf_lock.release()
        return bool(super().writable())


class Serving:
    """A Waitress server on two sockets: a public one, closed at first, and a private one for the supervisor.

    `run` turns the loop in the calling thread; the other methods may be called from any thread.
    """

    def __init__(
        self,
        application: Callable[..., Any],
        private_application: Callable[..., Any],
        public: socket.socket,
        private: socket.socket,
        adjustments: Mapping[str, Any],
        queue_length: int,
        on_queue_full: Callable[[int], None],
    ) -> None:
        """`queue_length`: so many requests may wait for a thread; the others are refused, and counted."""
        self._map: dict[int, Any] = {}
        self._draining = threading.Event()
        self._running = Running()
        self._drain_began = 0.0
        self._drain_limit = 0.0
        self._idle_grace = IDLE_GRACE_SECONDS
        self._turned_at = time.monotonic()
        self._queue_length = queue_length
        self._overflow = Overflow(on_queue_full)
        self._refused: deque[Any] = deque()
        own = {key: value for key, value in adjustments.items() if key not in WORKER_OWNED}
        server = create_server(application, map=self._map, sockets=[public, private], **own)
        self._dispatcher: ThreadedTaskDispatcher = server.task_dispatcher
        # The stubs of Waitress know neither its trigger nor its channels.
        servers: list[Any] = [entry for entry in self._map.values() if isinstance(entry, BaseWSGIServer)]
        self._public = next(s for s in servers if s.socket.fileno() == public.fileno())
        self._private = next(s for s in servers if s is not self._public)
        self._private.application = private_application
        self._public.add_task = self._take
        channel_class = type("Channel", (_Channel,), {"running": self._running, "draining": self._draining})
        for each in servers:
            each.channel_class = channel_class
        # A candidate that fails must not have answered anybody.
        self._public.accepting = False

    def open(self) -> None:
        """Take connections from the public socket from now on."""
        self._in_loop(self._set_accepting)

    def drain(
        self,
        limit: float,
        *,
        let_go: bool = False,
        lingering: bool = False,
        idle_grace: float = IDLE_GRACE_SECONDS,
    ) -> None:
        """Leave: take no new connections, finish what came in, within `limit` seconds.

        `let_go`: close this process's hold on the public socket at once, for nobody else owns it any more.
        `lingering`: serve new connections while idle ones are given their time, for nobody else does.
        `idle_grace`: so many seconds idle connections are given.
        """
        self._idle_grace = idle_grace
        self._in_loop(lambda: self._begin_drain(limit, let_go, lingering))

    def run(self) -> bool:
        """Serve until drained; return whether every request got its answer."""
        while not self._draining.is_set():
            self._turn(LOOP_SECONDS)
        while (left := self._close_idle()) and time.monotonic() < self._drain_began + self._drain_limit:
            self._turn(DRAIN_LOOP_SECONDS)
        self._dispatcher.shutdown(timeout=1)
        self._overflow.tell_rest()
        seconds = time.monotonic() - self._drain_began
        log.info("HTTP drained: seconds=%.2f connections_cut=%s", seconds, left)
        return left == 0

    def state(self) -> dict[str, float]:
        """Return how well it serves: ages in seconds, and counts."""
        waiting = len(self._dispatcher.queue)
        are_all_busy = waiting > 0 and len(self._running) >= len(self._dispatcher.threads)
        return {
            "loop_age": time.monotonic() - self._turned_at,
            "queue": waiting,
            "running": len(self._running),
            "oldest_request_age": self._running.oldest_age(),
            "stuck_seconds": self._running.youngest_age() if are_all_busy else 0.0,
        }

    @property
    def requests(self) -> Running:
        """Those under way, and how many there were."""
        return self._running

    def _in_loop(self, action: Callable[[], None]) -> None:
        self._public.trigger.pull_trigger(action)

    def _set_accepting(self) -> None:
        self._public.accepting = not self._draining.is_set()

    def _take(self, channel: Any) -> None:
        """Have a thread work on the channel's next request, or refuse it if too many wait already."""
        threads = self._dispatcher
        idle = len(threads.threads) - threads.stop_count - threads.active_count
        if len(threads.queue) - idle < self._queue_length:
            self._dispatcher.add_task(channel)
            return
        # The caller holds the channel's lock, which the answer needs: the loop answers it.
        channel.requests[0].error = _QueueFull("")
        self._refused.append(channel)
        self._public.pull_trigger()

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, map=self._map, use_poll=hasattr(select, "poll"), count=1)
        self._turned_at = time.monotonic()
        while self._refused:
            self._overflow.refuse()
            self._refused.popleft().service()
        self._overflow.keep()

    def _begin_drain(self, limit: float, let_go: bool, lingering: bool) -> None:
        if not self._draining.is_set():
            self._drain_began, self._drain_limit = time.monotonic(), limit
        self._public.accepting = self._public.accepting and lingering
        self._private.accepting = False
        self._draining.set()
        if let_go:
            # Not `close`, which would take the trigger that running threads pull.
            self._public.del_channel()
            self._public.socket.close()

    def _close_idle(self) -> int:
        """Close connections that wait for nothing; return how many are left."""
        now = time.monotonic()
        is_over = now - self._drain_began >= self._idle_grace
        if is_over:
            self._public.accepting = False
        channels = [*self._public.active_channels.values(), *self._private.active_channels.values()]
        for channel in channels:
            if is_over and not is_busy(channel, time.time(), self._idle_grace):
                channel.handle_close()
        return len(self._public.active_channels) + len(self._private.active_channels)


def is_busy(channel: HTTPChannel, now: float, idle_grace: float) -> bool:
    """Return whether a connection has, or is about to have, something to do; `now` as `time.time` has it."""
    if channel.requests or channel.request is not None or channel.total_outbufs_len:
        return True
    if channel.close_when_flushed or channel.will_close or now - channel.last_activity < idle_grace:
        return True
    if channel.last_activity == channel.creation_time and now - channel.creation_time < FRESH_SECONDS:
        return True
    return _has_unread_bytes(channel.socket)


def _has_unread_bytes(sock: socket.socket | None) -> bool:
    if sock is None:
        return False
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
