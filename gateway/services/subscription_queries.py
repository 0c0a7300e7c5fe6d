"""Reads subscriptions, each with its newest upgrade."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import CTE, ColumnElement, Select, String, exists, func, select, type_coerce
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from gateway.models import (
    NEVER_UPGRADED,
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
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, encode_cursor, text_cursor
from gateway.services.searching import TextSearch
from gateway.services.sorting import Order

UpgradeStatusFilter = UpgradeStatus | Literal["none"]
"""A status of the newest upgrade, or `none` for subscriptions that never had one."""


RowVersion = tuple[datetime, int | None, datetime | None]
"""When a subscription changed, its newest upgrade, and when that changed."""


@dataclass(frozen=True)
class SubscriptionRow:
    """A subscription with its account, plan and resources, and its newest upgrade."""

    subscription: Subscription
    upgrade: Upgrade | None

    @property
    def version(self) -> RowVersion:
        upgrade = self.upgrade
        times = (upgrade.id, upgrade.changed_at) if upgrade else (None, None)
        return (self.subscription.updated_at, *times)

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
    """Words with which words of the customer's name or domain begin, or the beginning of the id."""


class SubscriptionSort(enum.Enum):
    """By what a list may go; for each there is an index."""

    ID = "id"
    CUSTOMER = "customer"
    STATUS = "status"
    UPGRADE_STATUS = "upgrade_status"

    def order(self, *, descending: bool = False) -> Order:
        return Order(self.value, (*_SORT_COLUMNS[self], Subscription.id.expression), descending)


