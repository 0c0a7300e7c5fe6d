"""Administrators look after the people of their own account; the provider's also after those of resellers."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.orm import Session, joinedload

from gateway.models import Account, AccountType, Role, User, UserSession
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Caller
from gateway.services.errors import InvalidRequestError, RoleNotSufficientError
from gateway.services.keys import is_row_id
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, page_of, row_cursor
from gateway.services.sessions import Sessions
from gateway.services.users import UserNotFoundError, Users
from gateway.services.vendors import AccountNotFoundError

log = logging.getLogger(__name__)


class LastAdministratorError(InvalidRequestError):
    """Without this user nobody could look after the account any more."""

    code = "last_administrator"


class OwnAccessError(InvalidRequestError):
    """Nobody takes away or gives oneself access: another administrator has to."""

    code = "own_access"


class UserRow(NamedTuple):
    """A user, and in how many browsers that one is signed in."""

    user: User
    sessions: int


class UserAdministration:
    """The users whom one caller sees, and what it may do to them."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller
        self._users = Users(db)

    def find(
        self,
        now: datetime,
        *,
        text: str | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[UserRow]:
        """By login.

        :param text: part of the login or of the account's name
        :raises InvalidCursorError, InvalidLimitError: if one is no good
        """
        query = self._visible().order_by(User.login)
        if text:
            query = query.where(
                User.login.icontains(text, autoescape=True) | Account.name.icontains(text, autoescape=True)
            )
        if (last := row_cursor(cursor)) is not None:
            query = query.where(User.login > select(User.login).where(User.id == last).scalar_subquery())
        users = self._db.scalars(query.limit(checked_limit(limit) + 1)).all()
        counts = self._sessions([user.id for user in users], now)
        return page_of([UserRow(user, counts.get(user.id, 0)) for user in users], limit, _row_id)

    def get_one(self, user_id: int) -> User:
        """:raises UserNotFoundError: if there is none for the caller"""
        user = self._db.scalar(self._visible().where(User.id == user_id)) if is_row_id(user_id) else None
        if user is None:
            raise UserNotFoundError([user_id])
        return user

    def accounts(self) -> dict[str, str]:
        """Names of the accounts whose users the caller looks after, by id; the own one first."""
        rows = self._db.execute(
            select(Account.id, Account.name)
            .where(_manages(self._caller), Account.type != AccountType.CUSTOMER)
            .order_by(Account.id != self._caller.account_id, Account.name)
        )
        return {row.id: row.name for row in rows}

    def add(self, login: str, account_id: str, role: Role, password: str, now: datetime) -> User:
        """
        :raises AccountNotFoundError: if the caller does not look after this account
        :raises InvalidRequestError: as `Users.add` does
        :raises RoleNotSufficientError: unless the caller administers
        """
        self._require_role()
        if account_id != self._caller.account_id and not self._caller.is_provider:
            raise AccountNotFoundError([account_id])
        return self._users.add(login, account_id, role, password, now, by=self._caller.actor)

    def change_role(self, user_id: int, role: Role, now: datetime) -> User:
        """
        :raises OwnAccessError: for the caller's own
        :raises LastAdministratorError: if no administrator would be left
        """
        user = self._get_one_other(user_id, "role")
        if user.role is role:
            return user
        self._keep_an_administrator(user)
        detail = f"Role {user.role.value} → {role.value}"
        user.role = role
        self._record(AuditAction.USER_ROLE_CHANGED, user, now, detail)
        return user

    def set_password(self, user_id: int, password: str, now: datetime) -> User:
        """Give somebody a new password, and end every session begun with the old one.

        :raises OwnAccessError: for the caller's own, which needs the present one
        :raises InvalidRequestError: if the password is no good
        """
        user = self._get_one_other(user_id, "password")
        self._users.change_password(user.login, password)
        Sessions(self._db).close_all(user.id)
        self._record(AuditAction.USER_PASSWORD_SET, user, now)
        return user

    def disable(self, user_id: int, now: datetime) -> User:
        """Let nobody in with this login, and end its sessions.

        :raises OwnAccessError: for the caller's own
        :raises LastAdministratorError: if no administrator would be left
        """
        user = self._get_one_other(user_id, "access")
        if user.disabled_at is None:
            self._keep_an_administrator(user)
            user.disabled_at = now
            Sessions(self._db).close_all(user.id)
            self._record(AuditAction.USER_DISABLED, user, now)
        return user

    def enable(self, user_id: int, now: datetime) -> User:
        user = self._get_one_other(user_id, "access")
        if user.disabled_at is not None:
            user.disabled_at = None
            self._record(AuditAction.USER_ENABLED, user, now)
        return user

    def sign_out(self, user_id: int, now: datetime) -> User:
        """End every session of the user."""
        self._require_role()
        user = self.get_one(user_id)
        Sessions(self._db).close_all(user.id)
        self._record(AuditAction.USER_SIGNED_OUT, user, now)
        return user

    def _visible(self) -> Select[User]:
        joined = select(User).join(User.account).where(_manages(self._caller))
        return joined.options(joinedload(User.account, innerjoin=True))

    def _sessions(self, user_ids: list[int], now: datetime) -> dict[int, int]:
        open_ones = UserSession.user_id.in_(user_ids), UserSession.expires_at > now
        counted = select(UserSession.user_id, func.count().label("number")).where(*open_ones)
        counted = counted.group_by(UserSession.user_id)
        return {row.user_id: row.number for row in self._db.execute(counted)}

    def _require_role(self) -> None:
        if not self._caller.may_administer:
            raise RoleNotSufficientError("only administrators look after users")

    def _get_one_other(self, user_id: int, what: str) -> User:
        self._require_role()
        user = self.get_one(user_id)
        if user.login == self._caller.name:
            raise OwnAccessError(
                f"{user.login} is yourself; expected another administrator to change your {what}"
            )
        return user

    def _keep_an_administrator(self, user: User) -> None:
        """Check it while others who would change users of the account wait."""
        self._db.execute(select(Account.id).where(Account.id == user.account_id).with_for_update())
        others = select(func.count()).where(
            User.account_id == user.account_id,
            User.role == Role.ADMINISTRATOR,
            User.disabled_at.is_(None),
            User.id != user.id,
        )
        is_one = user.role is Role.ADMINISTRATOR and user.disabled_at is None
        if is_one and not self._db.scalar(others):
            raise LastAdministratorError(
                f"{user.login} is the last administrator of {user.account.name}; expected another one first"
            )

    def _record(self, action: AuditAction, user: User, now: datetime, detail: str | None = None) -> None:
        Audit(self._db).record(
            action,
            self._caller.actor,
            now,
            account_id=user.account_id,
            subject=f"user {user.login}",
            detail=detail,
        )
        log.info("User changed: user=%s action=%s by=%s", user.id, action.value, self._caller.account_id)


def _manages(caller: Caller) -> ColumnElement[bool]:
    """The condition on `Account` that leaves those whose users and keys the caller sees."""
    return true() if caller.is_provider else Account.id == caller.account_id


def _row_id(row: UserRow) -> int:
    return row.user.id
