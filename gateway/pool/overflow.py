"""Clients that were refused since too many waited: counted, and told now and then rather than each time."""

from __future__ import annotations

import time
from collections.abc import Callable

TELL_SECONDS = 10.0
RETRY_AFTER = 2
"""Seconds after which a client that was refused may try again."""


class Overflow:
    """`tell` is called with how many were refused since it was called last; for one thread."""

    def __init__(self, tell: Callable[[int], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._told_at = -TELL_SECONDS
        self._untold = 0

    def refuse(self, count: int = 1) -> None:
        """So many more were refused just now."""
        self._untold += count
        self.keep()

    def keep(self) -> None:
        """To be called again and again: tell of those that were refused meanwhile, once it is time."""
        if self._clock() - self._told_at >= TELL_SECONDS:
            self.tell_rest()

    def tell_rest(self) -> None:
        """Tell of all that were not told of yet."""
        if self._untold:
            self._told_at = self._clock()
            count, self._untold = self._untold, 0
            self._tell(count)
