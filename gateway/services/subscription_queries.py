"""Reads subscriptions, each with its newest upgrade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Select, exists, false, func, select
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from gateway.models import (
    Account,
    Subscription,
    SubscriptionResource,
    SubscriptionStatus,
    Upgrade,
    UpgradeStatus,
)
from gateway.services.branch import sees_subscription
from gateway.services.caller import Caller
from gateway.services.errors import SubscriptionNotFoundError
from gateway.services.keys import chunks, is_text_id
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


@dataclass(frozen=True, kw_only=True)
class SubscriptionFilter:
    """Which subscriptions a list has; what is None does not matter."""

    service_plan_id: str | None = None
    upgrade_status: UpgradeStatusFilter | None = None
    status: SubscriptionStatus | None = None
    vendor_id: str | None = None
    """The vendor in whose branch they lie."""
    text: str | None = None
    """Part of the customer's name or domain, or of the subscription's id."""


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
        wanted = SubscriptionFilter(service_plan_id=service_plan_id, upgrade_status=upgrade_status)
        return self.find(wanted, cursor=cursor, limit=limit)

    def find(
        self, wanted: SubscriptionFilter, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[SubscriptionRow]:
        """Return subscriptions by their ids.

        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        query = _WITH_NEWEST_UPGRADE.where(*self._conditions(wanted))
        if (after := text_cursor(cursor)) is not None:
            query = query.where(Subscription.id > after)
        found = self._db.execute(query.order_by(Subscription.id).limit(checked_limit(limit) + 1)).all()
        rows = [SubscriptionRow(*row) for row in found]
        return page_of(rows, limit, lambda row: row.subscription.id)

    def count(self, wanted: SubscriptionFilter, *, at_most: int) -> int:
        """How many there are; a longer list counts as `at_most`."""
        query = self._ids(wanted).limit(at_most)
        return self._db.scalar(select(func.count()).select_from(query.subquery())) or 0

    def by_ids(self, ids: Sequence[str]) -> Sequence[SubscriptionRow]:
        """Those of them that exist for the caller, in the order that was asked for."""
        found: dict[str, SubscriptionRow] = {}
        for chunk in chunks([key for key in ids if is_text_id(key)]):
            query = _WITH_NEWEST_UPGRADE.where(Subscription.id.in_(chunk), sees_subscription(self._caller))
            found |= {row[0].id: SubscriptionRow(*row) for row in self._db.execute(query)}
        return [found[key] for key in ids if key in found]

    def upgrade_ids(
        self, wanted: SubscriptionFilter, ids: Sequence[str] | None = None, *, at_most: int
    ) -> Sequence[int]:
        """The newest upgrades of the subscriptions that have one.

        :param ids: only of these subscriptions
        """
        query = select(Upgrade.id).join(Subscription, _IS_NEWEST).where(*self._conditions(wanted))
        if ids is None:
            return self._db.scalars(query.order_by(Upgrade.id).limit(at_most)).all()
        found: list[int] = []
        for chunk in chunks([key for key in ids if is_text_id(key)]):
            found += self._db.scalars(query.where(Subscription.id.in_(chunk)))
        return sorted(found)

    def vendors(self, service_plan_id: str) -> dict[str, str]:
        """Names of the vendors in whose branches the plan is subscribed to, by id."""
        branches = (
            select(Subscription.branch_id)
            .where(*self._conditions(SubscriptionFilter(service_plan_id=service_plan_id)))
            .distinct()
        )
        query = select(Account.id, Account.name).where(Account.id.in_(branches)).order_by(Account.name)
        return {row.id: row.name for row in self._db.execute(query)}

    def ids(
        self,
        *,
        service_plan_id: str | None = None,
        upgrade_status: UpgradeStatusFilter | None = None,
        at_most: int,
    ) -> Sequence[str]:
        """Return the ids of the whole list, for what is done to all of it."""
        wanted = SubscriptionFilter(service_plan_id=service_plan_id, upgrade_status=upgrade_status)
        return self.find_ids(wanted, at_most=at_most)

    def find_ids(self, wanted: SubscriptionFilter, *, at_most: int) -> Sequence[str]:
        return self._db.scalars(self._ids(wanted).order_by(Subscription.id).limit(at_most)).all()

    def _ids(self, wanted: SubscriptionFilter) -> Select[str]:
        query = select(Subscription.id)
        if wanted.upgrade_status is not None:
            query = query.outerjoin(Upgrade, _IS_NEWEST)
        return query.where(*self._conditions(wanted))

    def _conditions(self, wanted: SubscriptionFilter) -> Sequence[ColumnElement[bool]]:
        conditions = [sees_subscription(self._caller)]
        if wanted.service_plan_id is not None:
            plan_id = wanted.service_plan_id if is_text_id(wanted.service_plan_id) else ""
            conditions.append(Subscription.service_plan_id == plan_id)
        if wanted.upgrade_status == "none":
            conditions.append(Upgrade.id.is_(None))
        elif wanted.upgrade_status is not None:
            conditions.append(Upgrade.status == wanted.upgrade_status)
        if wanted.status is not None:
            conditions.append(Subscription.status == wanted.status)
        if wanted.vendor_id is not None:
            vendor_id = wanted.vendor_id if is_text_id(wanted.vendor_id) else ""
            conditions.append(Subscription.branch_id == vendor_id)
        if wanted.text is not None:
            conditions.append(_contains(wanted.text))
        return conditions


def _contains(text: str) -> ColumnElement[bool]:
    """A customer's name or domain, or a subscription's id, that has the text in it."""
    if not is_text_id(text):
        return false()
    of_account = Account.name.icontains(text, autoescape=True) | Account.domain.icontains(
        text, autoescape=True
    )
    accounts = exists(select(Account.id).where(Account.id == Subscription.account_id, of_account))
    return accounts | Subscription.id.icontains(text, autoescape=True)


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
