"""What this worker looks at next, and what its threads are busy with."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

NOTHING_DUE = 3600.0


class Agenda:
    """Due times by upgrade. Threads share it; the database stays the truth."""

    def __init__(self) -> None:
        self._due: dict[int, datetime] = {}
        self._stored: dict[int, datetime] = {}
        self._busy: set[int] = set()
        self._idle = threading.Condition()

    def update(self, due_times: Mapping[int, datetime]) -> None:
        """Take over what the database says of all that no thread is busy with.

        A due time that stands there as it stood at the last look is older than the one that a thread put
        back since, for a look that finds nothing new is not written down.
        """
        with self._idle:
            known, stored = self._due, self._stored
            self._due = {
                i: known[i] if i in known and stored.get(i) == at else at
                for i, at in due_times.items()
                if i not in self._busy
            }
            self._stored = dict(due_times)

    def take_due(self, now: datetime) -> list[int]:
        """The upgrades to look at now, the longest due first; they count as busy from here on."""
        with self._idle:
            due = sorted((at, i) for i, at in self._due.items() if at <= now)
            for _at, upgrade_id in due:
                del self._due[upgrade_id]
                self._busy.add(upgrade_id)
        return [upgrade_id for _at, upgrade_id in due]

    def put_back(self, upgrade_id: int, due_at: datetime | None) -> None:
        """A thread is done with it for now; None for good."""
        with self._idle:
            self._busy.discard(upgrade_id)
            if due_at is not None:
                self._due[upgrade_id] = due_at
            if not self._busy:
                self._idle.notify_all()

    def seconds_until_due(self, now: datetime) -> float:
        with self._idle:
            first = min(self._due.values(), default=None)
        return NOTHING_DUE if first is None else max(0.0, (first - now).total_seconds())

    def busy(self) -> set[int]:
        with self._idle:
            return set(self._busy)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until no thread is busy; whether that came true within `timeout` seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._busy, timeout)
