"""The people of an upgrade: who held the old license, and who has the new one."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.db import Base, utcnow


class UserLicenseState(enum.Enum):
    NOTED = "noted"
    """Held the old license before the upgrade; not known to have the new one yet."""
    MOVED = "moved"
    LEFT_BEHIND = "left_behind"
    KEPT = "kept"
    """Has the old license on, for which another subscription of the customer has a seat."""
    GONE = "gone"
    """Microsoft does not know the user any more."""
    MOVING = "moving"
    """Somebody asked to move the license, which has not been done yet."""
    OTHER = "other"
    """Did not hold the old license; written down only while users are still being read."""


class MoveResult(enum.Enum):
    """What came of moving the license of one user by hand."""

    MOVED = "moved"
    ALREADY_MOVED = "already_moved"
    NO_SEATS = "no_seats"
    FAILED = "failed"
    GONE = "gone"


class UserLicense(Base):
    """One user who held the old license when the upgrade began."""

    __tablename__ = "user_license"
    # The rows of an upgrade lie together, which makes the key their only index.
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 (SQLAlchemy reads it so)

    upgrade_id: Mapped[int] = mapped_column(ForeignKey("upgrade.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """In the customer's directory."""
    user_principal_name: Mapped[str] = mapped_column(String(320))
    state: Mapped[UserLicenseState]
    holds_old: Mapped[bool | None]
    """When it was looked at last after the upgrade; None before that."""
    holds_new: Mapped[bool | None]
    result: Mapped[MoveResult | None]
    """Of the newest attempt to move the license by hand."""
    detail: Mapped[str | None] = mapped_column(Text)
    """What Microsoft said to that."""
    changed_at: Mapped[datetime] = mapped_column(default=utcnow)


class LicenseMove(Base):
    """Licenses that somebody asked to move; there is a row only until that is done."""

    __tablename__ = "license_move"
    __table_args__ = (Index("ix_license_move_due_at", "due_at"),)

    upgrade_id: Mapped[int] = mapped_column(ForeignKey("upgrade.id"), primary_key=True)
    requested_by: Mapped[str] = mapped_column(String(200))
    requested_at: Mapped[datetime] = mapped_column(default=utcnow)
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    """Tries of the present user that failed."""
    waiting_for: Mapped[str | None] = mapped_column(String(200))
    lease_owner: Mapped[str | None] = mapped_column(String(100))
    lease_expires_at: Mapped[datetime | None]
