"""Reads subscriptions, each with its newest upgrade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from gateway.models import Subscription, SubscriptionResource, Upgrade, UpgradeStatus
from gateway.services.branch import sees_subscription
from gateway.services.caller import Caller
from gateway.services.errors import SubscriptionNotFoundError
from gateway.services.keys import is_text_id
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, page_of, text_cursor

UpgradeStatusFilter = UpgradeStatus | Literal["none"]
"""A status of the newest upgrade, or `none` for subscriptions that never had one."""


@dataclass(frozen=True)
class SubscriptionRow:
    """A subscription with its account, plan and resources, and its newest upgrade."""

    subscription: Subscription
    upgrade: Upgrade | None

    @property
    def upgrade_id(self) -> int | None:
        return self.upgrade.id if self.upgrade else None

    @property
    def upgrade_status(self) -> UpgradeStatus | None:
        return self.upgrade.status if self.upgrade else None


class SubscriptionQueries:
    """What one caller may read of subscriptions."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def get(self, subscription_id: str) -> SubscriptionRow:
        """:raises SubscriptionNotFoundError: if it does not exist for the caller"""
        query = _WITH_NEWEST_UPGRADE.where(
            Subscription.id == subscription_id, sees_subscription(self._caller)
        )
        found = self._db.execute(query).one_or_none() if is_text_id(subscription_id) else None
        if found is None:
            raise SubscriptionNotFoundError([subscription_id])
        return SubscriptionRow(*found)

    def list(
        self,
        *,
        service_plan_id: str | None = None,
        upgrade_status: UpgradeStatusFilter | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[SubscriptionRow]:
        """Return subscriptions by their ids.

        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        query = _WITH_NEWEST_UPGRADE.where(*self._conditions(service_plan_id, upgrade_status))
        if (after := text_cursor(cursor)) is not None:
            query = query.where(Subscription.id > after)
        found = self._db.execute(query.order_by(Subscription.id).limit(checked_limit(limit) + 1)).all()
        rows = [SubscriptionRow(*row) for row in found]
        return page_of(rows, limit, lambda row: row.subscription.id)

    def ids(
        self,
        *,
        service_plan_id: str | None = None,
        upgrade_status: UpgradeStatusFilter | None = None,
        at_most: int,
    ) -> Sequence[str]:
        """Return the ids of the whole list, for what is done to all of it."""
        query = (
            select(Subscription.id)
            .outerjoin(Upgrade, _IS_NEWEST)
            .where(*self._conditions(service_plan_id, upgrade_status))
        )
        return self._db.scalars(query.order_by(Subscription.id).limit(at_most)).all()

    def _conditions(
        self, service_plan_id: str | None, upgrade_status: UpgradeStatusFilter | None
    ) -> Sequence[ColumnElement[bool]]:
        conditions = [sees_subscription(self._caller)]
        if service_plan_id is not None:
            plan_id = service_plan_id if is_text_id(service_plan_id) else ""
            conditions.append(Subscription.service_plan_id == plan_id)
        if upgrade_status == "none":
            conditions.append(Upgrade.id.is_(None))
        elif upgrade_status is not None:
            conditions.append(Upgrade.status == upgrade_status)
        return conditions


_NEWEST_ID = (
    select(func.max(Upgrade.id))
    .where(Upgrade.subscription_id == Subscription.id)
    .correlate(Subscription)
    .scalar_subquery()
)
_IS_NEWEST = Upgrade.id == _NEWEST_ID

_SHOWN: tuple[ORMOption, ...] = (
    joinedload(Subscription.account, innerjoin=True),
    joinedload(Subscription.service_plan, innerjoin=True),
    selectinload(Subscription.resources).joinedload(SubscriptionResource.resource_type, innerjoin=True),
)
_WITH_NEWEST_UPGRADE = select(Subscription, Upgrade).outerjoin(Upgrade, _IS_NEWEST).options(*_SHOWN)
