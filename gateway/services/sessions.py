"""Who is signed in, in which browser. A session is a random token whose hash is kept."""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, joinedload

from gateway.models import User, UserSession

log = logging.getLogger(__name__)

LIFETIME = timedelta(hours=12)
"""A working day; after it everybody signs in again."""


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

    def find(self, token: str, now: datetime) -> UserSession | None:
        """The session of this token with its user and account, unless it is over or the user disabled."""
        query = select(UserSession).where(UserSession.token_hash == _hash(token))
        with_user = joinedload(UserSession.user, innerjoin=True).joinedload(User.account, innerjoin=True)
        session = self._db.scalar(query.options(with_user))
        is_over = session is None or session.expires_at <= now or session.user.disabled_at is not None
        return None if is_over else session

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
