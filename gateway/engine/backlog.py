"""What comes next, in turn: a vendor after the other, of each a batch after the other, of each the oldest.

It looks ahead a little and remembers where it was, so that a claim costs the same with a thousand pending
upgrades as with a million, and that fifty thousand of one batch do not keep five of another waiting.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Integer, bindparam, func, literal_column, select
from sqlalchemy.orm import aliased

from gateway.models import ServicePlan, ServiceTemplate, Subscription, Upgrade, UpgradeBatch
from gateway.statements import Command, Prepared, Rows, Statements

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
    instance_id: str
    """The application instance of them all."""
    ahead: deque[tuple[int, str]] = field(default_factory=deque)
    last_read: int = 0
    passed_over: set[str] = field(default_factory=set)
    """Tenants of which another upgrade was in progress."""
    is_outdated: bool = False
    """Whether what was passed over can be taken now."""
    is_read: bool = False
    """Whether there is nothing after `last_read`: a batch is scheduled in one transaction."""


class Backlog:
    """One thread at a time uses it, in a transaction of its own."""

    def __init__(self) -> None:
        self._vendors: deque[str] = deque()
        """Those with batches in the line, the next one first."""
        self._lines: dict[str, deque[Batch]] = {}
        self._known: dict[int, Batch] = {}
        self._parked: set[Batch] = set()
        """All that is left of them waits for a customer that is busy."""
        self._waiting: dict[str, set[Batch]] = {}
        """By tenant, who passed it over."""
        self._newest = 0
        self.is_unfinished = False
        """Whether the last search ended before it had seen all."""

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    def ask_for_batches(self, *, everything: bool) -> Command:
        """For those that came since; with `everything` also for what was missed or given back."""
        return _LIVE, {"after": 0 if everything else max(0, self._newest - LATE)}

    def discover(self, rows: Rows) -> None:
        """Take in the answer."""
        for tenant_id in list(self._waiting):
            self.tenant_is_free(tenant_id)  # Another process may have finished with it.
        for batch in itertools.starmap(Batch, rows):
            self._newest = max(self._newest, batch.batch_id)
            if batch.batch_id not in self._known:
                self._known[batch.batch_id] = batch
                self._line_up(batch)

    def tenant_is_free(self, tenant_id: str) -> None:
        """Look again at what waited for this customer."""
        for batch in self._waiting.pop(tenant_id, ()):
            batch.is_outdated = True
            if batch in self._parked:
                self._parked.discard(batch)
                self._start_again(batch)
                self._line_up(batch)

    def candidates(
        self, statements: Statements, has_room: Callable[[str], bool] = lambda _instance_id: True
    ) -> Iterator[Candidate]:
        """Pending upgrades in turn; whoever cannot take one says so with `pass_over`.

        :param has_room: whether an upgrade of the application instance may begin; others keep their place
        """
        left, refused = MOST_READ, 0
        self.is_unfinished = False
        while refused < len(self._vendors):
            batches = self._lines[self._vendors[0]]
            batch = next((b for b in batches if has_room(b.instance_id)), None)
            if batch is None:
                self._vendors.rotate(-1)
                refused += 1
            elif batch.ahead:
                refused = 0
                batches.remove(batch)
                batches.append(batch)
                self._vendors.rotate(-1)
                yield Candidate(*batch.ahead.popleft(), batch)
            elif left <= 0:
                self.is_unfinished = True
                return
            else:
                left -= self._read_ahead(batch, statements)

    def pass_over(self, batch: Batch, tenant_id: str) -> None:
        """Look at the batch again when the customer is free."""
        if batch.batch_id not in self._known:  # It had no more, but for this one.
            self._known[batch.batch_id] = batch
            self._parked.add(batch)
        batch = self._known[batch.batch_id]
        batch.passed_over.add(tenant_id)
        self._waiting.setdefault(tenant_id, set()).add(batch)

    def give_back(self, candidates: Sequence[Candidate]) -> None:
        """Take back what was chosen and not claimed; the first of them comes first again."""
        for candidate in reversed(candidates):
            of = candidate.batch
            batch = self._known.get(of.batch_id)
            if batch is None:  # It had no more, and is read anew.
                batch = self._known[of.batch_id] = Batch(of.batch_id, of.vendor_id, of.instance_id)
                self._line_up(batch)
                continue
            batch.ahead.appendleft((candidate.upgrade_id, candidate.tenant_id))
            if batch in self._parked:
                self._parked.discard(batch)
                self._line_up(batch)

    def _line_up(self, batch: Batch) -> None:
        """As the next one: who has just come has had nothing yet."""
        if batch.vendor_id not in self._lines:
            self._lines[batch.vendor_id] = deque()
            self._vendors.appendleft(batch.vendor_id)
        self._lines[batch.vendor_id].appendleft(batch)

    def _start_again(self, batch: Batch) -> None:
        for tenant_id in batch.passed_over:
            self._waiting.get(tenant_id, set()).discard(batch)
        batch.passed_over.clear()
        batch.last_read, batch.is_outdated, batch.is_read = 0, False, False

    def _read_ahead(self, batch: Batch, statements: Statements) -> int:
        """Read the next ones of a batch; how many. One that has no more leaves the line."""
        if batch.is_read:
            if batch.is_outdated:
                self._start_again(batch)
            else:
                self._leave(batch)
            return 1
        size = max(LEAST, min(MOST, LOOK_AHEAD // len(self._known)))
        rows = statements.rows(_NEXT, batch_id=batch.batch_id, after=batch.last_read, size=size)
        for upgrade_id, tenant_id, is_busy in rows:
            batch.last_read = upgrade_id
            if is_busy:
                self.pass_over(batch, tenant_id)
            else:
                batch.ahead.append((upgrade_id, tenant_id))
        batch.is_read = len(rows) < size
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

_STATUS_ALONE = Upgrade.status.op("||")(literal_column("''"))
IS_PENDING, IS_IN_PROGRESS = (
    literal_column("'pending'") == _STATUS_ALONE,
    literal_column("'in_progress'") == _STATUS_ALONE,
)
"""The same of upgrades that are found by their keys. Where its plan is from when there were none, PostgreSQL
would read a whole index over all that are pending to find a few.
"""

OF_ITS_SUBSCRIPTION = Subscription.id == Upgrade.subscription_id.op("||")(literal_column("''"))
"""To join it to upgrades that are found by their keys. By the column alone PostgreSQL would, in such a plan,
look for the keys in an index that begins with the subscription, and read all of it.
"""

ANY_BATCH, ANY_TENANT = (
    Upgrade.batch_id > literal_column("0"),
    Upgrade.microsoft_tenant_id >= literal_column("''"),
)
"""True of all. Without them SQLite reads a larger index that has all columns, with every upgrade ever."""

_busy = aliased(Upgrade)
TENANT_IS_BUSY = (
    select(_busy.id)
    .where(
        _busy.status == literal_column("'in_progress'"),
        _busy.microsoft_tenant_id == Upgrade.microsoft_tenant_id,
    )
    .offset(literal_column("0"))  # Kept apart, it is looked up customer by customer, and not joined.
    .exists()
)

_NEXT = Prepared(
    select(Upgrade.id, Upgrade.microsoft_tenant_id, TENANT_IS_BUSY)
    .where(PENDING, Upgrade.batch_id == bindparam("batch_id"), Upgrade.id > bindparam("after"))
    .order_by(Upgrade.id)
    .limit(bindparam("size", type_=Integer))
)

# From one batch to the next in the index, without reading what is between them.
_smallest = select(func.min(Upgrade.batch_id).label("batch_id"))
_first = _smallest.where(PENDING, Upgrade.batch_id > bindparam("after"))
_live = _first.cte("live", recursive=True)
_following = _smallest.where(PENDING, Upgrade.batch_id > _live.c.batch_id).correlate(_live).scalar_subquery()
_live = _live.union_all(select(_following).where(_live.c.batch_id.is_not(None)))
_LIVE = Prepared(
    select(_live.c.batch_id, UpgradeBatch.account_id, ServiceTemplate.application_instance_id)
    .join(UpgradeBatch, UpgradeBatch.id == _live.c.batch_id)
    .join(ServicePlan, ServicePlan.id == UpgradeBatch.target_plan_id)
    .join(ServiceTemplate, ServiceTemplate.id == ServicePlan.service_template_id)
    .order_by(_live.c.batch_id.desc())
)
