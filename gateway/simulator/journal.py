"""Which requests reached the simulator, and how many upgrades ran at once."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from gateway.simulator.messages import Request
from gateway.simulator.store import Store
from gateway.simulator.transition import Transition

READS_KEPT = 10_000
RESERVED = 10_000
"""Sequence numbers are reserved in blocks, so that a restart never gives one out again."""


class Journal:
    """Writes are kept for ever, reads in a ring."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reads: deque[dict[str, Any]] = deque(maxlen=READS_KEPT)
        self._seq = int(store.get_meta("journal_reserved") or 0)
        self._reserved = self._seq
        self._counters: Counter[str] = Counter(store.last_counters())

    def record(self, request: Request, at: datetime, keep_reads: bool, **outcome: Any) -> None:
        """Note a request; `outcome` has status, subscription_id, executed, replayed and cut."""
        self._seq += 1
        if self._seq > self._reserved:
            self._reserved += RESERVED
            self._store.set_meta("journal_reserved", self._reserved)
        self._counters["requests"] += 1
        self._counters["throttled"] += outcome["status"] == 429
        self._counters["replayed"] += outcome["replayed"]
        is_read = request.method in ("GET", "HEAD")
        if is_read and not keep_reads:
            return
        entry = {
            "seq": self._seq,
            "at": at.isoformat(),
            "method": request.method,
            "path": request.path,
            "query": request.query_string,
            "request_id": request.request_id,
            "correlation_id": request.correlation_id,
            "kind": request.kind,
            **outcome,
        }
        if is_read:
            self._reads.append(entry)
        else:
            self._store.add_journal(self._seq, entry, self._counters)

    def entries(self, after: int, limit: int) -> list[dict[str, Any]]:
        reads = (entry for entry in self._reads if entry["seq"] > after)
        writes = self._store.list_journal(after, limit)
        merged = heapq.merge(reads, writes, key=lambda entry: int(entry["seq"]))
        return list(itertools.islice(merged, limit))

    def counters(self) -> dict[str, int]:
        return {name: self._counters[name] for name in ("requests", "throttled", "replayed")}

    def forget(self) -> None:
        """Drop the entries; sequence numbers go on, so that a reader is not misled."""
        self._reads.clear()
        self._counters.clear()


class Gauge:
    """How many upgrades run, and the most that ever did, from their start and end times."""

    def __init__(self, transitions: Iterable[Transition] = ()) -> None:
        self._ends: list[tuple[float, str]] = []
        self._per_customer: Counter[str] = Counter()
        self.max_running = 0
        self.max_running_per_customer = 0
        for transition in transitions:
            self.add(transition)

    def add(self, transition: Transition) -> None:
        """Take in an upgrade that starts; call it in the order of their starts."""
        end = transition.finished_at.timestamp() if transition.finished_at else float("inf")
        customer = transition.customer_id.lower()
        self.running(transition.started_at)
        heapq.heappush(self._ends, (end, customer))
        self._per_customer[customer] += 1
        self.max_running = max(self.max_running, len(self._ends))
        self.max_running_per_customer = max(self.max_running_per_customer, self._per_customer[customer])

    def running(self, now: datetime) -> int:
        while self._ends and self._ends[0][0] <= now.timestamp():
            _, customer = heapq.heappop(self._ends)
            self._per_customer[customer] -= 1
            if not self._per_customer[customer]:
                del self._per_customer[customer]
        return len(self._ends)
