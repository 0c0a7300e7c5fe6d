"""What begins next: chosen and read before there is a place for it.

The first step of an upgrade only reads at Microsoft. It begins at the moment another upgrade ends, while that
end and this claim are written in one transaction; nothing is sent before a later transaction, which finds out
whether the claim came true.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gateway.engine.backlog import Candidate


class Successor(NamedTuple):
    candidate: Candidate
    values: Mapping[str, Any]
    """Its row while it was pending."""


class Begun(NamedTuple):
    """A successor that is at work in the place of an upgrade that ends."""

    candidate: Candidate
    row: Mapping[str, Any]
    """As it will be when it is claimed."""

    @property
    def upgrade_id(self) -> int:
        return self.candidate.upgrade_id


class Successors:
    """Those that stand in line, and those that have begun and are to be claimed.

    Threads share it: all take, and one at a time does everything else.
    """

    def __init__(self) -> None:
        self._line: deque[Successor] = deque()
        self._begun: dict[int, Candidate] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._line)

    def add(self, successor: Successor) -> None:
        with self._lock:
            self._line.append(successor)

    def take(self) -> Successor | None:
        """The first in line, which counts as begun from here on."""
        with self._lock:
            if not self._line:
                return None
            successor = self._line.popleft()
            self._begun[successor.candidate.upgrade_id] = successor.candidate
            return successor

    def first(self, count: int) -> list[Candidate]:
        """Up to so many of those that come first, who leave the line to be claimed before they begin."""
        with self._lock:
            return [self._line.popleft().candidate for _ in range(min(count, len(self._line)))]

    def withdraw(self) -> list[Candidate]:
        """All that stand in line, which then do not begin this way."""
        with self._lock:
            withdrawn = [successor.candidate for successor in self._line]
            self._line.clear()
            return withdrawn

    def settle(self, begun: Iterable[Candidate]) -> None:
        """These are claimed now, or never: nothing hangs on their having begun any more."""
        with self._lock:
            for candidate in begun:
                self._begun.pop(candidate.upgrade_id, None)

    def clear(self) -> None:
        with self._lock:
            self._line.clear()
            self._begun.clear()

    def candidates(self) -> list[Candidate]:
        """All of them."""
        with self._lock:
            return [*(successor.candidate for successor in self._line), *self._begun.values()]
