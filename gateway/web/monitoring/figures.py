"""The numbers of the upgrade queue, as the database has them for the whole gateway."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from gateway.db import DATABASE_AWAY, Database
from gateway.models import LIVE, Upgrade, UpgradeStatus

OUTCOMES = tuple(status for status in UpgradeStatus if status not in LIVE)


class Figures(NamedTuple):
    by_status: dict[UpgradeStatus, int]
    oldest_pending_at: datetime | None
    """When the upgrade was scheduled that has been pending longest."""


def read_figures(database: Database) -> Figures | None:
    """Return None when the database cannot be asked."""
    counting = select(Upgrade.status, func.count().label("found")).group_by(Upgrade.status)
    oldest = select(func.min(Upgrade.scheduled_at)).where(Upgrade.status == UpgradeStatus.PENDING)
    try:
        with database.read() as db:
            counts = {row.status: row.found for row in db.execute(counting)}
            return Figures(counts, db.scalar(oldest))
    except DATABASE_AWAY:
        return None
