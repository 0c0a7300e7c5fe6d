"""Who works on which upgrade. The table is the queue, and a lease is the right to work on a row."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, func, or_, select, update

from gateway.db import Database
from gateway.engine.backlog import ANY_TENANT, IN_PROGRESS
from gateway.models import Upgrade

log = logging.getLogger(__name__)


class Leases(NamedTuple):
    due_times: dict[int, datetime]
    """When each upgrade of this worker is to be looked at next."""
    next_end_of_others: datetime | None
    """When the first lease of another worker runs out, if it is not renewed; long ago for what nobody has."""


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


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

    def adopt(self) -> list[int]:
        """Take over what nobody works on any more: released, or its lease has run out."""
        now = self._clock()
        abandoned = (
            IN_PROGRESS,
            ANY_TENANT,
            or_(Upgrade.lease_owner.is_(None), Upgrade.lease_expires_at < now),
        )
        with self._database.write() as db:
            adopted = db.scalars(
                update(Upgrade)
                # What is locked is being written by somebody who is alive.
                .where(Upgrade.id.in_(_locked(*abandoned, skip_locked=True)))
                .values(due_at=func.coalesce(Upgrade.due_at, now), **self._mine(now))
                .returning(Upgrade.id),
                execution_options={"synchronize_session": False},
            ).all()
        log.info("Adopted upgrades: count=%s owner=%s", len(adopted), self._owner)
        return sorted(adopted)

    def renew(self) -> int:
        """Keep the leases of this worker; how many there are."""
        # What is being written gets a new lease with that.
        return self._update_mine(lease_expires_at=self._clock() + self._lease, skip_locked=True)

    def release(self, ids: Iterable[int] | None = None) -> int:
        """Give leases back, all or some, so that another worker can go on at once."""
        return self._update_mine(ids, lease_owner=None, lease_expires_at=None)

    def look(self) -> Leases:
        """Who works on what at this moment."""
        query = select(Upgrade.id, Upgrade.due_at, Upgrade.lease_owner, Upgrade.lease_expires_at)
        mine: dict[int, datetime] = {}
        others: list[datetime] = []
        with self._database.read() as db:
            for row in db.execute(query.where(IN_PROGRESS, ANY_TENANT)):
                if row.lease_owner == self._owner:
                    mine[row.id] = row.due_at or self._clock()
                else:
                    others.append((row.lease_expires_at if row.lease_owner else None) or _LONG_AGO)
        return Leases(mine, min(others, default=None))

    def due_times(self) -> dict[int, datetime]:
        """When each upgrade of this worker is to be looked at next."""
        return self.look().due_times

    def release_those_of_the_dead(self, node: str) -> int:
        """Free what earlier workers of this node held; the pool starts us only when they are gone."""
        of_the_dead = (
            Upgrade.lease_owner.startswith(f"{node}:", autoescape=True),
            Upgrade.lease_owner != self._owner,
        )
        return self._update(of_the_dead, {"lease_owner": None, "lease_expires_at": None})

    def _mine(self, now: datetime) -> dict[str, object]:
        return {"lease_owner": self._owner, "lease_expires_at": now + self._lease}

    def _update_mine(
        self, ids: Iterable[int] | None = None, *, skip_locked: bool = False, **values: object
    ) -> int:
        which = [Upgrade.lease_owner == self._owner]
        if ids is not None:
            which.append(Upgrade.id.in_(list(ids)))
        return self._update(which, values, skip_locked=skip_locked)

    def _update(
        self, which: Iterable[ColumnElement[bool]], values: Mapping[str, object], *, skip_locked: bool = False
    ) -> int:
        found = _locked(IN_PROGRESS, ANY_TENANT, *which, skip_locked=skip_locked)
        query = update(Upgrade).where(Upgrade.id.in_(found))
        with self._database.write() as db:
            result = db.execute(query.values(**values), execution_options={"synchronize_session": False})
            return int(result.rowcount)  # type: ignore[attr-defined]


def _locked(*which: ColumnElement[bool], skip_locked: bool) -> Select[int]:
    """The ids of upgrades, locked in the order in which all lock, so that nobody waits in a circle."""
    # For an order by the key itself SQLite reads all upgrades there ever were.
    found = select(Upgrade.id).where(*which).order_by(Upgrade.id + 0)
    return found.with_for_update(key_share=True, skip_locked=skip_locked)
