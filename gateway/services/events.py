"""Lines in the timelines of many upgrades at once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, insert, literal, select
from sqlalchemy.orm import Session

from gateway.models import Upgrade, UpgradeEvent


def add_events(db: Session, which: ColumnElement[bool], name: str, detail: str, now: datetime) -> None:
    """Add the same line to each upgrade that meets the condition, without reading them."""
    columns = [
        UpgradeEvent.upgrade_id,
        UpgradeEvent.at,
        UpgradeEvent.name,
        UpgradeEvent.detail,
        UpgradeEvent.attempt,
    ]
    lines = select(
        Upgrade.id,
        literal(now, UpgradeEvent.at.type),
        literal(name, UpgradeEvent.name.type),
        literal(detail, UpgradeEvent.detail.type),
        literal(0, UpgradeEvent.attempt.type),
    )
    db.execute(insert(UpgradeEvent).from_select(columns, lines.where(which).order_by(Upgrade.id)))
