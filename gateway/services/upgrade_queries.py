"""Reads upgrades and batches, as far as the caller sees them."""

from __future__ import annotations

import builtins
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, bindparam, func, literal_column, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from gateway.db import utcnow
from gateway.models import LIVE, Subscription, Upgrade, UpgradeBatch, UpgradeStatus
from gateway.services.branch import sees_batch, sees_upgrade
from gateway.services.caller import Caller
from gateway.services.errors import UpgradeBatchNotFoundError, UpgradeNotFoundError
from gateway.services.keys import chunks, is_row_id, is_text_id
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, encode_cursor, row_cursor
from gateway.services.sorting import Order
from gateway.statements import Prepared, Statements

RECENT = 50
"""So many of the last finished upgrades tell how fast a batch goes."""

REASONS = 8
"""So many of the reasons for which upgrades wait are told."""

RECENT_CHANGES = 1_000
JUST_NOW = timedelta(seconds=10)
"""A change may be seen so much later than the time that it bears."""

_RAN = (UpgradeStatus.COMPLETED, UpgradeStatus.COMPLETED_WITH_WARNINGS, UpgradeStatus.FAILED)


@dataclass(frozen=True, kw_only=True)
class BatchSummary:
    """A batch and how far it is."""

    batch: UpgradeBatch
    counts: dict[UpgradeStatus, int]
    """Of every status, also those with none."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def live(self) -> int:
        return sum(self.counts[status] for status in LIVE)

    @property
    def finished(self) -> int:
        return self.total - self.live

    @property
    def share_done(self) -> float:
        """0 to 1; a batch without upgrades is done."""
        return self.finished / self.total if self.total else 1.0


@dataclass(frozen=True, kw_only=True)
class BatchProgress(BatchSummary):
    """How fast a batch goes, and when it will have ended at that pace."""

    running: int
    """Upgrades in progress of all batches and vendors, at the moment of the counts; 0 without upgrades."""
    throughput_per_minute: float | None
    """None before the first upgrade has run to its end."""
    estimated_end_at: datetime | None
    """None when it cannot be told, or nothing is left to do."""


class UpgradeSort(enum.Enum):
    """By what the upgrades of a batch may go; for each there is an index."""

    NUMBER = "number"
    SUBSCRIPTION = "subscription"
    STATUS = "status"
    CHANGED = "changed"

    def order(self, *, descending: bool = False) -> Order:
        columns: dict[UpgradeSort, tuple[ColumnElement[Any], ...]] = {
            UpgradeSort.NUMBER: (),
            UpgradeSort.SUBSCRIPTION: (Upgrade.subscription_id.expression,),
            UpgradeSort.STATUS: (type_coerce(Upgrade.status, String),),
            UpgradeSort.CHANGED: (Upgrade.changed_at.expression,),
        }
        return Order(self.value, (*columns[self], Upgrade.id.expression), descending)


class BatchSort(enum.Enum):
    """By what the list of batches may go."""

    NUMBER = "number"
    REQUESTED_BY = "requested_by"

    def order(self, *, descending: bool = False) -> Order:
        first = (UpgradeBatch.requested_by.expression,) if self is BatchSort.REQUESTED_BY else ()
        return Order(self.value, (*first, UpgradeBatch.id.expression), descending)


class UpgradeQueries:
    """What one caller may read of upgrades."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def get(self, upgrade_id: int) -> Upgrade:
        """Return an upgrade with its events, plans, account and batch.

        :raises UpgradeNotFoundError: if it does not exist for the caller
        """
        query = select(Upgrade).where(Upgrade.id == upgrade_id, sees_upgrade(self._caller))
        options = (*_SHOWN_IN_LISTS, joinedload(Upgrade.subscription), selectinload(Upgrade.events))
        upgrade = self._db.scalar(query.options(*options)) if is_row_id(upgrade_id) else None
        if upgrade is None:
            raise UpgradeNotFoundError([upgrade_id])
        return upgrade

    def list(
        self,
        *,
        batch_id: int | None = None,
        status: UpgradeStatus | None = None,
        subscription_id: str | None = None,
        order: Order | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Upgrade]:
        """Return upgrades with their plans, account and batch, the newest first unless asked otherwise.

        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        # Ids come from an index alone; only of the upgrades of one page everything is read.
        query = select(*order.columns) if order else select(Upgrade.id)
        query = query.where(sees_upgrade(self._caller))
        if batch_id is not None:
            query = query.where(Upgrade.batch_id == (batch_id if is_row_id(batch_id) else 0))
        if status is not None:
            query = query.where(Upgrade.status == status)
        if subscription_id is not None:
            query = query.where(
                Upgrade.subscription_id == (subscription_id if is_text_id(subscription_id) else "")
            )
        if order:
            query = order.apply(query, cursor)
        elif (before := row_cursor(cursor)) is not None:
            query = query.where(Upgrade.id < before)
        if not order:
            query = query.order_by(Upgrade.id.desc())
        found = self._db.execute(query.limit(checked_limit(limit) + 1)).all()
        upgrades = self.by_ids([row[-1] for row in found[:limit]])
        if len(found) <= limit:
            return Page(upgrades, None)
        last = found[limit - 1]
        return Page(upgrades, order.cursor_at(last) if order else encode_cursor(last[0]))

    def by_ids(self, ids: Sequence[int]) -> builtins.list[Upgrade]:
        """Those of them that exist for the caller, in the order that was asked for."""
        found: dict[int, Upgrade] = {}
        query = select(Upgrade).where(sees_upgrade(self._caller)).options(*_SHOWN_IN_LISTS)
        for chunk in chunks([key for key in ids if is_row_id(key)]):
            found |= {each.id: each for each in self._db.scalars(query.where(Upgrade.id.in_(chunk)))}
        return [found[key] for key in ids if key in found]

    def batch(self, batch_id: int, *, now: datetime | None = None) -> BatchProgress:
        """Return a batch with its pace.

        :param now: what the estimate counts from; this moment when not given
        :raises UpgradeBatchNotFoundError: if it does not exist for the caller
        """
        query = select(UpgradeBatch).where(UpgradeBatch.id == batch_id, sees_batch(self._caller))
        query = query.options(joinedload(UpgradeBatch.target_plan))
        batch = self._db.scalar(query) if is_row_id(batch_id) else None
        if batch is None:
            raise UpgradeBatchNotFoundError([batch_id])
        rows = self._db.execute(_counts(self._caller, [batch_id], _RUNNING.label("running"))).all()
        counts = dict.fromkeys(UpgradeStatus, 0) | {row.status: row.found for row in rows}
        summary = BatchSummary(batch=batch, counts=counts)
        pace = self._pace(summary, now or utcnow())
        left = timedelta(minutes=summary.live / pace) if pace and summary.live else None
        return BatchProgress(
            batch=batch,
            counts=counts,
            running=rows[0].running if rows else 0,
            throughput_per_minute=pace,
            estimated_end_at=(now or utcnow()) + left if left else None,
        )

    def check_batch(self, batch_id: int) -> None:
        """:raises UpgradeBatchNotFoundError: if it does not exist for the caller"""
        batch = select(UpgradeBatch.id).where(UpgradeBatch.id == batch_id, sees_batch(self._caller))
        if not is_row_id(batch_id) or self._db.scalar(batch) is None:
            raise UpgradeBatchNotFoundError([batch_id])

    def successors(self, upgrade_ids: Sequence[int]) -> dict[int, int]:
        """The upgrades by which failed ones were repeated."""
        query = select(Upgrade.retry_of_id, Upgrade.id).where(Upgrade.retry_of_id.in_(upgrade_ids))
        return {before: after for before, after in self._db.execute(query) if before is not None}

    def version(self, batch_id: int) -> str:
        """Another one whenever something of the batch has changed, and quickly told.

        Changes of the last seconds are counted, since one may be seen after another that was made later.

        :raises UpgradeBatchNotFoundError: if it does not exist for the caller
        """
        statements = Statements(self._db.connection())
        found = statements.rows(NEWEST_CHANGE, batch_id=batch_id) if is_row_id(batch_id) else []
        if not found or not self._caller.sees(found[0][0]):
            raise UpgradeBatchNotFoundError([batch_id])
        newest: datetime | None = found[0][1]
        if newest is None:
            return ""
        [[counted]] = statements.rows(CHANGES_SINCE, batch_id=batch_id, since=newest - JUST_NOW)
        return f"{newest.isoformat()} {counted}"

    def waiting(self, batch_id: int) -> Sequence[tuple[str, int]]:
        """What upgrades of a batch in progress wait for, in words, and how many do; most of them first."""
        found = func.count().label("found")
        query = (
            select(Upgrade.waiting_for, found)
            .where(Upgrade.batch_id == batch_id, Upgrade.waiting_for.is_not(None), sees_upgrade(self._caller))
            .where(Upgrade.status == UpgradeStatus.IN_PROGRESS)
            .group_by(Upgrade.waiting_for)
            .order_by(found.desc(), Upgrade.waiting_for)
            .limit(REASONS)
        )
        return [(row.waiting_for or "", row.found) for row in self._db.execute(query)]

    def count_behind_others(self, batch_id: int) -> int:
        """Pending upgrades of a batch whose customer has another upgrade in progress."""
        running = select(Upgrade.account_id).where(*_IN_PROGRESS)
        query = (
            select(func.count())
            .select_from(Subscription)
            .join(Upgrade, Upgrade.subscription_id == Subscription.id)
            .where(_is(Upgrade.status, UpgradeStatus.PENDING), Upgrade.status.in_(_LIVE))
            # Few customers lead to it; the index by batch, which no sum uses, through all that is pending.
            .where(Upgrade.batch_id + 0 == batch_id)
        )
        return sum(
            self._db.scalar(query.where(Subscription.account_id.in_(customers))) or 0
            for customers in chunks(self._db.scalars(running).all())
        )

    def list_batches(
        self, *, order: Order | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[BatchSummary]:
        """Return batches with their counts, the newest first unless asked otherwise.

        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        order = order or BatchSort.NUMBER.order(descending=True)
        query = order.apply(select(*order.columns).where(sees_batch(self._caller)), cursor)
        found = self._db.execute(query.limit(checked_limit(limit) + 1)).all()
        ids = [row[-1] for row in found[:limit]]
        wanted = select(UpgradeBatch).where(UpgradeBatch.id.in_(ids))
        batches = {
            each.id: each for each in self._db.scalars(wanted.options(joinedload(UpgradeBatch.target_plan)))
        }
        next_cursor = order.cursor_at(found[limit - 1]) if len(found) > limit else None
        return Page(_summaries(self._db, self._caller, [batches[key] for key in ids]), next_cursor)

    def _pace(self, summary: BatchSummary, now: datetime) -> float | None:
        """Upgrades a minute, from the start of the last finished ones to now, or to the end of the batch.

        Counting up to now lets the pace fall while nothing ends.
        """
        of_batch: ColumnElement[bool] = Upgrade.batch_id == summary.batch.id
        recent = self._db.execute(
            select(Upgrade.started_at, Upgrade.finished_at)
            .where(of_batch, Upgrade.status.in_(_RAN), sees_upgrade(self._caller))
            .order_by(Upgrade.changed_at.desc())  # Of one that has ended it is its end, and has an index.
            .limit(RECENT)
        ).all()
        starts = [row.started_at for row in recent if row.started_at]
        if not starts:
            return None
        end = now if summary.live else max(row.finished_at for row in recent)
        minutes = (end - min(starts)) / timedelta(minutes=1)
        return len(recent) / minutes if minutes > 0 else None


