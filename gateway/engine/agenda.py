"""What this worker looks at next, and what its threads are busy with."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime

NOTHING_DUE = 3600.0


class Agenda:
    """Due times by upgrade, and a line of those that are due. Threads share it; the database is the truth."""

    def __init__(self) -> None:
        self._due: dict[int, datetime] = {}
        self._stored: dict[int, datetime] = {}
        self._line: deque[int] = deque()
        self._busy: set[int] = set()
        self._changed: set[int] = set()
        self._waiting = 0
        self._is_closed = False
        self._lock = threading.Lock()
        self._come = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)

    def open(self) -> None:
        """Begin with what the database says; nothing of before counts."""
        with self._lock:
            self._due.clear()
            self._stored.clear()
            self._line.clear()
            self._is_closed = False

    def close(self) -> None:
        """Give out nothing more; who waits goes away."""
        with self._lock:
            self._is_closed = True
            self._come.notify_all()

    def prepare_update(self) -> None:
        """Call it before the database is looked at: what changes here meanwhile is newer than that look."""
        with self._lock:
            self._changed.clear()

    def update(self, due_times: Mapping[int, datetime]) -> None:
        """Take over what the database says of all that no thread is busy with.

        A due time that stands there as it stood at the last look is older than the one that a thread put
        back since, for a look that finds nothing new is not written down.
        """
        with self._lock:
            known, stored = self._due, self._stored
            taken = self._busy.union(self._line, self._changed)
            self._due = {i: at for i, at in known.items() if i in self._changed} | {
                i: known[i] if i in known and stored.get(i) == at else at
                for i, at in due_times.items()
                if i not in taken
            }
            self._stored = dict(due_times)

    def add(self, due_times: Iterable[tuple[int, datetime]], now: datetime) -> int:
        """Take in what was claimed just now; returns what `line_up` does.

        A look at the database may have found it first, and a thread may have begun: no other may do so too.
        """
        with self._lock:
            known = self._busy.union(self._line)
            for upgrade_id, due_at in due_times:
                if upgrade_id not in known:
                    self._due[upgrade_id] = due_at
                    self._changed.add(upgrade_id)
            return self._line_up(now)

    def follow(self, upgrade_id: int) -> None:
        """Put in line what the calling thread takes next, so that no other one need wake up for it."""
        with self._lock:
            if upgrade_id not in self._busy and upgrade_id not in self._line:
                self._due.pop(upgrade_id, None)
                self._line.append(upgrade_id)

    def line_up(self, now: datetime) -> int:
        """Put in line what is due, the longest due first; how many have no thread that waits for them."""
        with self._lock:
            return self._line_up(now)

    def _line_up(self, now: datetime) -> int:
        due = sorted((at, i) for i, at in self._due.items() if at <= now)
        for _at, upgrade_id in due:
            del self._due[upgrade_id]
            self._line.append(upgrade_id)
        self._come.notify(len(due))
        return max(0, len(self._line) - self._waiting)

    def take(self, timeout: float) -> int | None:
        """The next in line, which counts as busy from here on; None when there is none for that long."""
        with self._lock:
            if not self._line and not self._is_closed:
                self._waiting += 1
                try:
                    self._come.wait_for(lambda: self._line or self._is_closed, timeout)
                finally:
                    self._waiting -= 1
            if self._is_closed or not self._line:
                return None
            upgrade_id = self._line.popleft()
            self._busy.add(upgrade_id)
            return upgrade_id

    def put_back(self, upgrade_id: int, due_at: datetime | None) -> bool:
        """A thread is done with it for now; None for good. Whether it is now the first to become due."""
        with self._lock:
            self._busy.discard(upgrade_id)
            self._changed.add(upgrade_id)
            if not self._busy:
                self._idle.notify_all()
            if due_at is None:
                return False
            is_first = all(due_at < at for at in self._due.values())
            self._due[upgrade_id] = due_at
            return is_first

    def seconds_until_due(self, now: datetime) -> float:
        with self._lock:
            first = min(self._due.values(), default=None)
        return NOTHING_DUE if first is None else max(0.0, (first - now).total_seconds())

    def busy(self) -> set[int]:
        with self._lock:
            return set(self._busy)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until no thread is busy; whether that came true within `timeout` seconds."""
        with self._lock:
            return self._idle.wait_for(lambda: not self._busy, timeout)
