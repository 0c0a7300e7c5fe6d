"""A thread that does what has gathered, whenever it is told that something has."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

END_SECONDS = 5.0


class Clerk:
    """Its thread begins with the first call, and again with one after the end."""

    def __init__(self, work: Callable[[], None], name: str) -> None:
        """:param work: does all there is; it must not raise anything"""
        self._work = work
        self._name = name
        self._calls: SimpleQueue[float | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def call(self, after: float = 0.0) -> None:
        """Have it work, so many seconds from now."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self._calls.put(after)

    def end(self) -> None:
        """Let it do what it was called for, and go."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._calls.put(None)
            thread.join(END_SECONDS)

    def _run(self) -> None:
        while (after := self._calls.get()) is not None:
            time.sleep(after)
            self._work()
