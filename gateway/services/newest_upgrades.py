"""The newest upgrade of a subscription, and what lists say of its status.

SQLite keeps that status in the subscription, by triggers, so that a list is read from one index whatever it
is filtered by. To PostgreSQL a changed status is a new entry in every index of subscriptions, so there the
subscription has the status of its newest upgrade that has ended, and a live one is looked up: it has at most
one, by an index.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, String, exists, func, literal_column, select, type_coerce
from sqlalchemy.orm import Session, aliased

from gateway.models import LIVE, NEVER_UPGRADED, Subscription, Upgrade, UpgradeStatus
from gateway.services.upsert import is_postgresql

STATUSES = sorted([NEVER_UPGRADED, *(status.value for status in UpgradeStatus)])
"""All that can be said of a subscription, in the order of lists."""

_live, _any = aliased(Upgrade), aliased(Upgrade)
_STATUS = type_coerce(_live.status, String)
_IS_LIVE = (
    _live.subscription_id == Subscription.id,
    # As the index has it that keeps an upgrade from having company.
    _STATUS.in_([literal_column(f"'{status.value}'") for status in LIVE]),
)

HAS_LIVE_UPGRADE = exists(select(_live.id).where(*_IS_LIVE).correlate_except(_live))

NEWEST_ID = (
    select(func.max(_any.id))
    .where(_any.subscription_id == Subscription.id)
    .correlate_except(_any)
    .scalar_subquery()
)


def has_status(db: Session, status: str) -> ColumnElement[bool]:
    """The condition on `Subscription` that its newest upgrade has one of `STATUSES`."""
    is_kept = Subscription.upgrade_status == status
    if not is_postgresql(db):
        return is_kept
    if status in [each.value for each in LIVE]:
        return exists(select(_live.id).where(*_IS_LIVE, _STATUS.in_([status])).correlate_except(_live))
    return is_kept & ~HAS_LIVE_UPGRADE


def status_of_newest(db: Session) -> ColumnElement[str]:
    """The same as a column, for subscriptions that were found already."""
    kept: ColumnElement[str] = Subscription.upgrade_status.expression
    if is_postgresql(db):
        live = select(_STATUS).where(*_IS_LIVE).correlate_except(_live).scalar_subquery()
        kept = func.coalesce(live, kept)
    return kept.label("upgrade_status")
