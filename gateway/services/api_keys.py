"""API keys: how programs of the provider and its resellers sign in. A key itself is never kept."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from gateway.models import APIKey, Role
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import COMMAND_LINE, Actor
from gateway.services.errors import InvalidRequestError, NotFoundError
from gateway.services.vendors import get_one_vendor

log = logging.getLogger(__name__)

_FORM = re.compile(r"o365gw_(?P<prefix>[0-9a-z]{12})_[0-9A-Za-z_-]{43}")
_PREFIX_BYTES = 6
_SECRET_BYTES = 32

LONGEST_NAME = 100


class APIKeyNotFoundError(NotFoundError):
    code = "api_key_not_found"
    kind = "API key"


class APIKeys:
    """The keys of all accounts."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def create(
        self, account_id: str, name: str, role: Role, now: datetime, *, by: Actor = COMMAND_LINE
    ) -> tuple[APIKey, str]:
        """Return the row and the key, `o365gw_PREFIX_SECRET`, which nobody can find out afterwards.

        :param by: who creates it, for the audit log
        :raises AccountNotFoundError: if there is no such account
        :raises AccountNotAllowedError: if it is a customer
        :raises InvalidRequestError: if the name is empty or too long
        """
        account = get_one_vendor(self._db, account_id)
        if not 0 < len(name) <= LONGEST_NAME:
            raise InvalidRequestError(f"name has {len(name)} characters; expected 1 to {LONGEST_NAME}")
        prefix = secrets.token_hex(_PREFIX_BYTES)
        text = f"o365gw_{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        key = APIKey(
            account=account, name=name, role=role, prefix=prefix, key_hash=_digest(text), created_at=now
        )
        self._db.add(key)
        self._db.flush()
        self._record(AuditAction.API_KEY_CREATED, key, by, now)
        log.info("API key created: prefix=%s account=%s role=%s", prefix, account_id, role.value)
        return key, text

    def authenticate(self, text: str) -> APIKey | None:
        """The key that was given, unless it is unknown or revoked; anything may be given.

        The secret is random and long, so a plain digest of it is as good as a slow one.
        """
        form = _FORM.fullmatch(text)
        if form is None:
            return None
        query = select(APIKey).where(APIKey.prefix == form["prefix"]).options(joinedload(APIKey.account))
        key = self._db.scalars(query).one_or_none()
        if key is None or key.revoked_at is not None:
            return None
        return key if hmac.compare_digest(key.key_hash, _digest(text)) else None

    def revoke(self, prefix: str, now: datetime, *, by: Actor = COMMAND_LINE) -> APIKey:
        """Refuse the key from now on; one that was revoked before stays so.

        :raises APIKeyNotFoundError: if there is no such key
        """
        key = self._db.scalars(select(APIKey).where(APIKey.prefix == prefix)).one_or_none()
        if key is None:
            raise APIKeyNotFoundError([prefix])
        if key.revoked_at is None:
            key.revoked_at = now
            self._record(AuditAction.API_KEY_REVOKED, key, by, now)
            log.info("API key revoked: prefix=%s account=%s", prefix, key.account_id)
        return key

    def list_for(self, account_id: str | None = None) -> Sequence[APIKey]:
        """The keys of one account, or of all; the revoked ones too, the oldest first."""
        query = select(APIKey).order_by(APIKey.id)
        if account_id is not None:
            query = query.where(APIKey.account_id == account_id)
        return self._db.scalars(query).all()

    def _record(self, action: AuditAction, key: APIKey, by: Actor, now: datetime) -> None:
        detail = f"{key.name}, role {key.role.value}"
        Audit(self._db).record(
            action, by, now, account_id=key.account_id, subject=f"API key {key.prefix}", detail=detail
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
