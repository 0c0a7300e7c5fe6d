"""When to start a failed worker again, and when to give up."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable

from gateway.settings import GatewaySettings

PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before the first, second, … restart in a row; the last one repeats."""

GOOD_RUN_SECONDS = 60.0
"""A worker that served so long is forgiven what happened before."""

JITTER = 0.2
"""Share of a pause by which it may be longer or shorter, so that many nodes do not restart as one."""

RANDOM = secrets.SystemRandom().random


class RestartPolicy:
    """Counts failures in a row for growing pauses, and within a window for rapid-fail protection.

    Times are seconds of one clock that only goes forward.
    """

    def __init__(self, random: Callable[[], float] = RANDOM) -> None:
        self._random = random
        self._in_a_row = 0
        self._failed_at: deque[float] = deque()
        self._served_at: float | None = None

    def served(self, now: float) -> None:
        """A worker began to serve."""
        self._served_at = now

    def failed(self, now: float, settings: GatewaySettings) -> float | None:
        """Record a failure; return the pause in seconds before the next start, None to give up."""
        if self._served_at is not None and now - self._served_at >= GOOD_RUN_SECONDS:
            self._in_a_row = 0
        self._served_at = None
        failure = settings.application_pool.failure
        self._failed_at.append(now)
        while self._failed_at[0] <= now - failure.rapid_fail_protection_interval.total_seconds():
            self._failed_at.popleft()
        if (
            failure.rapid_fail_protection
            and len(self._failed_at) >= failure.rapid_fail_protection_max_crashes
        ):
            return None
        pause = PAUSES[min(self._in_a_row, len(PAUSES) - 1)]
        self._in_a_row += 1
        return pause * (1 - JITTER + 2 * JITTER * self._random())

    def reset(self) -> None:
        """Forgive everything: a person started the pool."""
        self._in_a_row = 0
        self._failed_at.clear()
        self._served_at = None
