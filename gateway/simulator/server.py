"""Waitress around the simulator, and how it ends."""

from __future__ import annotations

import _thread
import contextlib
import logging
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from waitress.server import create_server

from gateway.simulator.app import Simulator

log = logging.getLogger(__name__)

CONNECTION_LIMIT = 4_000
BACKLOG = 1_024
CHANNEL_TIMEOUT_SECONDS = 900
"""Longer than an answer may be held back, and no trouble to clients that keep connections."""


@dataclass(frozen=True)
class ServerOptions:
    host: str = "127.0.0.1"
    port: int = 0
    threads: int = 64
    exit_with_stdin: bool = False


def serve(simulator: Simulator, options: ServerOptions) -> None:
    """Serve until SIGTERM, SIGINT or, if asked, the end of stdin."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)
    server = create_server(
        simulator,
        sockets=[listener],
        threads=options.threads,
        connection_limit=CONNECTION_LIMIT,
        backlog=BACKLOG,
        channel_timeout=CHANNEL_TIMEOUT_SECONDS,
        channel_request_lookahead=1,  # A client that has gone is noticed only while reading ahead.
        asyncore_use_poll=hasattr(select, "poll"),
        ident="Simulator",
    )
    with _signals(simulator):
        if options.exit_with_stdin:
            _stop_at_end_of_stdin(server)
        port = listener.getsockname()[1]
        sys.stdout.write(f"Partner Center simulator ready on http://{_host(options.host)}:{port}\n")
        sys.stdout.flush()
        try:
            server.run()
        except KeyboardInterrupt:
            log.info("Simulator interrupted")
        finally:
            simulator.stop()
            server.close()


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextlib.contextmanager
def _signals(simulator: Simulator) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        simulator.stop()  # Answers held back go first, so that no thread is waited for.
        raise SystemExit(0)

    old = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _stop_at_end_of_stdin(server: Any) -> None:
    """A supervisor that dies closes our stdin, so that no simulator is left behind."""

    def watch() -> None:
        while sys.stdin.buffer.read(4096):
            continue
        _thread.interrupt_main()
        server.pull_trigger()

    threading.Thread(target=watch, name="stdin-watch", daemon=True).start()
