"""People who can sign in where the demonstration catalog is."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from gateway.models import Account, Role
from gateway.services.catalog.demonstration import VENDORS
from gateway.services.users import Users

LOGINS = {"provider": "provider", "reseller-1": "harbour", "reseller-2": "bluestone"}
"""The login of an administrator, by account."""


@dataclass(frozen=True)
class Person:
    """How somebody signs in."""

    area: str
    login: str
    password: str

    @property
    def panel(self) -> str:
        return self.area.capitalize()


def add_demonstration_users(db: Session, file: Path, now: datetime) -> list[Person]:
    """Add those that are missing.

    :param file: keeps the passwords, for its owner alone; the same ones are returned every time
    :returns: nobody if another catalog is installed
    """
    names = {vendor.id: vendor.name for vendor in VENDORS}
    accounts = {key: db.get(Account, key) for key in LOGINS}
    if any(account is None or account.name != names[key] for key, account in accounts.items()):
        return []
    passwords = _passwords(file)
    users = Users(db)
    taken = {user.login for user in users.list()}
    for account_id, login in LOGINS.items():
        if login not in taken:
            users.add(login, account_id, Role.ADMINISTRATOR, passwords[login], now)
    return [
        Person("provider" if key == "provider" else "reseller", login, passwords[login])
        for key, login in LOGINS.items()
    ]


def _passwords(file: Path) -> dict[str, str]:
    if file.exists():
        kept: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        return kept
    drawn = {login: secrets.token_urlsafe(12) for login in LOGINS.values()}
    with os.fdopen(
        os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as kept_in:
        json.dump(drawn, kept_in)
    return drawn
