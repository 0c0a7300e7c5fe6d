"""The log of what people did with their access."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy.orm import Session

from gateway.models import AuditEntry

LONGEST_ACTOR = 200
LONGEST_ADDRESS = 64


class AuditAction(enum.StrEnum):
    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (an action, not a password)


class Audit:
    """Adds entries; nothing changes or removes one."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def record(
        self, action: AuditAction, actor: str, now: datetime, *, account_id: str | None, address: str | None
    ) -> None:
        entry = AuditEntry(
            at=now,
            account_id=account_id,
            actor=actor[:LONGEST_ACTOR],
            action=action.value,
            address=(address or "")[:LONGEST_ADDRESS] or None,
        )
        self._db.add(entry)
