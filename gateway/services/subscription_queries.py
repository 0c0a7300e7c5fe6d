"""Reads subscriptions, each with its newest upgrade."""

from __future__ import annotations

import enum
import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ARRAY,
    CTE,
    Column,
    ColumnElement,
    Row,
    Select,
    String,
    any_,
    bindparam,
    exists,
    func,
    literal,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.sql.visitors import replacement_traverse

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
from gateway.services.keys import Item, chunks, is_text_id
from gateway.services.newest_upgrades import NEWEST_ID, STATUSES, has_status, status_of_newest
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, encode_cursor, text_cursor
from gateway.services.searching import TextSearch
from gateway.services.sorting import Order
from gateway.statements import Prepared, Statements

UpgradeStatusFilter = UpgradeStatus | Literal["none"]
"""A status of the newest upgrade, or `none` for subscriptions that never had one."""


RowVersion = tuple[datetime, int | None, datetime | None]
"""When a subscription changed, its newest upgrade, and when that changed."""


class SubscriptionRow(NamedTuple):
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


class SubscriptionFilter(NamedTuple):
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
        page, _ = self._find(self._source(wanted), order, cursor, limit)
        return page

    def find_counted(
        self, wanted: SubscriptionFilter, *, order: Order, cursor: str | None, limit: int, at_most: int
    ) -> tuple[Page[SubscriptionRow], int]:
        """The same, and how many there are on all pages; a longer list counts as `at_most`."""
        source = self._source(wanted)
        if source.found is None:
            page, _ = self._find(source, order, cursor, limit)
            if cursor is None and page.next_cursor is None:
                return page, min(len(page.items), at_most)
            return page, self.count(wanted, at_most=at_most)
        page, count = self._find(source, order, cursor, limit, source.counted(at_most).scalar_subquery())
        if count is None:  # There is no row that could say it.
            return page, self.count(wanted, at_most=at_most) if cursor else 0
        return page, count

    def count(self, wanted: SubscriptionFilter, *, at_most: int) -> int:
        """How many there are; a longer list counts as `at_most`."""
        return self._db.scalar(self._source(wanted).counted(at_most)) or 0

    def by_ids(self, ids: Sequence[str]) -> Sequence[SubscriptionRow]:
        """Those of them that exist for the caller, in the order that was asked for."""
        found: dict[str, SubscriptionRow] = {}
        for chunk in chunks([key for key in ids if is_text_id(key)]):
            query = _WITH_NEWEST_UPGRADE.where(Subscription.id.in_(chunk), sees_subscription(self._caller))
            found |= {row[0].id: SubscriptionRow(*row) for row in self._db.execute(query)}
        return [found[key] for key in ids if key in found]

    def versions(self, ids: Sequence[str]) -> dict[str, RowVersion]:
        """Of those of them that exist for the caller, in the order that was asked for."""
        statements = Statements(self._db.connection())
        asked = [key for key in ids if is_text_id(key)]
        if statements.is_sqlite:
            rows = statements.rows(VERSIONS_SQLITE, ids=json.dumps(asked))
        else:
            rows = statements.rows(VERSIONS_POSTGRESQL, ids=asked)
        found: dict[str, RowVersion] = {}
        for key, branch_id, updated_at, upgrade_id, changed_at in rows:
            if self._caller.sees(branch_id):
                found[key] = updated_at, upgrade_id, changed_at
        return {key: found[key] for key in ids if key in found}

    def upgrade_ids(
        self, wanted: SubscriptionFilter, ids: Sequence[str] | None = None, *, at_most: int
    ) -> Sequence[int]:
        """The newest upgrades of the subscriptions that have one.

        :param ids: only of these subscriptions
        """
        query = select(NEWEST_ID.label("id")).where(*self._source(wanted).on_table())
        if ids is None:
            newest = query.subquery().c.id
            return self._db.scalars(
                select(newest).where(newest.is_not(None)).order_by(newest).limit(at_most)
            ).all()
        found: list[int | None] = []
        for chunk in chunks([key for key in ids if is_text_id(key)]):
            found += self._db.scalars(query.where(Subscription.id.in_(chunk)))
        return sorted(upgrade_id for upgrade_id in found if upgrade_id is not None)

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
        source = self._source(wanted)
        return self._db.scalars(source.ids().order_by(source.key).limit(at_most)).all()

    def _find(
        self,
        source: _Source,
        order: Order | None,
        cursor: str | None,
        limit: int,
        *more: ColumnElement[int],
    ) -> tuple[Page[SubscriptionRow], int | None]:
        """A page, and what one more column has in its first row."""
        # Ids come from an index alone; only of the rows of one page everything is read.
        keys = order.columns if order else (Subscription.id.expression,)
        is_by_upgrades = order is not None and order.name == SubscriptionSort.UPGRADE_STATUS.value
        if is_by_upgrades:
            keys = status_of_newest(self._db), *keys[1:]
        columns: Sequence[ColumnElement[Any]] = [source.of(each) for each in keys]
        query = select(*columns, *more).where(*source.conditions)
        if order is not None:
            order = order._replace(columns=tuple(columns))
            query = order.apply(query, cursor)
        else:
            query = query.order_by(source.key)
            if (after := text_cursor(cursor)) is not None:
                query = query.where(source.key > after)
        at_most = checked_limit(limit) + 1
        if order is not None and is_by_upgrades and source.found is None:
            found = self._status_by_status(source, order, cursor, at_most)
        else:
            found = self._db.execute(query.limit(at_most)).all()
        ids = [row.id for row in found[:limit]]
        if len(found) <= limit:
            next_cursor = None
        else:
            next_cursor = order.cursor_at(found[limit - 1]) if order else encode_cursor(ids[-1])
        page = Page(list(self.by_ids(ids)), next_cursor)
        return page, found[0][-1] if found and more else None

    def _status_by_status(
        self, source: _Source, order: Order, cursor: str | None, at_most: int
    ) -> Sequence[Row[Any]]:
        """The rows of one status of upgrades after those of another, since no index need have all of them."""
        found: list[Row[Any]] = []
        status, last = order.last(cursor) or (None, None)
        statuses = [source.upgrade_status] if source.upgrade_status else STATUSES
        for each in reversed(statuses) if order.descending else statuses:
            if status is not None and (each > status if order.descending else each < status):
                continue
            value = literal(each, String).label("upgrade_status")
            query = select(value, Subscription.id).where(*source.conditions)
            if not source.upgrade_status:
                query = query.where(has_status(self._db, each))
            if each == status:
                query = query.where(Subscription.id < last if order.descending else Subscription.id > last)
            query = query.order_by(Subscription.id.desc() if order.descending else Subscription.id)
            found += self._db.execute(query.limit(at_most - len(found)))
            if len(found) == at_most:
                break
        return found

    def _source(self, wanted: SubscriptionFilter) -> _Source:
        """Where the rows of a list are read from."""
        status = _named(wanted.upgrade_status)
        if wanted.text is None:
            return _Source(self._conditions(wanted), upgrade_status=status)
        search = self._search(wanted.text)
        if not search.is_gathered:
            return _Source([*self._conditions(wanted), search.tried()], upgrade_status=status)
        found = search.gathered(_READ_IN_LISTS, _of_plan(wanted))
        others = self._conditions(wanted._replace(service_plan_id=None))
        return _Source([_onto(found, each) for each in others], found)

    def _conditions(self, wanted: SubscriptionFilter) -> Sequence[ColumnElement[bool]]:
        """All but the text."""
        conditions = [sees_subscription(self._caller), _of_plan(wanted)]
        if (status := _named(wanted.upgrade_status)) is not None:
            conditions.append(has_status(self._db, status))
        if wanted.status is not None:
            conditions.append(Subscription.status == wanted.status)
        if wanted.vendor_id is not None:
            vendor_id = wanted.vendor_id if is_text_id(wanted.vendor_id) else ""
            conditions.append(Subscription.branch_id == vendor_id)
        return conditions

    def _search(self, text: str) -> TextSearch:
        """One search serves the list and its count."""
        if text not in self._searches:
            self._searches[text] = TextSearch(self._db, text)
        return self._searches[text]


