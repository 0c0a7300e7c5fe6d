"""What the supervisor's loop has to do later."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True)
class Timer:
    """One thing to do at a time; `cancel` takes it back, also when it is done already."""

    due: float
    number: int
    action: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        self.action = None


class Timers:
    """Actions in order of their time; the caller says what time it is."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[Timer] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        timer = Timer(self._clock() + seconds, next(self._numbers), action)
        heapq.heappush(self._heap, timer)
        return timer

    def run_due(self) -> None:
        while self._heap and self._heap[0].due <= self._clock():
            timer = heapq.heappop(self._heap)
            action, timer.action = timer.action, None
            if action is not None:
                action()

    def seconds_to_next(self, at_most: float) -> float:
        """Return how long the loop may wait."""
        while self._heap and self._heap[0].action is None:
            heapq.heappop(self._heap)
        if not self._heap:
            return at_most
        return min(at_most, max(0.0, self._heap[0].due - self._clock()))
