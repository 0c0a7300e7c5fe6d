"""Who may change what is sold, and to whom."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Caller
from gateway.services.errors import AccountNotAllowedError, RoleNotSufficientError


def require_administrator(caller: Caller) -> None:
    """:raises RoleNotSufficientError: if the role is another one"""
    if not caller.may_administer:
        raise RoleNotSufficientError(f"{caller.name} has role {caller.role.value}; expected administrator")


def require_provider_administrator(caller: Caller) -> None:
    """
    :raises AccountNotAllowedError: if it is a reseller who asks
    :raises RoleNotSufficientError: if the role is another one
    """
    if not caller.is_provider:
        raise AccountNotAllowedError(f"account {caller.account_id} is a reseller; expected the provider")
    require_administrator(caller)


def record(
    db: Session,
    caller: Caller,
    action: AuditAction,
    now: datetime,
    *,
    account_id: str,
    subject: str,
    detail: str,
) -> None:
    """Note in the audit log what was changed, in the transaction of the change."""
    Audit(db).record(action, caller.name, now, account_id=account_id, address=None)
