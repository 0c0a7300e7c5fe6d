"""The requests that a worker has under way, and how many it has had."""

from __future__ import annotations

import time
from typing import Any, NamedTuple


class RunningRequest(NamedTuple):
    """`began` by the clock that only goes forward; the query is left out, for it may hold secrets."""

    method: str
    path: str
    client: str
    began: float


class Running:
    """The requests that threads work on right now; any thread may tell and ask."""

    def __init__(self) -> None:
        self._requests: dict[int, RunningRequest] = {}
        self._begun = 0
        self._last = time.monotonic()

    def begin(self, key: int, method: str = "", path: str = "", client: str = "") -> None:
        self._begun += 1
        self._requests[key] = RunningRequest(method, path, client, time.monotonic())

    def end(self, key: int) -> None:
        self._last = time.monotonic()
        self._requests.pop(key, None)

    @property
    def begun(self) -> int:
        """How many requests there were so far."""
        return self._begun

    def oldest_age(self) -> float:
        """Return the seconds that the oldest running request has taken, 0 without one."""
        return max(self._ages(), default=0.0)

    def youngest_age(self) -> float:
        """Return the seconds since a thread last began a request that is still running, 0 without one."""
        return min(self._ages(), default=0.0)

    def idle_seconds(self) -> float:
        """Return how long there has been nothing to do."""
        return 0.0 if self._requests else time.monotonic() - self._last

    def shown(self) -> list[dict[str, Any]]:
        """Return each request for a person, the oldest first."""
        now = time.monotonic()
        requests = sorted(self._requests.copy().values(), key=lambda each: each.began)
        return [
            {"method": r.method, "path": r.path, "client": r.client, "seconds": round(now - r.began, 3)}
            for r in requests
        ]

    def _ages(self) -> list[float]:
        now = time.monotonic()
        return [now - each.began for each in self._requests.copy().values()]

    def __len__(self) -> int:
        return len(self._requests)
