"""Reads upgrades and batches, as far as the caller sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from gateway.db import utcnow
from gateway.models import LIVE, Upgrade, UpgradeBatch, UpgradeStatus
from gateway.services.branch import sees_batch, sees_upgrade
from gateway.services.caller import Caller
from gateway.services.errors import UpgradeBatchNotFoundError, UpgradeNotFoundError
from gateway.services.keys import is_row_id, is_text_id
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, page_of, row_cursor

RECENT = 50
"""So many of the last finished upgrades tell how fast a batch goes."""

REASONS = 8
"""So many of the reasons for which upgrades wait are told."""

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

    throughput_per_minute: float | None
    """None before the first upgrade has run to its end."""
    estimated_end_at: datetime | None
    """None when it cannot be told, or nothing is left to do."""


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
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[Upgrade]:
        """Return upgrades, the newest first, with their plans, account and batch.

        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        query = select(Upgrade).where(sees_upgrade(self._caller)).options(*_SHOWN_IN_LISTS)
        if batch_id is not None:
            query = query.where(Upgrade.batch_id == (batch_id if is_row_id(batch_id) else 0))
        if status is not None:
            query = query.where(Upgrade.status == status)
        if subscription_id is not None:
            query = query.where(
                Upgrade.subscription_id == (subscription_id if is_text_id(subscription_id) else "")
            )
        if (before := row_cursor(cursor)) is not None:
            query = query.where(Upgrade.id < before)
        query = query.order_by(Upgrade.id.desc()).limit(checked_limit(limit) + 1)
        return page_of(self._db.scalars(query).all(), limit, lambda upgrade: upgrade.id)

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
        [summary] = _summaries(self._db, self._caller, [batch])
        pace = self._pace(summary, now or utcnow())
        left = timedelta(minutes=summary.live / pace) if pace and summary.live else None
        return BatchProgress(
            batch=batch,
            counts=summary.counts,
            throughput_per_minute=pace,
            estimated_end_at=(now or utcnow()) + left if left else None,
        )

    def summary(self, batch_id: int) -> BatchSummary:
        """A batch with its counts alone.

        :raises UpgradeBatchNotFoundError: if it does not exist for the caller
        """
        query = select(UpgradeBatch).where(UpgradeBatch.id == batch_id, sees_batch(self._caller))
        batch = self._db.scalar(query) if is_row_id(batch_id) else None
        if batch is None:
            raise UpgradeBatchNotFoundError([batch_id])
        return _summaries(self._db, self._caller, [batch])[0]

    def last_change(self, batch_id: int) -> datetime | None:
        """When something of the batch last changed; None where it has nothing."""
        return self._db.scalar(select(func.max(Upgrade.changed_at)).where(Upgrade.batch_id == batch_id))

    def changed_since(
        self, batch_id: int, upgrade_ids: Sequence[int], at: datetime | None
    ) -> Sequence[Upgrade]:
        """Those of the upgrades of a batch that have changed since, as lists show them."""
        ids = [key for key in upgrade_ids if is_row_id(key)]
        query = select(Upgrade).where(
            Upgrade.batch_id == batch_id, Upgrade.id.in_(ids), sees_upgrade(self._caller)
        )
        if at is not None:
            query = query.where(Upgrade.changed_at >= at)
        return self._db.scalars(query.options(*_SHOWN_IN_LISTS)).all()

    def waiting(self, batch_id: int) -> Sequence[tuple[str, int]]:
        """What upgrades of a batch wait for, in words, and how many do; most of them first."""
        found = func.count().label("found")
        query = (
            select(Upgrade.waiting_for, found)
            .where(Upgrade.batch_id == batch_id, Upgrade.waiting_for.is_not(None), sees_upgrade(self._caller))
            .where(Upgrade.status.in_(LIVE))
            .group_by(Upgrade.waiting_for)
            .order_by(found.desc(), Upgrade.waiting_for)
            .limit(REASONS)
        )
        return [(row.waiting_for or "", row.found) for row in self._db.execute(query)]

    def list_batches(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[BatchSummary]:
        """Return batches with their counts, the newest first.

        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        query = select(UpgradeBatch).where(sees_batch(self._caller))
        query = query.options(joinedload(UpgradeBatch.target_plan)).order_by(UpgradeBatch.id.desc())
        if (before := row_cursor(cursor)) is not None:
            query = query.where(UpgradeBatch.id < before)
        batches = self._db.scalars(query.limit(checked_limit(limit) + 1)).all()
        page = page_of(batches, limit, lambda batch: batch.id)
        return Page(_summaries(self._db, self._caller, page.items), page.next_cursor)

    def _pace(self, summary: BatchSummary, now: datetime) -> float | None:
        """Upgrades a minute, from the start of the last finished ones to now, or to the end of the batch.

        Counting up to now lets the pace fall while nothing ends.
        """
        of_batch: ColumnElement[bool] = Upgrade.batch_id == summary.batch.id
        recent = self._db.execute(
            select(Upgrade.started_at, Upgrade.finished_at)
            .where(of_batch, Upgrade.status.in_(_RAN), sees_upgrade(self._caller))
            .order_by(Upgrade.finished_at.desc())
            .limit(RECENT)
        ).all()
        starts = [row.started_at for row in recent if row.started_at]
        if not starts:
            return None
        end = now if summary.live else max(row.finished_at for row in recent)
        minutes = (end - min(starts)) / timedelta(minutes=1)
        return len(recent) / minutes if minutes > 0 else None


_SHOWN_IN_LISTS: tuple[ORMOption, ...] = (
    joinedload(Upgrade.source_plan),
    joinedload(Upgrade.target_plan),
    joinedload(Upgrade.account),
    joinedload(Upgrade.batch),
)


def _summaries(db: Session, caller: Caller, batches: Sequence[UpgradeBatch]) -> list[BatchSummary]:
    query = (
        select(Upgrade.batch_id, Upgrade.status, func.count().label("found"))
        .where(Upgrade.batch_id.in_([batch.id for batch in batches]), sees_upgrade(caller))
        .group_by(Upgrade.batch_id, Upgrade.status)
    )
    counts = {batch.id: dict.fromkeys(UpgradeStatus, 0) for batch in batches}
    for row in db.execute(query):
        counts[row.batch_id][row.status] = row.found
    return [BatchSummary(batch=batch, counts=counts[batch.id]) for batch in batches]
