"""Who may change what is sold, and to whom."""

from __future__ import annotations

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