class _Source(NamedTuple):
    """The table of subscriptions, or those that a search has gathered, with the conditions of a list."""

    conditions: Sequence[ColumnElement[bool]]
    found: CTE | None = None
    upgrade_status: str | None = None
    """The one that all of the table's rows have, by its name."""

    @property
    def key(self) -> ColumnElement[str]:
        return self.of(Subscription.id.expression)

    def of(self, column: ColumnElement[Item]) -> ColumnElement[Item]:
        """A column of subscriptions, as it is read from here."""
        return column if self.found is None else _onto(self.found, column)

    def ids(self) -> Select[str]:
        return select(self.key).where(*self.conditions)

    def counted(self, at_most: int) -> Select[int]:
        return select(func.count()).select_from(self.ids().limit(at_most).subquery())

    def on_table(self) -> Sequence[ColumnElement[bool]]:
        """The same as conditions on the table."""
        return self.conditions if self.found is None else [Subscription.id.in_(self.ids())]


def _onto(found: CTE, expression: ColumnElement[Item]) -> ColumnElement[Item]:
    """The same of the columns that were gathered."""

    def replaced(element: object, **_kw: object) -> ColumnElement[Any] | None:
        return found.corresponding_column(element) if isinstance(element, Column) else None

    return replacement_traverse(expression, {}, replaced)


