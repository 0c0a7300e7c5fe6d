"""Who works on which upgrade. The table is the queue, and a lease is the right to work on a row."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import ColumnElement, bindparam, exists, func, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from gateway.db import Database
from gateway.models import ApplicationInstance, Upgrade, UpgradeEvent, UpgradeStatus, UpgradeStep

log = logging.getLogger(__name__)

CLAIM_LOCK = 0x0365_0001
"""Advisory lock of PostgreSQL: one claim at a time, over all nodes, so that the limit can be counted."""

LOOK_AHEAD = 200
"""Pending upgrades read at once beyond those wanted, since several may be of one customer."""


def _has_status(status: UpgradeStatus, upgrade: type[Upgrade] = Upgrade) -> ColumnElement[bool]:
    """The status as a word of the statement, since an index over some rows is not chosen for a parameter."""
    value = bindparam(None, status, type_=Upgrade.status.type, literal_execute=True)
    return upgrade.status == value


class Claims:
    """The leases of one worker."""

    def __init__(
        self, database: Database, owner: str, lease: timedelta, clock: Callable[[], datetime]
    ) -> None:
        """:param owner: `node:worker`, unique among all workers that ever were"""
        self._database = database
        self._owner = owner
        self._lease = lease
        self._clock = clock

    def claim(self, limit: int, rooms: Mapping[str, int] = MappingProxyType({})) -> list[int]:
        """Take pending upgrades while fewer than `limit` are in progress, whoever works on those.

        At most one for each Microsoft tenant, and of the instances in `rooms`, which go by their names in
        lower case, no more than that many in progress. Counting and taking are one transaction that no
        other claim overlaps, so that the limit holds over threads, workers and nodes.
        """
        if not self._might_claim(limit):
            return []
        now = self._clock()
        with self._database.write() as db:
            if not self._database.is_sqlite:  # SQLite's write lock is held already.
                db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CLAIM_LOCK})
            free = limit - _count_in_progress(db)
            left = rooms_left(db, rooms) if rooms and free > 0 else {}
            return self._take(db, _next_in_line(db, free, left), now) if free > 0 else []

    def _might_claim(self, limit: int) -> bool:
        """A look without a lock, so that an idle engine does not disturb anybody."""
        with self._database.read() as db:
            pending = select(Upgrade.id).where(_has_status(UpgradeStatus.PENDING)).limit(1)
            return db.scalar(pending) is not None and _count_in_progress(db) < limit

    def _take(self, db: Session, ids: list[int], now: datetime) -> list[int]:
        """Those that are still pending at this moment; one cancelled in between is left alone."""
        if not ids:
            return []
        claimed = db.scalars(
            update(Upgrade)
            .where(Upgrade.id.in_(ids), _has_status(UpgradeStatus.PENDING))
            .values(
                status=UpgradeStatus.IN_PROGRESS,
                step=UpgradeStep.CHECKING,
                started_at=now,
                changed_at=now,
                due_at=now,
                waiting_for=None,
                **self._mine(now),
            )
            .returning(Upgrade.id),
            execution_options={"synchronize_session": False},
        ).all()
        db.add_all([UpgradeEvent(upgrade_id=i, at=now, name="started") for i in sorted(claimed)])
        return sorted(claimed)

    def adopt(self) -> list[int]:
        """Take over what nobody works on any more: released, or its lease has run out."""
        now = self._clock()
        abandoned = (
            _has_status(UpgradeStatus.IN_PROGRESS),
            or_(Upgrade.lease_owner.is_(None), Upgrade.lease_expires_at < now),
        )
        with self._database.read() as db:
            if db.scalar(select(Upgrade.id).where(*abandoned).limit(1)) is None:
                return []
        with self._database.write() as db:
            adopted = db.scalars(
                update(Upgrade)
                .where(*abandoned)
                .values(due_at=func.coalesce(Upgrade.due_at, now), **self._mine(now))
                .returning(Upgrade.id),
                execution_options={"synchronize_session": False},
            ).all()
        log.info("Adopted upgrades: count=%s owner=%s", len(adopted), self._owner)
        return sorted(adopted)

    def renew(self) -> int:
        """Keep the leases of this worker; how many there are."""
        return self._update_mine(lease_expires_at=self._clock() + self._lease)

    def release(self, ids: Iterable[int] | None = None) -> int:
        """Give leases back, all or some, so that another worker can go on at once."""
        return self._update_mine(ids, lease_owner=None, lease_expires_at=None)

    def due_times(self) -> dict[int, datetime]:
        """When each upgrade of this worker is to be looked at next."""
        query = select(Upgrade.id, Upgrade.due_at).where(
            _has_status(UpgradeStatus.IN_PROGRESS), Upgrade.lease_owner == self._owner
        )
        with self._database.read() as db:
            return {row.id: row.due_at or self._clock() for row in db.execute(query)}

    def release_those_of_the_dead(self, node: str) -> int:
        """Free what earlier workers of this node held; the pool starts us only when they are gone."""
        with self._database.write() as db:
            result = db.execute(
                update(Upgrade)
                .where(
                    _has_status(UpgradeStatus.IN_PROGRESS),
                    Upgrade.lease_owner.startswith(f"{node}:", autoescape=True),
                    Upgrade.lease_owner != self._owner,
                )
                .values(lease_owner=None, lease_expires_at=None),
                execution_options={"synchronize_session": False},
            )
            return int(result.rowcount)  # type: ignore[attr-defined]

    def _mine(self, now: datetime) -> dict[str, object]:
        return {"lease_owner": self._owner, "lease_expires_at": now + self._lease}

    def _update_mine(self, ids: Iterable[int] | None = None, **values: object) -> int:
        query = update(Upgrade).where(
            _has_status(UpgradeStatus.IN_PROGRESS), Upgrade.lease_owner == self._owner
        )
        if ids is not None:
            query = query.where(Upgrade.id.in_(list(ids)))
        with self._database.write() as db:
            result = db.execute(query.values(**values), execution_options={"synchronize_session": False})
            return int(result.rowcount)  # type: ignore[attr-defined]


def _count_in_progress(db: Session) -> int:
    return db.scalar(select(func.count()).where(_has_status(UpgradeStatus.IN_PROGRESS))) or 0


def rooms_left(db: Session, rooms: Mapping[str, int]) -> dict[str, int]:
    """How many more may start of the instances in `rooms`, by their ids."""
    running = {
        row[0]: row[1]
        for row in db.execute(
            select(Upgrade.application_instance_id, func.count())
            .where(_has_status(UpgradeStatus.IN_PROGRESS))
            .group_by(Upgrade.application_instance_id)
        )
    }
    return {
        row.id: max(0, rooms[row.name.casefold()] - running.get(row.id, 0))
        for row in db.execute(select(ApplicationInstance.id, ApplicationInstance.name))
        if row.name.casefold() in rooms
    }


def _next_in_line(db: Session, wanted: int, rooms_left: Mapping[str, int]) -> list[int]:
    """The oldest pending upgrades, one for each tenant that Microsoft is not busy with."""
    busy = aliased(Upgrade)
    left = dict(rooms_left)
    query = (
        select(Upgrade.id, Upgrade.microsoft_tenant_id, Upgrade.application_instance_id)
        .where(
            _has_status(UpgradeStatus.PENDING),
            Upgrade.application_instance_id.not_in([key for key, room in left.items() if not room]),
            ~exists().where(
                _has_status(UpgradeStatus.IN_PROGRESS, busy),
                busy.microsoft_tenant_id == Upgrade.microsoft_tenant_id,
            ),
        )
        .order_by(Upgrade.id)
        .with_for_update(
            of=Upgrade, skip_locked=True
        )  # What is being cancelled at this moment is left alone.
    )
    by_tenant: dict[str, int] = {}
    last = 0
    while len(by_tenant) < wanted:
        rows = db.execute(query.where(Upgrade.id > last).limit(wanted + LOOK_AHEAD)).all()
        for row in rows:
            room = left.get(row.application_instance_id, wanted)
            if room and row.microsoft_tenant_id not in by_tenant:
                by_tenant[row.microsoft_tenant_id] = row.id
                left[row.application_instance_id] = room - 1
        if len(rows) < wanted + LOOK_AHEAD:
            break
        last = rows[-1].id
    return list(by_tenant.values())[:wanted]
