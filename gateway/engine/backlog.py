"""What comes next, in turn: a vendor after the other, of each a batch after the other, of each the oldest.

It looks ahead a little and remembers where it was, so that a claim costs the same with a thousand pending
upgrades as with a million, and that fifty thousand of one batch do not keep five of another waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Integer, bindparam, exists, func, literal_column, select
from sqlalchemy.orm import aliased

from gateway.models import Upgrade, UpgradeBatch
from gateway.statements import Prepared, Statements

LOOK_AHEAD = 2000
"""Upgrades remembered of all batches together; of each at least `LEAST`, at most `MOST`."""

LEAST, MOST = 8, 100

LATE = 100
"""Numbers of batches are given when a transaction begins, and seen when it ends: some come late."""

MOST_READ = 4000
"""Upgrades looked at in one search, when those of busy customers stand before all others."""


class Candidate(NamedTuple):
    upgrade_id: int
    tenant_id: str
    batch: Batch


@dataclass(eq=False)
class Batch:
    """The pending upgrades of one batch, as far as they were read."""

    batch_id: int
    vendor_id: str
    ahead: deque[tuple[int, str]] = field(default_factory=deque)
    last_read: int = 0
    passed_over: set[str] = field(default_factory=set)
    """Tenants of which another upgrade was in progress."""

    def start_again(self) -> None:
        self.ahead.clear()
        self.last_read = 0
        self.passed_over.clear()


class Backlog:
    """One thread at a time uses it, in a transaction of its own."""

    def __init__(self) -> None:
        self._vendors: deque[str] = deque()
        """Those with batches in the line, the next one first."""
        self._lines: dict[str, deque[Batch]] = {}
        self._known: dict[int, Batch] = {}
        self._parked: set[Batch] = set()
        """All that is left of them waits for a customer that is busy."""
        self._newest = 0
        self.is_unfinished = False
        """Whether the last search ended before it had seen all."""

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    def discover(self, statements: Statements, *, everything: bool) -> None:
        """Find batches that came since; with `everything` also what was missed or given back."""
        for batch in list(self._parked):
            self._line_up(batch)
        after = 0 if everything else max(0, self._newest - LATE)
        for batch_id, vendor_id in statements.rows(_LIVE, after=after):
            self._newest = max(self._newest, batch_id)
            if batch_id not in self._known:
                self._known[batch_id] = Batch(batch_id, vendor_id)
                self._line_up(self._known[batch_id])

    def tenant_is_free(self, tenant_id: str) -> None:
        """Look again at batches that waited for this customer."""
        for batch in [batch for batch in self._parked if tenant_id in batch.passed_over]:
            self._line_up(batch)

    def candidates(self, statements: Statements) -> Iterator[Candidate]:
        """Pending upgrades in turn; whoever cannot take one says so with `pass_over`."""
        left = MOST_READ
        self.is_unfinished = False
        while self._vendors:
            if left <= 0:
                self.is_unfinished = True
                return
            batches = self._lines[self._vendors[0]]
            batch = batches[0]
            if not batch.ahead:
                left -= self._read_ahead(batch, statements)
            if batch.ahead:
                upgrade_id, tenant_id = batch.ahead.popleft()
                batches.rotate(-1)
                self._vendors.rotate(-1)
                yield Candidate(upgrade_id, tenant_id, batch)

    def pass_over(self, candidate: Candidate) -> None:
        candidate.batch.passed_over.add(candidate.tenant_id)

    def _line_up(self, batch: Batch) -> None:
        """As the next one: who has just come has had nothing yet."""
        self._parked.discard(batch)
        batch.start_again()
        if batch.vendor_id not in self._lines:
            self._lines[batch.vendor_id] = deque()
            self._vendors.appendleft(batch.vendor_id)
        self._lines[batch.vendor_id].appendleft(batch)

    def _read_ahead(self, batch: Batch, statements: Statements) -> int:
        """Read the next ones of a batch; how many. One that has no more leaves the line."""
        size = max(LEAST, min(MOST, LOOK_AHEAD // len(self._known)))
        rows = statements.rows(_NEXT, batch_id=batch.batch_id, after=batch.last_read, size=size)
        for upgrade_id, tenant_id, is_busy in rows:
            batch.last_read = upgrade_id
            if is_busy:
                batch.passed_over.add(tenant_id)
            else:
                batch.ahead.append((upgrade_id, tenant_id))
        if not rows:
            self._leave(batch)
        return len(rows) + 1

    def _leave(self, batch: Batch) -> None:
        batches = self._lines[batch.vendor_id]
        batches.remove(batch)
        if not batches:
            del self._lines[batch.vendor_id]
            self._vendors.remove(batch.vendor_id)
        if batch.passed_over:
            self._parked.add(batch)
        else:
            del self._known[batch.batch_id]


PENDING = Upgrade.status == literal_column("'pending'")
IN_PROGRESS = Upgrade.status == literal_column("'in_progress'")

_busy = aliased(Upgrade)
TENANT_IS_BUSY = exists().where(
    _busy.status == literal_column("'in_progress'"), _busy.microsoft_tenant_id == Upgrade.microsoft_tenant_id
)

_NEXT = Prepared(
    select(Upgrade.id, Upgrade.microsoft_tenant_id, TENANT_IS_BUSY)
    .where(PENDING, Upgrade.batch_id == bindparam("batch_id"), Upgrade.id > bindparam("after"))
    .order_by(Upgrade.id)
    .limit(bindparam("size", type_=Integer))
)

# From one batch to the next in the index, without reading what is between them.
_first = select(func.min(Upgrade.batch_id).label("batch_id")).where(
    PENDING, Upgrade.batch_id > bindparam("after")
)
_live = _first.cte("live", recursive=True)
_following = (
    select(func.min(Upgrade.batch_id))
    .where(PENDING, Upgrade.batch_id > _live.c.batch_id)
    .correlate(_live)
    .scalar_subquery()
)
_live = _live.union_all(select(_following).where(_live.c.batch_id.is_not(None)))
_LIVE = Prepared(
    select(_live.c.batch_id, UpgradeBatch.account_id)
    .join(UpgradeBatch, UpgradeBatch.id == _live.c.batch_id)
    .order_by(_live.c.batch_id.desc())
)
