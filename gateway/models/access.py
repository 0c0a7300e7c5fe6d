"""Who may come in: users and their sessions, API keys, and the requests that a key has already made."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.db import Base, utcnow
from gateway.models.account import Account


class Role(enum.Enum):
    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    READ_ONLY = "read_only"


class User(Base):
    """A person of the provider or of a reseller."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(String(200), unique=True)
    """In lower case, so that a login is found however it is typed."""
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    role: Mapped[Role]
    password_hash: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    disabled_at: Mapped[datetime | None]
    """Since then nobody signs in with this login."""

    account: Mapped[Account] = relationship()


class UserSession(Base):
    """A browser in which somebody is signed in. The token that the browser holds is never kept."""

    __tablename__ = "user_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    expires_at: Mapped[datetime]

    user: Mapped[User] = relationship()


class AuditEntry(Base):
    """What a person did that somebody may ask about later; it is never changed."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_account_id_id", "account_id", "id"),
        Index("ix_audit_entry_action_id", "action", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=utcnow)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    """Whom it concerns, which is who may read it; None for the provider alone, such as an unknown login."""
    actor_account_id: Mapped[str | None] = mapped_column(String(100))
    """Whose person or program the actor is; None where nobody knows, and for the command line."""
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(60))
    """Stable, such as `signed_in`."""
    subject: Mapped[str | None] = mapped_column(String(200))
    """The thing concerned, in words, such as `user anna` or `batch 12`."""
    detail: Mapped[str | None] = mapped_column(Text)
    """What happened to it, in words; never a secret."""
    address: Mapped[str | None] = mapped_column(String(64))


class APIKey(Base):
    """A program of the provider or of a reseller. The key itself is never kept."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[Role]
    prefix: Mapped[str] = mapped_column(String(20), unique=True)
    """The part that may be shown, by which the key is found."""
    key_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship()


class IdempotencyKey(Base):
    """The answer that a request got, so that its repetition gets the same and does nothing."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index("ix_idempotency_key_created_at", "created_at"),)

    caller: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    """The HTTP status; None while the first request is still being worked on."""
    location: Mapped[str | None] = mapped_column(String(500))
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
