"""What begins next: chosen and read before there is a place for it.

The first step of an upgrade only reads at Microsoft. It begins at the moment another upgrade ends, while that
end and this claim are written in one transaction; nothing is sent before a later transaction, which finds out
whether the claim came true.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.engine.backlog import Candidate


class Successor(NamedTuple):
    candidate: Candidate
    values: Mapping[str, Any]
    """Its row while it was pending."""


class Successors:
    """Threads share it: one adds and withdraws, all others take."""

    def __init__(self) -> None:
        self._line: deque[Successor] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._line)

    def add(self, successor: Successor) -> None:
        with self._lock:
            self._line.append(successor)

    def take(self) -> Successor | None:
        """The first of them, which is then surely not given to anybody else."""
        with self._lock:
            return self._line.popleft() if self._line else None

    def withdraw(self) -> list[Candidate]:
        """All of them, which then do not begin this way."""
        with self._lock:
            withdrawn = [successor.candidate for successor in self._line]
            self._line.clear()
            return withdrawn

    def tenants(self) -> set[str]:
        with self._lock:
            return {successor.candidate.tenant_id for successor in self._line}
