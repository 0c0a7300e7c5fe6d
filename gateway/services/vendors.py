"""Those who may come in: the provider and resellers."""

from __future__ import annotations

from sqlalchemy.orm import Session

from gateway.models import Account
from gateway.services.errors import AccountNotAllowedError, NotFoundError


class AccountNotFoundError(NotFoundError):
    code = "account_not_found"
    kind = "account"


def get_one_vendor(db: Session, account_id: str) -> Account:
    """:raises AccountNotFoundError: if there is no such account
    :raises AccountNotAllowedError: if it is a customer
    """
    account = db.get(Account, account_id)
    if account is None:
        raise AccountNotFoundError([account_id])
    if not account.is_vendor:
        raise AccountNotAllowedError(
            f"account {account_id} is a customer, expected the provider or a reseller"
        )
    return account