class SubscriptionQueries:
    """What one caller may read of subscriptions."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller
        self._searches: dict[str, TextSearch] = {}

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
        self,
        wanted: SubscriptionFilter,
        *,
        order: Order | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[SubscriptionRow]:
        """Return subscriptions in the order that was asked for, by their ids when none was.

        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        conditions = self._conditions(wanted)
        # Ids come from an index alone; only of the rows of one page everything is read.
        if order is None:
            query = select(Subscription.id).where(*conditions).order_by(Subscription.id)
            if (after := text_cursor(cursor)) is not None:
                query = query.where(Subscription.id > after)
        else:
            query = order.apply(select(*order.columns).where(*conditions), cursor)
        found = self._db.execute(query.limit(checked_limit(limit) + 1)).all()
        rows = self.by_ids([row[-1] for row in found[:limit]])
        if len(found) <= limit:
            return Page(list(rows), None)
        last = found[limit - 1]
        return Page(list(rows), order.cursor_at(last) if order else encode_cursor(last[0]))

    def count(self, wanted: SubscriptionFilter, *, at_most: int) -> int:
        """How many there are; a longer list counts as `at_most`."""
        if wanted.text is None:
            some = self._ids(wanted).limit(at_most).subquery()
        else:
            conditions = self._conditions(replace(wanted, text=None))
            some = self._search(wanted.text).ids(conditions).limit(at_most).subquery()
        return self._db.scalar(select(func.count()).select_from(some)) or 0

    def by_ids(self, ids: Sequence[str]) -> Sequence[SubscriptionRow]:
        """Those of them that exist for the caller, in the order that was asked for."""
        found: dict[str, SubscriptionRow] = {}
        for chunk in chunks([key for key in ids if is_text_id(key)]):
            query = _WITH_NEWEST_UPGRADE.where(Subscription.id.in_(chunk), sees_subscription(self._caller))
            found |= {row[0].id: SubscriptionRow(*row) for row in self._db.execute(query)}
        return [found[key] for key in ids if key in found]

    def versions(self, ids: Sequence[str]) -> dict[str, RowVersion]:
        """Of those of them that exist for the caller, in the order that was asked for."""
        query = (
            select(Subscription.id, Subscription.updated_at, Subscription.upgrade_id, Upgrade.changed_at)
            .outerjoin(Upgrade, Upgrade.id == Subscription.upgrade_id)
            .where(sees_subscription(self._caller))
        )
        found: dict[str, RowVersion] = {}
        for chunk in chunks([key for key in ids if is_text_id(key)]):
            for row in self._db.execute(query.where(Subscription.id.in_(chunk))):
                found[row.id] = (row.updated_at, row.upgrade_id, row.changed_at)
        return {key: found[key] for key in ids if key in found}

    def upgrade_ids(
        self, wanted: SubscriptionFilter, ids: Sequence[str] | None = None, *, at_most: int
    ) -> Sequence[int]:
        """The newest upgrades of the subscriptions that have one.

        :param ids: only of these subscriptions
        """
        query = (
            select(Upgrade.id)
            .join(Subscription, Subscription.upgrade_id == Upgrade.id)
            .where(*self._conditions(wanted))
        )
        if ids is None:
            return self._db.scalars(query.order_by(Upgrade.id).limit(at_most)).all()
        found: list[int] = []
        for chunk in chunks([key for key in ids if is_text_id(key)]):
            found += self._db.scalars(query.where(Subscription.id.in_(chunk)))
        return sorted(found)

    def vendors(self, service_plan_id: str) -> dict[str, str]:
        """Names of the vendors in whose branches the plan is subscribed to, by id."""
        of_plan = Subscription.service_plan_id == service_plan_id
        if self._caller.vendor_ids is None:
            branches: ColumnElement[bool] = Account.id.in_(select(_branches(of_plan)))
        else:
            sold = exists(select(Subscription.id).where(of_plan, Subscription.branch_id == Account.id))
            branches = Account.id.in_(self._caller.vendor_ids) & sold
        query = select(Account.id, Account.name).where(branches).order_by(Account.name)
        return {row.id: row.name for row in self._db.execute(query)}

    def names_of_vendors(self, ids: Collection[str]) -> dict[str, str]:
        """Names by id, for rows that the caller sees."""
        query = select(Account.id, Account.name).where(Account.id.in_(ids))
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
        return select(Subscription.id).where(*self._conditions(wanted))

    def _conditions(self, wanted: SubscriptionFilter) -> Sequence[ColumnElement[bool]]:
        conditions = [sees_subscription(self._caller)]
        if wanted.service_plan_id is not None:
            plan_id = wanted.service_plan_id if is_text_id(wanted.service_plan_id) else ""
            conditions.append(Subscription.service_plan_id == plan_id)
        if wanted.upgrade_status is not None:
            status = wanted.upgrade_status
            value = NEVER_UPGRADED if status == "none" else status.value
            conditions.append(Subscription.upgrade_status == value)
        if wanted.status is not None:
            conditions.append(Subscription.status == wanted.status)
        if wanted.vendor_id is not None:
            vendor_id = wanted.vendor_id if is_text_id(wanted.vendor_id) else ""
            conditions.append(Subscription.branch_id == vendor_id)
        if wanted.text is not None:
            conditions.append(self._search(wanted.text).condition(conditions))
        return conditions

    def _search(self, text: str) -> TextSearch:
        """One search serves the list and its count."""
        if text not in self._searches:
            self._searches[text] = TextSearch(self._db, text)
        return self._searches[text]


def _branches(of_plan: ColumnElement[bool]) -> CTE:
    """The branches of a plan's subscriptions, each found by one look into the index behind the last."""
    first = select(func.min(Subscription.branch_id).label("id")).where(of_plan)
    walk = first.cte("branch", recursive=True)
    behind = select(func.min(Subscription.branch_id)).where(of_plan, Subscription.branch_id > walk.c.id)
    following = select(behind.scalar_subquery()).where(walk.c.id.is_not(None))
    return walk.union_all(following)


_SORT_COLUMNS: dict[SubscriptionSort, tuple[ColumnElement[str], ...]] = {
    SubscriptionSort.ID: (),
    SubscriptionSort.CUSTOMER: (Subscription.customer_name.expression,),
    SubscriptionSort.STATUS: (type_coerce(Subscription.status, String),),
    SubscriptionSort.UPGRADE_STATUS: (Subscription.upgrade_status.expression,),
}

_SHOWN: tuple[ORMOption, ...] = (
    joinedload(Subscription.account, innerjoin=True),
    joinedload(Subscription.service_plan, innerjoin=True),
    selectinload(Subscription.resources).joinedload(SubscriptionResource.resource_type, innerjoin=True),
)
_WITH_NEWEST_UPGRADE = (
    select(Subscription, Upgrade).outerjoin(Upgrade, Upgrade.id == Subscription.upgrade_id).options(*_SHOWN)
)
