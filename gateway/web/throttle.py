"""A token bucket for each address, so that guessing keys is slow and costs us little."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_ADDRESSES = 10_000
"""Older ones are forgotten, so that an attack from everywhere does not fill the memory."""


class _Bucket:
    def __init__(self, tokens: float, filled_at: float) -> None:
        self.tokens = tokens
        self.filled_at = filled_at


class Throttle:
    """Allows each address so many failures a minute; threads share it."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """:param clock: seconds that only grow"""
        self._capacity = per_minute
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str) -> int:
        """Return the whole seconds until this address may fail again; 0 when it may now."""
        with self._lock:
            bucket = self._buckets.get(address)
            if bucket is None:
                return 0
            self._fill(bucket)
            return max(0, math.ceil((1 - bucket.tokens) / self._per_second))

    def record_failure(self, address: str) -> None:
        with self._lock:
            bucket = self._buckets.setdefault(address, _Bucket(self._capacity, self._clock()))
            self._buckets.move_to_end(address)
            self._fill(bucket)
            bucket.tokens = max(0.0, bucket.tokens - 1)
            while len(self._buckets) > MOST_ADDRESSES:
                self._buckets.popitem(last=False)

    def _fill(self, bucket: _Bucket) -> None:
        now = self._clock()
        bucket.tokens = min(self._capacity, bucket.tokens + (now - bucket.filled_at) * self._per_second)
        bucket.filled_at = now
