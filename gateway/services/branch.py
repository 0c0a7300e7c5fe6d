"""The part of the account tree in which somebody may act, and what lies in it."""

from __future__ import annotations

from sqlalchemy import CTE, ColumnElement, Select, exists, select, true
from sqlalchemy.orm import Session

from gateway.models import (
    Account,
    AccountType,
    AuditEntry,
    Role,
    ServicePlan,
    Subscription,
    Upgrade,
    UpgradeBatch,
)
from gateway.services.caller import Caller
from gateway.services.errors import AccountNotAllowedError


def make_caller(db: Session, account: Account, role: Role, name: str, address: str | None = None) -> Caller:
    """Work out what the account sees: the provider everything, a reseller its own branch.

    :raises AccountNotAllowedError: if the account is a customer
    """
    if account.type is AccountType.CUSTOMER:
        raise AccountNotAllowedError(
            f"account {account.id} is a customer; expected the provider or a reseller"
        )
    is_provider = account.type is AccountType.PROVIDER
    return Caller(
        account_id=account.id,
        account_type=account.type,
        role=role,
        name=name,
        vendor_ids=None if is_provider else branch_vendor_ids(db, account.id),
        address=address,
    )


def branch_vendor_ids(db: Session, account_id: str) -> frozenset[str]:
    """The vendor itself and all resellers below it, at any depth."""
    top = select(Account.id).where(Account.id == account_id)
    return frozenset(db.scalars(select(branch_below(top).c.id)))


def branch_below(top: Select[str]) -> CTE:
    """One vendor, found by a query for its id, and all resellers below it."""
    branch = top.cte("branch", recursive=True)
    below = select(Account.id).where(Account.parent_id == branch.c.id, Account.type == AccountType.RESELLER)
    return branch.union(below)


def sees_plan(caller: Caller) -> ColumnElement[bool]:
    """The condition on `ServicePlan` that leaves what exists for the caller."""
    return true() if caller.vendor_ids is None else ServicePlan.vendor_id.in_(caller.vendor_ids)


def sees_subscription(caller: Caller) -> ColumnElement[bool]:
    """The same on `Subscription`."""
    return true() if caller.vendor_ids is None else Subscription.branch_id.in_(caller.vendor_ids)


def sees_upgrade(caller: Caller) -> ColumnElement[bool]:
    """The same on `Upgrade`, which is seen by whoever sees its subscription."""
    if caller.vendor_ids is None:
        return true()
    owned = Subscription.id == Upgrade.subscription_id, Subscription.branch_id.in_(caller.vendor_ids)
    return exists(select(Subscription.id).where(*owned).correlate(Upgrade))


def sees_audit_entry(caller: Caller) -> ColumnElement[bool]:
    """The same on `AuditEntry`, which is seen by the vendor whom it concerns and those above."""
    return true() if caller.vendor_ids is None else AuditEntry.account_id.in_(caller.vendor_ids)


def sees_batch(caller: Caller) -> ColumnElement[bool]:
    """The same on `UpgradeBatch`, which is seen by the vendor who asked for it and those above."""
    return true() if caller.vendor_ids is None else UpgradeBatch.account_id.in_(caller.vendor_ids)
