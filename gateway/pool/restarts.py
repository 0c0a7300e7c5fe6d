"""The restart of a worker that failed: when, if at all."""

from __future__ import annotations

import math
from collections.abc import Callable

from gateway.pool.backoff import RestartPolicy
from gateway.pool.timers import Timer, Timers
from gateway.settings import GatewaySettings

SHORTEST_RETRY_AFTER = 2


class Restarts:
    """At most one restart waits for its time."""

    def __init__(self, timers: Timers, clock: Callable[[], float], policy: RestartPolicy) -> None:
        self._timers = timers
        self._clock = clock
        self.policy = policy
        self._timer: Timer | None = None

    def plan(self, settings: GatewaySettings, action: Callable[[], None], *, wanted_anyway: bool) -> bool:
        """Have `action` called when it is time to try again; return False if enough was tried.

        `wanted_anyway`: somebody asked for another try already.
        """
        pause = self.policy.failed(self._clock(), settings)
        if pause is None and not wanted_anyway:
            return False
        self._timer = self._timers.after(pause or 0.0, action)
        return True

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def retry_after(self) -> int:
        """Return how many seconds a client should wait; any thread may ask."""
        timer = self._timer
        if timer is None:
            return SHORTEST_RETRY_AFTER
        return max(SHORTEST_RETRY_AFTER, math.ceil(timer.due - self._clock()) + 1)
