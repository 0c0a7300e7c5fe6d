"""The log of what people and programs did with their access."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy.orm import Session

from gateway.models import AuditEntry
from gateway.services.caller import Actor

LONGEST_ACTOR = 200
LONGEST_ADDRESS = 64
LONGEST_SUBJECT = 200
LONGEST_DETAIL = 4000


class AuditAction(enum.StrEnum):
    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    SERVICE_TEMPLATE_CREATED = "service_template_created"
    SERVICE_TEMPLATE_CHANGED = "service_template_changed"
    SERVICE_PLAN_CREATED = "service_plan_created"
    SERVICE_PLAN_CHANGED = "service_plan_changed"
    SERVICE_PLAN_PRICES_CHANGED = "service_plan_prices_changed"
    SERVICE_PLAN_DELEGATED = "service_plan_delegated"
    ACCOUNT_CREATED = "account_created"
    ACCOUNT_CHANGED = "account_changed"
    RESELLER_SUBSCRIBED = "reseller_subscribed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (an action, not a password)
    USER_ADDED = "user_added"
    USER_ROLE_CHANGED = "user_role_changed"
    USER_PASSWORD_SET = "user_password_set"  # noqa: S105 (an action, not a password)
    USER_DISABLED = "user_disabled"
    USER_ENABLED = "user_enabled"
    USER_SIGNED_OUT = "user_signed_out"
    API_KEY_CREATED = "api_key_created"
    API_KEY_REVOKED = "api_key_revoked"
    CATALOG_IMPORTED = "catalog_imported"
    UPGRADES_SCHEDULED = "upgrades_scheduled"
    UPGRADES_CANCELED = "upgrades_canceled"
    LICENSES_MOVED = "licenses_moved"
    CONNECTION_TESTED = "connection_tested"
    SETTINGS_CHANGED = "settings_changed"
    POOL_RECYCLED = "pool_recycled"
    POOL_STOPPED = "pool_stopped"
    POOL_STARTED = "pool_started"


class Audit:
    """Adds entries; nothing changes or removes one."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def record(
        self,
        action: AuditAction,
        actor: Actor,
        now: datetime,
        *,
        account_id: str | None = None,
        subject: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Add an entry, in the transaction of what it speaks of.

        :param account_id: whom it concerns; the actor's own account when not given
        :param subject: the thing concerned, such as `user anna`
        :param detail: what happened to it, in words; never a secret
        """
        entry = AuditEntry(
            at=now,
            account_id=account_id or actor.account_id,
            actor_account_id=actor.account_id,
            actor=_readable(actor.name, LONGEST_ACTOR) or "",
            action=action.value,
            subject=_readable(subject, LONGEST_SUBJECT),
            detail=_readable(detail, LONGEST_DETAIL),
            address=_readable(actor.address, LONGEST_ADDRESS),
        )
        self._db.add(entry)


def _readable(text: str | None, longest: int) -> str | None:
    """What a database and a page can take: names come from outside."""
    known = "".join(character for character in text or "" if character.isprintable())
    return known[:longest] or None
