"""Resellers and customers: who is below whom, and what is known of each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, true, union_all
from sqlalchemy.orm import Session, joinedload

from gateway.models import Account, AccountType, ServicePlan, Subscription
from gateway.services.administration import require_administrator
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Caller
from gateway.services.catalog.describing import describe_account
from gateway.services.catalog.editing import CatalogEditing, Entry, require_unchanged
from gateway.services.keys import is_text_id
from gateway.services.paging import Page, checked_limit, page_of, text_cursor
from gateway.services.searching import TextSearch
from gateway.services.vendors import AccountNotFoundError

log = logging.getLogger(__name__)

RESELLER_MEMBERS = ("name", "mpn_id", "email")
CUSTOMER_MEMBERS = ("name", "microsoft_tenant_id", "domain", "email")
"""What may be changed of each; who is above it stays."""


class ResellerRow(NamedTuple):
    """A reseller, and how many customers and plans of its own it has."""

    reseller: Account
    customers: int
    plans: int


class Accounts:
    """The accounts below the one that asks: all for the provider, for a reseller those of its branch."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def resellers(self) -> Sequence[ResellerRow]:
        """Return the resellers by name."""
        customers = (
            select(Account.parent_id, func.count().label("found"))
            .where(Account.type == AccountType.CUSTOMER)
            .group_by(Account.parent_id)
            .subquery()
        )
        plans = (
            select(ServicePlan.vendor_id, func.count().label("found"))
            .group_by(ServicePlan.vendor_id)
            .subquery()
        )
        query = (
            select(Account, func.coalesce(customers.c.found, 0), func.coalesce(plans.c.found, 0))
            .outerjoin(customers, customers.c.parent_id == Account.id)
            .outerjoin(plans, plans.c.vendor_id == Account.id)
            .where(self._is_reseller_below())
            .options(joinedload(Account.parent))
            .order_by(Account.name, Account.id)
        )
        return [ResellerRow(*row) for row in self._db.execute(query)]

    def reseller(self, account_id: str) -> Account:
        """:raises AccountNotFoundError: if it is no reseller below the one that asks"""
        query = select(Account).where(Account.id == account_id, self._is_reseller_below())
        found = self._db.scalar(query) if is_text_id(account_id) else None
        if found is None:
            raise AccountNotFoundError([account_id])
        return found

    def vendors(self) -> Sequence[Account]:
        """The caller's own account, and the resellers below it by name."""
        return [self._db.get_one(Account, self._caller.account_id), *(r.reseller for r in self.resellers())]

    def vendor(self, account_id: str) -> Account:
        """:raises AccountNotFoundError: if it is neither the caller's account nor a reseller below it"""
        if account_id == self._caller.account_id:
            return self._db.get_one(Account, account_id)
        return self.reseller(account_id)

    def customers(
        self, vendor_id: str, *, text: str | None = None, cursor: str | None = None, limit: int
    ) -> Page[Account]:
        """Return the customers directly below a vendor, by their ids.

        :param text: words with which words of the name or the domain begin, or the beginning of the id
        :raises AccountNotFoundError: if the vendor does not exist for the caller
        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        is_below = (Account.parent_id == self.vendor(vendor_id).id) & (Account.type == AccountType.CUSTOMER)
        query = select(Account).where(is_below)
        if text:
            query = query.where(self._is_found(text, is_below))
        if (after := text_cursor(cursor)) is not None:
            query = query.where(Account.id > after)
        found = self._db.scalars(query.order_by(Account.id).limit(checked_limit(limit) + 1)).all()
        return page_of(found, limit, lambda account: account.id)

    def customer(self, account_id: str) -> Account:
        """:raises AccountNotFoundError: if it is no customer of the caller or of a reseller below it"""
        found = self._db.get(Account, account_id) if is_text_id(account_id) else None
        if found is None or found.type is not AccountType.CUSTOMER:
            raise AccountNotFoundError([account_id])
        if not self._caller.sees(found.parent_id or ""):
            raise AccountNotFoundError([account_id])
        return found

    def subscriptions(self, account: Account) -> Sequence[Subscription]:
        """What an account is subscribed to, by the names of the plans."""
        query = (
            select(Subscription)
            .join(ServicePlan)
            .where(Subscription.account_id == account.id)
            .options(joinedload(Subscription.service_plan).joinedload(ServicePlan.service_template))
            .order_by(ServicePlan.name, Subscription.id)
        )
        return self._db.scalars(query).all()

    def plans(self, reseller: Account) -> Sequence[ServicePlan]:
        """The plans that are delegated to a reseller, by name."""
        query = (
            select(ServicePlan)
            .where(ServicePlan.vendor_id == reseller.id)
            .options(joinedload(ServicePlan.service_template))
            .order_by(ServicePlan.name, ServicePlan.id)
        )
        return self._db.scalars(query).all()

    def create_reseller(self, parent_id: str, draft: Entry, now: datetime) -> Account:
        """
        :param parent_id: the caller's own account or a reseller below it
        :raises AccountNotFoundError: if the parent does not exist for the caller
        :raises InvalidEntryError: if the catalog does not take the values
        """
        return self._create(AccountType.RESELLER, parent_id, _only(draft, RESELLER_MEMBERS), now)

    def create_customer(self, parent_id: str, draft: Entry, now: datetime) -> Account:
        """The same for a customer."""
        return self._create(AccountType.CUSTOMER, parent_id, _only(draft, CUSTOMER_MEMBERS), now)

    def change(self, account: Account, draft: Entry, *, seen: datetime | None, now: datetime) -> Account:
        """Save what may be changed of a reseller or customer that this service gave.

        :raises ChangedMeanwhileError: if it was changed after `seen`
        :raises InvalidEntryError: if the catalog does not take the values
        """
        require_administrator(self._caller)
        editing = CatalogEditing(self._db)
        self._db.refresh(account)
        require_unchanged(f"Account {account.name}", seen, account.updated_at)
        members = RESELLER_MEMBERS if account.is_vendor else CUSTOMER_MEMBERS
        entry = describe_account(account) | _only(draft, members)
        editing.save(Account, entry, now=now)
        self._record(AuditAction.ACCOUNT_CHANGED, entry, members, now)
        log.info("Account changed: account=%s", account.id)
        return account

    def _create(self, kind: AccountType, parent_id: str, draft: Entry, now: datetime) -> Account:
        require_administrator(self._caller)
        parent = self.vendor(parent_id)
        editing = CatalogEditing(self._db)
        account_id = editing.new_id(Account, str(draft["name"]))
        entry = draft | {"id": account_id, "type": kind.value, "parent": parent.id}
        editing.save(Account, entry, now=now)
        self._record(AuditAction.ACCOUNT_CREATED, entry, draft.keys(), now)
        log.info("Account created: account=%s type=%s parent=%s", account_id, kind.value, parent.id)
        return self._db.get_one(Account, account_id)

    def _record(self, action: AuditAction, entry: Entry, members: Iterable[str], now: datetime) -> None:
        is_reseller = entry["type"] == AccountType.RESELLER.value
        Audit(self._db).record(
            action,
            self._caller.actor,
            now,
            account_id=entry["id"] if is_reseller else entry["parent"],
            subject=f"{entry['type']} {entry['name']} ({entry['id']})",
            detail="; ".join(f"{each}: {entry[each]}" for each in members if entry[each]),
        )

    def _is_found(self, text: str, within: ColumnElement[bool]) -> ColumnElement[bool]:
        search = TextSearch(self._db, text)
        conditions = [search.names(Account.id), *search.begins(Account.id)]
        if not search.is_gathered:
            return or_(*conditions)
        return Account.id.in_(union_all(*[select(Account.id).where(within, each) for each in conditions]))

    def _is_reseller_below(self) -> ColumnElement[bool]:
        below = Account.type == AccountType.RESELLER
        if self._caller.vendor_ids is None:
            return below & true()
        return below & Account.id.in_(self._caller.vendor_ids - {self._caller.account_id})


def _only(draft: Entry, members: Sequence[str]) -> Entry:
    """These members, with nothing in place of an empty text, except for the name."""
    return {each: draft[each] if each == "name" else draft[each] or None for each in members}