_OF_BATCH = Upgrade.batch_id == bindparam("batch_id")
NEWEST_CHANGE = Prepared(
    select(
        UpgradeBatch.account_id, select(func.max(Upgrade.changed_at)).where(_OF_BATCH).scalar_subquery()
    ).where(UpgradeBatch.id == bindparam("batch_id"))
)
CHANGES_SINCE = Prepared(
    select(func.count()).select_from(
        select(Upgrade.id)
        .where(_OF_BATCH, Upgrade.changed_at >= bindparam("since"))
        .limit(RECENT_CHANGES)
        .subquery()
    )
)


def _is(column: InstrumentedAttribute[UpgradeStatus], status: UpgradeStatus) -> ColumnElement[bool]:
    """The status as a word of the statement, since an index over some rows is not chosen for a parameter."""
    return column == bindparam(None, status, type_=column.type, literal_execute=True)


_LIVE: list[ColumnElement[str]] = [literal_column(f"'{status.value}'") for status in LIVE]
"""The words of the index over live upgrades, which is chosen for no others."""

_IN_PROGRESS = (
    _is(Upgrade.status, UpgradeStatus.IN_PROGRESS),
    Upgrade.microsoft_tenant_id >= literal_column("''"),  # True of all, and keeps SQLite to the small index.
)
_RUNNING = select(func.count()).select_from(Upgrade).where(*_IN_PROGRESS).correlate(None).scalar_subquery()

_SHOWN_IN_LISTS: tuple[ORMOption, ...] = (
    joinedload(Upgrade.source_plan),
    joinedload(Upgrade.target_plan),
    joinedload(Upgrade.account),
    joinedload(Upgrade.batch),
)


def _summaries(db: Session, caller: Caller, batches: Sequence[UpgradeBatch]) -> list[BatchSummary]:
    counts = {batch.id: dict.fromkeys(UpgradeStatus, 0) for batch in batches}
    for row in db.execute(_counts(caller, list(counts))):
        counts[row.batch_id][row.status] = row.found
    return [BatchSummary(batch=batch, counts=counts[batch.id]) for batch in batches]


def _counts(caller: Caller, batch_ids: Sequence[int], *columns: ColumnElement[Any]) -> Select[Any]:
    """How many upgrades of each batch have which status."""
    return (
        select(Upgrade.batch_id, Upgrade.status, func.count().label("found"), *columns)
        .where(Upgrade.batch_id.in_(batch_ids), sees_upgrade(caller))
        .group_by(Upgrade.batch_id, Upgrade.status)
    )
