"""Who is signed in, in which browser. A session is a random token whose hash is kept."""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select, true
from sqlalchemy.orm import Session

from gateway.models import Account, AccountType, Role, User, UserSession
from gateway.services.branch import branch_below
from gateway.services.caller import Caller
from gateway.statements import Prepared, Statements

log = logging.getLogger(__name__)

LIFETIME = timedelta(hours=12)
"""A working day; after it everybody signs in again."""


@dataclass(frozen=True, kw_only=True)
class SessionUser:
    """Whose session it is."""

    user_id: int
    login: str
    role: Role
    account_name: str
    caller: Caller


class Sessions:
    """The sessions of all users."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def open(self, user: User, now: datetime) -> str:
        """Sign the user in and return the token, which is shown to the browser alone."""
        token = secrets.token_urlsafe(32)
        expired = UserSession.user_id == user.id, UserSession.expires_at <= now
        self._db.execute(delete(UserSession).where(*expired))
        session = UserSession(
            user_id=user.id, token_hash=_hash(token), created_at=now, expires_at=now + LIFETIME
        )
        self._db.add(session)
        self._db.flush()
        log.info("Session opened: user=%s session=%s", user.id, session.id)
        return token

    def find(self, token: str, now: datetime, address: str | None = None) -> SessionUser | None:
        """Whose token it is, unless the session is over or the user disabled.

        :param address: where the request comes from
        """
        found = Statements(self._db.connection()).rows(FIND_SESSION, token_hash=_hash(token), now=now)
        if not found:
            return None
        user_id, login, role, account_id, account_type, account_name, _ = found[0]
        is_provider = account_type is AccountType.PROVIDER
        caller = Caller(
            account_id=account_id,
            account_type=account_type,
            role=role,
            name=login,
            vendor_ids=None if is_provider else frozenset(row[-1] for row in found),
            address=address,
        )
        return SessionUser(user_id=user_id, login=login, role=role, account_name=account_name, caller=caller)

    def close(self, token: str) -> None:
        self._db.execute(delete(UserSession).where(UserSession.token_hash == _hash(token)))

    def close_all(self, user_id: int, *, keep: str | None = None) -> None:
        """End every session of the user.

        :param keep: the token of one that goes on
        """
        doomed = delete(UserSession).where(UserSession.user_id == user_id)
        if keep is not None:
            doomed = doomed.where(UserSession.token_hash != _hash(keep))
        self._db.execute(doomed)
        log.info("Sessions closed: user=%s", user_id)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _make_find() -> Prepared:
    """A row for each vendor that the user sees; for the provider's, who see all, a single one.

    It is one statement since every page, and every question of its script, begins with it.
    """
    is_session = UserSession.token_hash == bindparam("token_hash")
    is_reseller = Account.type == AccountType.RESELLER
    own = select(Account.id).join(User).join(UserSession).where(is_session, is_reseller)
    branch = branch_below(own)
    columns = User.id, User.login, User.role, Account.id, Account.type, Account.name, branch.c.id
    return Prepared(
        select(*columns)
        .select_from(UserSession)
        .join(User)
        .join(Account)
        .outerjoin(branch, true())
        .where(is_session, UserSession.expires_at > bindparam("now"), User.disabled_at.is_(None))
    )


FIND_SESSION = _make_find()
