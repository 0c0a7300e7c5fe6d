"""People of the provider and its resellers, and their passwords."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.models import Role, User
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import COMMAND_LINE, Actor
from gateway.services.errors import InvalidRequestError, NotFoundError
from gateway.services.vendors import get_one_vendor

log = logging.getLogger(__name__)

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000
"""Hashing takes longer the longer it is, and anybody may try."""
LONGEST_LOGIN = 200

_hasher = PasswordHasher()
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$deTlaKiCQYcXlZb3YV9iBw$5FwTrpzeCvKwapEdRcw2cHiO2GJuw1xbtC21q/wdbQs"
"""Checked for a login that does not exist, so that the time of the answer does not tell.

It is written down since hashing takes a fifth of the start of a worker; a test sees that it costs the same.
"""


class UserNotFoundError(NotFoundError):
    code = "user_not_found"
    kind = "user"


class InvalidLoginError(InvalidRequestError):
    code = "invalid_login"


class UserExistsError(InvalidLoginError):
    code = "user_exists"


class InvalidPasswordError(InvalidRequestError):
    code = "invalid_password"


class Users:
    """The users of all accounts. Logins compare without regard to case."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def add(
        self,
        login: str,
        account_id: str,
        role: Role,
        password: str,
        now: datetime,
        *,
        by: Actor = COMMAND_LINE,
    ) -> User:
        """
        :param by: who adds it, for the audit log
        :raises AccountNotFoundError: if there is no such account
        :raises AccountNotAllowedError: if it is a customer
        :raises UserExistsError: if the login is taken
        :raises InvalidLoginError: if the login is no good
        :raises InvalidPasswordError: if the password is no good
        """
        account = get_one_vendor(self._db, account_id)
        name = login.strip().lower()
        if not 0 < len(name) <= LONGEST_LOGIN or not name.isprintable() or " " in name:
            raise InvalidLoginError(f"login {login!r}: expected 1 to {LONGEST_LOGIN} characters, no blanks")
        if self._find(name) is not None:
            raise UserExistsError(f"login {name!r} is taken; expected another one")
        user = User(
            login=name, account=account, role=role, password_hash=_checked_hash(password), created_at=now
        )
        self._db.add(user)
        self._db.flush()
        Audit(self._db).record(
            AuditAction.USER_ADDED,
            by,
            now,
            account_id=account_id,
            subject=f"user {user.login}",
            detail=f"Role {role.value}",
        )
        log.info("User added: user=%s account=%s role=%s", user.id, account_id, role.value)
        return user

    def verify(self, login: str, password: str) -> User | None:
        """The user of this login if the password is right and the user not disabled.

        A wrong one takes as long as a right one.
        """
        user = self._find(login.strip().lower())
        try:
            _hasher.verify(user.password_hash if user else _NOBODY, password[:LONGEST_PASSWORD])
        except (VerificationError, InvalidHashError):
            return None
        return user if user is not None and user.disabled_at is None else None

    def change_password(self, login: str, password: str) -> None:
        """
        :raises UserNotFoundError: if there is no such user
        :raises InvalidPasswordError: if the password is no good
        """
        user = self._find(login.strip().lower())
        if user is None:
            raise UserNotFoundError([login])
        user.password_hash = _checked_hash(password)
        log.info("Password changed: user=%s", user.id)

    def get(self, user_id: int) -> User | None:
        return self._db.get(User, user_id)

    def list(self) -> Sequence[User]:
        return self._db.scalars(select(User).order_by(User.login)).all()

    def _find(self, login: str) -> User | None:
        return self._db.scalars(select(User).where(User.login == login)).one_or_none()


def _checked_hash(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidPasswordError(
            f"password has {len(password)} characters; expected {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}"
        )
    return _hasher.hash(password)