def _named(status: UpgradeStatusFilter | None) -> str | None:
    return status.value if isinstance(status, UpgradeStatus) else status


def _of_plan(wanted: SubscriptionFilter) -> ColumnElement[bool]:
    plan_id = wanted.service_plan_id
    if plan_id is None:
        return true()
    return Subscription.service_plan_id == (plan_id if is_text_id(plan_id) else "")


def _branches(of_plan: ColumnElement[bool]) -> CTE:
    """The branches of a plan's subscriptions, each found by one look into the index behind the last."""
    first = select(func.min(Subscription.branch_id).label("id")).where(of_plan)
    walk = first.cte("branch", recursive=True)
    behind = select(func.min(Subscription.branch_id)).where(of_plan, Subscription.branch_id > walk.c.id)
    following = select(behind.scalar_subquery()).where(walk.c.id.is_not(None))
    return walk.union_all(following)


_READ_IN_LISTS = (
    Subscription.id,
    Subscription.branch_id,
    Subscription.customer_name,
    Subscription.status,
    Subscription.upgrade_status,
)
"""What lists are filtered and sorted by."""

_SORT_COLUMNS: dict[SubscriptionSort, tuple[ColumnElement[str], ...]] = {
    SubscriptionSort.ID: (),
    SubscriptionSort.CUSTOMER: (Subscription.customer_name.expression,),
    SubscriptionSort.STATUS: (type_coerce(Subscription.status, String),),
    SubscriptionSort.UPGRADE_STATUS: (Subscription.upgrade_status.expression,),
}


def _make_versions(is_wanted: ColumnElement[bool]) -> Prepared:
    columns = Subscription.updated_at, Upgrade.id, Upgrade.changed_at
    query = select(Subscription.id, Subscription.branch_id, *columns)
    return Prepared(query.outerjoin(Upgrade, Upgrade.id == NEWEST_ID).where(is_wanted))


_LISTED = func.json_each(bindparam("ids", type_=String)).table_valued("value")
VERSIONS_SQLITE = _make_versions(Subscription.id.in_(select(_LISTED.c.value)))
VERSIONS_POSTGRESQL = _make_versions(Subscription.id == any_(bindparam("ids", type_=ARRAY(String))))

_SHOWN: tuple[ORMOption, ...] = (
    joinedload(Subscription.account, innerjoin=True),
    joinedload(Subscription.service_plan, innerjoin=True),
    selectinload(Subscription.resources).joinedload(SubscriptionResource.resource_type, innerjoin=True),
)
_WITH_NEWEST_UPGRADE = (
    select(Subscription, Upgrade).outerjoin(Upgrade, Upgrade.id == NEWEST_ID).options(*_SHOWN)
)
