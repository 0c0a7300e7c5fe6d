"""What the calls about the catalog take and answer."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gateway.models import PlanKind, ResourceKind, SubscriptionStatus, UpgradeStatus
from gateway.services.catalog.entries import (
    AccountEntry,
    InstanceEntry,
    PlanEntry,
    SubscriptionEntry,
    TemplateEntry,
)
from gateway.services.subscription_queries import UpgradeStatusFilter
from gateway.web.api.kinds import APIModel, Cursor, PageQuery, Price, RowId, TextId, Timestamp


class ApplicationInstance(APIModel):
    """One Office 365 application, installed for one partner account at Microsoft."""

    id: str = Field(examples=["office365"])
    name: str = Field(examples=["Office 365"])


class ApplicationInstanceList(APIModel):
    items: list[ApplicationInstance]
    next: Cursor


class PlanResource(APIModel):
    """A resource that a plan contains."""

    resource_type_id: str = Field(examples=["license-m365-business-basic"])
    kind: ResourceKind
    name: str
    offer_id: str | None = Field(description="What Microsoft sells", examples=["CFQ7TTC0LH18:0001"])
    limit: int = Field(description="How much is included; -1 for any amount")


class SubscriptionPeriod(APIModel):
    months: int
    setup_fee: Price
    recurring_fee: Price
    currency: str = Field(examples=["USD"])


class ResourceRate(APIModel):
    """The price of one unit beyond what is included."""

    resource_type_id: str
    recurring_fee: Price
    currency: str = Field(examples=["USD"])


class ServicePlan(APIModel):
    """What customers subscribe to."""

    id: str = Field(examples=["m365-business-basic"])
    name: str = Field(examples=["Microsoft 365 Business Basic"])
    kind: PlanKind
    application_instance_id: str
    service_template_id: str
    vendor_id: str = Field(description="The account that sells it: the provider or a reseller")
    delegated_from_id: str | None = Field(description="The plan that this one is a reseller's copy of")
    resources: list[PlanResource]
    subscription_periods: list[SubscriptionPeriod]
    resource_rates: list[ResourceRate]
    subscription_count: int = Field(description="How many subscriptions of it the caller sees")


class ServicePlanList(APIModel):
    items: list[ServicePlan]
    next: Cursor


class ServicePlanQuery(PageQuery):
    application_instance: Annotated[
        TextId | None, Field(description="Only plans of this application instance")
    ] = None


class TargetViolation(APIModel):
    """Why no subscription of the plan can go to a target."""

    code: str = Field(examples=["no_upgrade_path"])
    detail: str
    remedy: str


class UpgradeTarget(APIModel):
    """A plan that subscriptions of another could be upgraded to, or could not."""

    id: str = Field(examples=["m365-business-premium"])
    name: str = Field(examples=["Microsoft 365 Business Premium"])
    application_instance_id: str
    vendor_id: str
    available: bool = Field(description="Whether subscriptions of the plan can go there at all")
    violations: list[TargetViolation] = Field(description="Why not, when they cannot")


class UpgradeTargetList(APIModel):
    items: list[UpgradeTarget]
    unavailable: list[UpgradeTarget] = Field(
        description="Plans of the same vendor that nothing can be upgraded to, with the reasons"
    )
    next: Cursor


class SubscriptionResource(PlanResource):
    """A resource of a subscription."""

    usage: int


class LatestUpgrade(APIModel):
    """The newest upgrade of a subscription."""

    id: RowId
    batch_id: RowId
    upgrade_status: UpgradeStatus
    source_service_plan_id: str
    target_service_plan_id: str
    changed_at: Timestamp


class Subscription(APIModel):
    """A customer's subscription of a plan."""

    id: str = Field(examples=["1000017"])
    account_id: str
    account_name: str = Field(description="The customer's name")
    service_plan_id: str
    service_plan_name: str
    status: SubscriptionStatus
    microsoft_subscription_id: str | None
    resources: list[SubscriptionResource]
    upgrade_status: UpgradeStatus | None = Field(description="Of the newest upgrade; null before the first")
    upgrade: LatestUpgrade | None
    created_at: Timestamp
    updated_at: Timestamp


class SubscriptionList(APIModel):
    items: list[Subscription]
    next: Cursor


def read_status_filter(value: Any) -> Any:
    """One error instead of one for each kind of value."""
    known = [*(status.value for status in UpgradeStatus), "none"]
    if value is not None and value not in known:
        raise ValueError(f"one of {', '.join(known)}")
    return value if value in (None, "none") else UpgradeStatus(value)


class SubscriptionQuery(PageQuery):
    service_plan: Annotated[TextId | None, Field(description="Only subscriptions of this plan")] = None
    upgrade_status: Annotated[
        UpgradeStatusFilter | None,
        BeforeValidator(read_status_filter),
        Field(description="Only those whose newest upgrade has this status; `none`: that never had one"),
    ] = None


class CatalogDocument(APIModel):
    """A catalog file. Entries with an id that is known change what is there; others are added."""

    application_instances: list[InstanceEntry] = Field(default=[])
    accounts: list[AccountEntry] = Field(default=[])
    service_templates: list[TemplateEntry] = Field(default=[])
    service_plans: list[PlanEntry] = Field(default=[])
    subscriptions: list[SubscriptionEntry] = Field(default=[])


class ImportCounts(APIModel):
    """What became of the entries of one collection."""

    created: int
    updated: int
    unchanged: int
    skipped: int = Field(description="Subscriptions in an upgrade keep their plan and resources as they are")


class CatalogAnswer(APIModel):
    """What an import did."""

    application_instances: ImportCounts
    accounts: ImportCounts
    service_templates: ImportCounts
    service_plans: ImportCounts
    subscriptions: ImportCounts
