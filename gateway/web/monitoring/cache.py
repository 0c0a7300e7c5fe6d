"""Results that are good for a moment, so that a storm of probes costs no more than one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Cached(Generic[Result]):
    """Calls a function at most once in so many seconds; threads share it."""

    def __init__(
        self, compute: Callable[[], Result], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._compute = compute
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: tuple[float, Result] | None = None

    def __call__(self) -> Result:
        with self._lock:
            if self._kept is None or self._clock() - self._kept[0] >= self._seconds:
                result = self._compute()
                self._kept = (self._clock(), result)
            return self._kept[1]
