"""Reads the audit log: the provider all of it, a reseller what concerns its own branch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from gateway.models import Account, AccountType, AuditEntry
from gateway.services.audit import AuditAction
from gateway.services.branch import sees_audit_entry
from gateway.services.caller import Caller
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, page_of, row_cursor


class AuditFilter(NamedTuple):
    """What is looked for; None is anything."""

    text: str | None = None
    """Part of the actor, the subject, the detail or the address."""
    action: AuditAction | None = None
    account_id: str | None = None
    since: datetime | None = None
    before: datetime | None = None


class AuditRow(NamedTuple):
    """An entry, the name of the account that it concerns, and the address as far as the reader may see it."""

    entry: AuditEntry
    account_name: str | None
    address: str | None


class AuditQueries:
    """The entries that one caller may read."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def find(
        self, wanted: AuditFilter, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[AuditRow]:
        """The newest first.

        :raises InvalidCursorError, InvalidLimitError: if one is no good
        """
        query = (
            select(AuditEntry, Account.name)
            .outerjoin(Account, Account.id == AuditEntry.account_id)
            .where(sees_audit_entry(self._caller), *self._conditions(wanted))
            .order_by(AuditEntry.id.desc())
        )
        if (last := row_cursor(cursor)) is not None:
            query = query.where(AuditEntry.id < last)
        found = self._db.execute(query.limit(checked_limit(limit) + 1)).all()
        rows = [AuditRow(entry, name, self._address(entry)) for entry, name in found]
        return page_of(rows, limit, lambda row: row.entry.id)

    def accounts(self) -> dict[str, str]:
        """Names of the vendors that entries can concern, by id."""
        vendors = select(Account.id, Account.name).where(Account.type != AccountType.CUSTOMER)
        if self._caller.vendor_ids is not None:
            vendors = vendors.where(Account.id.in_(self._caller.vendor_ids))
        return {row.id: row.name for row in self._db.execute(vendors.order_by(Account.name))}

    def _address(self, entry: AuditEntry) -> str | None:
        """Where those above the reader work from is not for its eyes."""
        sees = entry.actor_account_id is not None and self._caller.sees(entry.actor_account_id)
        return entry.address if sees or self._caller.is_provider else None

    def _conditions(self, wanted: AuditFilter) -> Iterator[ColumnElement[bool]]:
        if wanted.text:
            yield self._contains(wanted.text)
        if wanted.action is not None:
            yield AuditEntry.action == wanted.action.value
        if wanted.account_id is not None:
            yield AuditEntry.account_id == wanted.account_id
        if wanted.since is not None:
            yield AuditEntry.at >= wanted.since
        if wanted.before is not None:
            yield AuditEntry.at < wanted.before

    def _contains(self, text: str) -> ColumnElement[bool]:
        columns = [AuditEntry.actor, AuditEntry.subject, AuditEntry.detail]
        if self._caller.is_provider:
            # Whoever does not see every address could otherwise guess them by searching.
            columns.append(AuditEntry.address)
        first, *others = (column.icontains(text, autoescape=True) for column in columns)
        for other in others:
            first |= other
        return first
