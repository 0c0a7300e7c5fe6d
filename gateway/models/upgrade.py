"""Upgrades: the queue, what became of each, and what happened on the way."""

import enum
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.db import Base, utcnow
from gateway.models.account import Account
from gateway.models.catalog import ServicePlan
from gateway.models.subscription import Subscription


class UpgradeStatus(enum.Enum):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    COMPLETED_WITH_WARNINGS = "completed_with_warnings"
    FAILED = "failed"
    CANCELED = "canceled"


LIVE = (UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS)
"""The states in which an upgrade still has a future."""


class UpgradeStep(enum.Enum):
    """How far an upgrade in progress has come."""

    CHECKING = "checking"
    NOTING_LICENSES = "noting_licenses"
    SUBMITTING = "submitting"
    WAITING = "waiting"
    VERIFYING = "verifying"


class LicenseCheck(enum.Enum):
    """How an upgrade looks whether the users' licenses have moved."""

    PEOPLE = "people"
    """Everybody who held the old license was written down, and is looked at afterwards."""
    COUNTS = "counts"
    """The users are too many for that; only how many licenses are in use is compared."""
    FAILED = "failed"
    """Microsoft did not let the users be read."""


class UpgradeBatch(Base):
    """What one Finish creates."""

    __tablename__ = "upgrade_batch"
    __table_args__ = (Index("ix_upgrade_batch_requested_by_id", "requested_by", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    """The vendor who asked for it; it is seen by that vendor and those above it."""
    requested_by: Mapped[str] = mapped_column(String(200))
    """Who asked, in words, such as the name of an API key."""
    target_plan_id: Mapped[str] = mapped_column(ForeignKey("service_plan.id"))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)

    target_plan: Mapped[ServicePlan] = relationship()


class Upgrade(Base):
    """One upgrade operation; it outlives the request that asked for it."""

    __tablename__ = "upgrade"
    # PostgreSQL has the same conditions: migrations make the indexes, and a test compares them. Said here as
    # well, they would load all of that dialect into each worker that is on SQLite.
    __table_args__ = (
        Index(
            "uq_upgrade_live_subscription",
            "subscription_id",
            unique=True,
            sqlite_where=text("status IN ('pending', 'in_progress')"),
        ),
        Index(
            "uq_upgrade_tenant_in_progress",
            "microsoft_tenant_id",
            unique=True,
            sqlite_where=text("status = 'in_progress'"),
        ),
        Index(
            "ix_upgrade_pending_by_batch",
            *("batch_id", "id", "status"),
            sqlite_where=text("status = 'pending'"),
        ),
        Index("ix_upgrade_batch_id_status_id", "batch_id", "status", "id"),
        Index("ix_upgrade_batch_id_id", "batch_id", "id"),
        Index("ix_upgrade_batch_id_changed_at", "batch_id", "changed_at", "id", "status"),
        Index("ix_upgrade_batch_id_subscription_id", "batch_id", "subscription_id", "id"),
        Index("ix_upgrade_subscription_id_id", "subscription_id", "id"),
        Index(
            "uq_upgrade_retry_of_id",
            "retry_of_id",
            unique=True,
            sqlite_where=text("retry_of_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("upgrade_batch.id"))
    subscription_id: Mapped[str] = mapped_column(ForeignKey("subscription.id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    microsoft_tenant_id: Mapped[str] = mapped_column(String(64))
    """Microsoft refuses two changes of one tenant at a time, and so does an index of this table."""
    application_instance_id: Mapped[str] = mapped_column(ForeignKey("application_instance.id"))
    source_plan_id: Mapped[str] = mapped_column(ForeignKey("service_plan.id"))
    target_plan_id: Mapped[str] = mapped_column(ForeignKey("service_plan.id"))

    status: Mapped[UpgradeStatus] = mapped_column(default=UpgradeStatus.PENDING)
    step: Mapped[UpgradeStep | None]
    """Set while in progress, and kept as the last one reached."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Tries of the present step that failed; each step starts anew."""
    due_at: Mapped[datetime | None]
    """When the engine looks at it next."""
    waiting_for: Mapped[str | None] = mapped_column(String(200))
    """Why nothing happens until then, in words."""
    lease_owner: Mapped[str | None] = mapped_column(String(100))
    lease_expires_at: Mapped[datetime | None]
    """After this moment another worker may take it over."""

    request_id: Mapped[UUID] = mapped_column(default=uuid4)
    """Sent as MS-RequestId; a new one after an answer that says that nothing was done."""
    correlation_id: Mapped[UUID] = mapped_column(default=uuid4)
    source_offer_id: Mapped[str | None] = mapped_column(String(100))
    """What Microsoft said the subscription was before, when that was checked."""
    source_microsoft_subscription_id: Mapped[str | None] = mapped_column(String(64))
    source_sku_id: Mapped[str | None] = mapped_column(String(64))
    """The license that users held before, by its id in the customer's directory."""
    target_sku_id: Mapped[str | None] = mapped_column(String(64))
    """The license that they are to have, by the same kind of id; known when the upgrade is done."""
    license_check: Mapped[LicenseCheck | None]
    """Decided before the request leaves; None where the gateway signs in without a user (app-only)."""
    other_seats: Mapped[int | None]
    """Seats of the old license that the customer keeps, since another subscription has them."""
    licenses_awaited_until: Mapped[datetime | None]
    """Until when Microsoft is given time to move the licenses."""
    target_offer_id: Mapped[str | None] = mapped_column(String(100))
    quantity: Mapped[int | None]
    transition_type: Mapped[str | None] = mapped_column(String(50))
    seen_before: Mapped[list[str] | None] = mapped_column(JSON)
    """What Microsoft had of such upgrades before this one was asked for, and which is therefore not this one:
    operations of the source, or the customer's subscriptions of the target offer."""
    intended_at: Mapped[datetime | None]
    """Committed before the request leaves: from here on it may have reached Microsoft."""
    operation_id: Mapped[str | None] = mapped_column(String(64))
    target_microsoft_subscription_id: Mapped[str | None] = mapped_column(String(64))
    """Where a legacy upgrade put the seats; None when Microsoft kept the subscription."""
    submitted_at: Mapped[datetime | None]
    """When Microsoft was known to have accepted it."""

    retry_of_id: Mapped[int | None] = mapped_column(ForeignKey("upgrade.id"))
    """The failed upgrade that it repeats; each is repeated once, and what fails again can be in its turn."""

    reason_code: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str | None] = mapped_column(Text)
    remedy: Mapped[str | None] = mapped_column(Text)

    scheduled_at: Mapped[datetime] = mapped_column(default=utcnow)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(default=utcnow)

    batch: Mapped[UpgradeBatch] = relationship()
    subscription: Mapped[Subscription] = relationship()
    account: Mapped[Account] = relationship()
    source_plan: Mapped[ServicePlan] = relationship(foreign_keys=[source_plan_id])
    target_plan: Mapped[ServicePlan] = relationship(foreign_keys=[target_plan_id])
    events: Mapped[list["UpgradeEvent"]] = relationship(order_by="UpgradeEvent.id")

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def may_be_at_microsoft(self) -> bool:
        """Whether the request may have reached Microsoft."""
        if self.step is UpgradeStep.SUBMITTING:
            return self.intended_at is not None
        return self.step in (UpgradeStep.WAITING, UpgradeStep.VERIFYING)


class UpgradeEvent(Base):
    """What happened to an upgrade, and when: the lines of its timeline."""

    __tablename__ = "upgrade_event"
    __table_args__ = (Index("ix_upgrade_event_upgrade_id_id", "upgrade_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    upgrade_id: Mapped[int] = mapped_column(ForeignKey("upgrade.id"))
    at: Mapped[datetime] = mapped_column(default=utcnow)
    name: Mapped[str] = mapped_column(String(40))
    """Stable, such as `claimed`, `submitting`, `retry`, `completed`."""
    detail: Mapped[str | None] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(default=0)
    request_id: Mapped[str | None] = mapped_column(String(64))
    """Microsoft's MS-RequestId of the call that it speaks of."""
    correlation_id: Mapped[str | None] = mapped_column(String(64))
