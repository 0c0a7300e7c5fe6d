"""A customer's subscription of a plan."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.db import Base, utcnow
from gateway.models.account import Account
from gateway.models.catalog import ResourceKind, ResourceType, ServicePlan

NEVER_UPGRADED = "none"
"""Stands where the status of an upgrade would."""


class SubscriptionStatus(enum.Enum):
    ACTIVE = "active"
    PENDING = "pending"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    DISABLED = "disabled"
    DELETED = "deleted"


class Subscription(Base):
    __tablename__ = "subscription"
    __table_args__ = (
        # Lists of a plan are read from these alone, whatever they are filtered by.
        Index("ix_subscription_by_id", "service_plan_id", "id", "branch_id", "status", "upgrade_status"),
        Index(
            "ix_subscription_by_customer",
            *("service_plan_id", "customer_name", "id", "branch_id", "status", "upgrade_status"),
        ),
        Index("ix_subscription_by_status", "service_plan_id", "status", "id", "branch_id", "upgrade_status"),
        Index(
            "ix_subscription_by_upgrade_status",
            *("service_plan_id", "upgrade_status", "id", "branch_id", "status"),
        ),
        Index("ix_subscription_by_branch", "service_plan_id", "branch_id", "id"),
        Index("ix_subscription_branch_id_id", "branch_id", "id"),
        Index("ix_subscription_account_id_service_plan_id", "account_id", "service_plan_id"),
    )

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    branch_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    """The vendor in whose branch of the tree it lies: the customer's parent, or the reseller itself."""
    service_plan_id: Mapped[str] = mapped_column(ForeignKey("service_plan.id"))
    status: Mapped[SubscriptionStatus]
    microsoft_subscription_id: Mapped[str | None] = mapped_column(String(64))
    subdomain: Mapped[str | None] = mapped_column(String(100))
    """The answer to the Office 365 subdomain form, which only Customer Management subscriptions have."""
    customer_name: Mapped[str] = mapped_column(
        String(200).with_variant(String(200, collation="NOCASE"), "sqlite"), server_default=""
    )
    """The name of its account, to sort by; the database keeps it, as it does the next one."""
    upgrade_status: Mapped[str] = mapped_column(String(40), server_default=NEVER_UPGRADED)
    """That of its newest upgrade; on PostgreSQL it means nothing while that one is live."""
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow)

    account: Mapped[Account] = relationship(foreign_keys=[account_id])
    service_plan: Mapped[ServicePlan] = relationship()
    resources: Mapped[list["SubscriptionResource"]] = relationship(
        back_populates="subscription", order_by="SubscriptionResource.resource_type_id"
    )

    @property
    def licenses(self) -> list["SubscriptionResource"]:
        return [r for r in self.resources if r.resource_type.kind is ResourceKind.LICENSE]


class SubscriptionResource(Base):
    """How much of a resource a subscription may use, and uses."""

    __tablename__ = "subscription_resource"

    subscription_id: Mapped[str] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    resource_type_id: Mapped[int] = mapped_column(ForeignKey("resource_type.id"), primary_key=True)
    limit: Mapped[int]
    usage: Mapped[int] = mapped_column(default=0)

    subscription: Mapped[Subscription] = relationship(back_populates="resources")
    resource_type: Mapped[ResourceType] = relationship(lazy="joined", innerjoin=True)
