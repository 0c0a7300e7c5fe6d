"""Administrators look after API keys of their own account; the provider's also after those of resellers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from gateway.models import Account, APIKey, Role
from gateway.services.api_keys import APIKeyNotFoundError, APIKeys
from gateway.services.caller import Caller
from gateway.services.errors import RoleNotSufficientError
from gateway.services.keys import is_text_id
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, page_of, row_cursor
from gateway.services.vendors import AccountNotFoundError


class APIKeyAdministration:
    """The keys that one caller sees, and what it may do to them."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller
        self._keys = APIKeys(db)

    def find(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[APIKey]:
        """The newest first, revoked ones too.

        :raises InvalidCursorError, InvalidLimitError: if one is no good
        """
        query = self._visible().order_by(APIKey.id.desc())
        if (last := row_cursor(cursor)) is not None:
            query = query.where(APIKey.id < last)
        found = self._db.scalars(query.limit(checked_limit(limit) + 1)).all()
        return page_of(found, limit, lambda key: key.id)

    def get_one(self, prefix: str) -> APIKey:
        """:raises APIKeyNotFoundError: if there is none for the caller"""
        key = self._db.scalar(self._visible().where(APIKey.prefix == prefix)) if is_text_id(prefix) else None
        if key is None:
            raise APIKeyNotFoundError([prefix])
        return key

    def create(self, account_id: str, name: str, role: Role, now: datetime) -> tuple[APIKey, str]:
        """The row and the key, which is not kept.

        :raises AccountNotFoundError: if the caller does not look after this account
        :raises InvalidRequestError: if the name is no good
        :raises RoleNotSufficientError: unless the caller administers
        """
        self._require_role()
        if account_id != self._caller.account_id and not self._caller.is_provider:
            raise AccountNotFoundError([account_id])
        return self._keys.create(account_id, name, role, now, by=self._caller.actor)

    def revoke(self, prefix: str, now: datetime) -> APIKey:
        """
        :raises APIKeyNotFoundError: if there is none for the caller
        :raises RoleNotSufficientError: unless the caller administers
        """
        self._require_role()
        return self._keys.revoke(self.get_one(prefix).prefix, now, by=self._caller.actor)

    def _visible(self) -> Select[APIKey]:
        query = select(APIKey).options(joinedload(APIKey.account, innerjoin=True))
        if self._caller.is_provider:
            return query
        return query.join(APIKey.account).where(Account.id == self._caller.account_id)

    def _require_role(self) -> None:
        if not self._caller.may_administer:
            raise RoleNotSufficientError("only administrators look after API keys")
