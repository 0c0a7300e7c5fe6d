"""What a provider sells: application instances, service templates and service plans."""

import enum
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.db import Base, utcnow
from gateway.models.account import Account

UNLIMITED = -1
"""The limit of a resource that has none."""


class ResourceKind(enum.Enum):
    LICENSE = "license"
    ADDON = "addon"
    OTHER = "other"


class PlanKind(enum.Enum):
    STANDARD = "standard"
    CUSTOMER_MANAGEMENT = "customer_management"


class ApplicationInstance(Base):
    """One Office 365 application, installed for one partner account at Microsoft."""

    __tablename__ = "application_instance"

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    """Joins it to the instance of the same name in Settings.config."""
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow)


class ServiceTemplate(Base):
    """The set of resource types that plans are made of."""

    __tablename__ = "service_template"

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    application_instance_id: Mapped[str] = mapped_column(ForeignKey("application_instance.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow)

    application_instance: Mapped[ApplicationInstance] = relationship()
    resource_types: Mapped[list["ResourceType"]] = relationship(back_populates="service_template")


class ResourceType(Base):
    """A thing that is counted; a license or an add-on names what Microsoft sells."""

    __tablename__ = "resource_type"
    __table_args__ = (UniqueConstraint("service_template_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    service_template_id: Mapped[str] = mapped_column(ForeignKey("service_template.id"))
    key: Mapped[str] = mapped_column(String(100))
    """The caller's id, which is unique within the template only."""
    kind: Mapped[ResourceKind]
    name: Mapped[str] = mapped_column(String(200))
    offer_id: Mapped[str | None] = mapped_column(String(100))
    """`product:sku` of the new commerce, or the GUID of a legacy offer."""

    service_template: Mapped[ServiceTemplate] = relationship(back_populates="resource_types")


class ServicePlan(Base):
    """What a customer subscribes to. A reseller's plan is its own copy of the one delegated to it."""

    __tablename__ = "service_plan"

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[PlanKind] = mapped_column(default=PlanKind.STANDARD)
    service_template_id: Mapped[str] = mapped_column(ForeignKey("service_template.id"), index=True)
    vendor_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    delegated_from_id: Mapped[str | None] = mapped_column(ForeignKey("service_plan.id"))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow)

    service_template: Mapped[ServiceTemplate] = relationship()
    vendor: Mapped[Account] = relationship()
    resources: Mapped[list["PlanResource"]] = relationship(
        back_populates="service_plan", order_by="PlanResource.resource_type_id"
    )
    subscription_periods: Mapped[list["SubscriptionPeriod"]] = relationship(
        order_by="SubscriptionPeriod.months"
    )
    resource_rates: Mapped[list["ResourceRate"]] = relationship(order_by="ResourceRate.resource_type_id")

    @property
    def licenses(self) -> list["PlanResource"]:
        return [r for r in self.resources if r.resource_type.kind is ResourceKind.LICENSE]


class PlanResource(Base):
    """A resource that a plan contains, with the limit that is included."""

    __tablename__ = "plan_resource"

    service_plan_id: Mapped[str] = mapped_column(ForeignKey("service_plan.id"), primary_key=True)
    resource_type_id: Mapped[int] = mapped_column(ForeignKey("resource_type.id"), primary_key=True)
    limit: Mapped[int]

    service_plan: Mapped[ServicePlan] = relationship(back_populates="resources")
    resource_type: Mapped[ResourceType] = relationship(lazy="joined", innerjoin=True)


class SubscriptionPeriod(Base):
    """How long a subscription of the plan lasts, and its price for that time."""

    __tablename__ = "subscription_period"

    service_plan_id: Mapped[str] = mapped_column(ForeignKey("service_plan.id"), primary_key=True)
    months: Mapped[int] = mapped_column(primary_key=True)
    setup_fee: Mapped[Decimal]
    recurring_fee: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(3))


class ResourceRate(Base):
    """The price of one unit of a resource above what is included, for one subscription period."""

    __tablename__ = "resource_rate"

    service_plan_id: Mapped[str] = mapped_column(ForeignKey("service_plan.id"), primary_key=True)
    resource_type_id: Mapped[int] = mapped_column(ForeignKey("resource_type.id"), primary_key=True)
    recurring_fee: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(3))

    resource_type: Mapped[ResourceType] = relationship(lazy="joined", innerjoin=True)


class OfferPath(Base):
    """What Microsoft said an offer can be upgraded to, and when it said so."""

    __tablename__ = "offer_path"

    application_instance_id: Mapped[str] = mapped_column(
        ForeignKey("application_instance.id"), primary_key=True
    )
    offer_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    target_offer_ids: Mapped[list[str]]
    read_at: Mapped[datetime]
