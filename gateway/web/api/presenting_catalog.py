"""From rows to what the API says of the catalog."""

from __future__ import annotations

from gateway import models
from gateway.services.catalog_queries import PlanRow
from gateway.services.catalog_queries import UpgradeTarget as Target
from gateway.services.subscription_queries import SubscriptionRow
from gateway.web.api.schemas_catalog import (
    ApplicationInstance,
    LatestUpgrade,
    PlanResource,
    ResourceRate,
    ServicePlan,
    Subscription,
    SubscriptionPeriod,
    SubscriptionResource,
    TargetViolation,
    UpgradeTarget,
)


def present_instance(row: models.ApplicationInstance) -> ApplicationInstance:
    return ApplicationInstance(id=row.id, name=row.name)


def present_plan(row: PlanRow) -> ServicePlan:
    plan = row.plan
    return ServicePlan(
        id=plan.id,
        name=plan.name,
        kind=plan.kind,
        application_instance_id=plan.service_template.application_instance_id,
        service_template_id=plan.service_template_id,
        vendor_id=plan.vendor_id,
        delegated_from_id=plan.delegated_from_id,
        resources=[_plan_resource(resource) for resource in plan.resources],
        subscription_periods=[_period(period) for period in plan.subscription_periods],
        resource_rates=[_rate(rate) for rate in plan.resource_rates],
        subscription_count=row.subscriptions,
    )


def present_target(target: Target) -> UpgradeTarget:
    return UpgradeTarget(
        id=target.plan.id,
        name=target.plan.name,
        application_instance_id=target.plan.application_instance_id,
        vendor_id=target.plan.vendor_id,
        available=target.available,
        violations=[
            TargetViolation(code=each.code, detail=each.detail, remedy=each.remedy)
            for each in target.violations
        ],
    )


def present_subscription(row: SubscriptionRow) -> Subscription:
    subscription = row.subscription
    return Subscription(
        id=subscription.id,
        account_id=subscription.account_id,
        account_name=subscription.account.name,
        service_plan_id=subscription.service_plan_id,
        service_plan_name=subscription.service_plan.name,
        status=subscription.status,
        microsoft_subscription_id=subscription.microsoft_subscription_id,
        resources=[_subscription_resource(resource) for resource in subscription.resources],
        upgrade_status=row.upgrade_status,
        upgrade=_latest(row.upgrade) if row.upgrade else None,
        created_at=subscription.created_at,
        updated_at=subscription.updated_at,
    )


def _latest(upgrade: models.Upgrade) -> LatestUpgrade:
    return LatestUpgrade(
        id=upgrade.id,
        batch_id=upgrade.batch_id,
        upgrade_status=upgrade.status,
        source_service_plan_id=upgrade.source_plan_id,
        target_service_plan_id=upgrade.target_plan_id,
        changed_at=upgrade.changed_at,
    )


def _plan_resource(row: models.PlanResource) -> PlanResource:
    of = row.resource_type
    return PlanResource(
        resource_type_id=of.key, kind=of.kind, name=of.name, offer_id=of.offer_id, limit=row.limit
    )


def _subscription_resource(row: models.SubscriptionResource) -> SubscriptionResource:
    of = row.resource_type
    return SubscriptionResource(
        resource_type_id=of.key,
        kind=of.kind,
        name=of.name,
        offer_id=of.offer_id,
        limit=row.limit,
        usage=row.usage,
    )


def _period(row: models.SubscriptionPeriod) -> SubscriptionPeriod:
    return SubscriptionPeriod(
        months=row.months, setup_fee=row.setup_fee, recurring_fee=row.recurring_fee, currency=row.currency
    )


def _rate(row: models.ResourceRate) -> ResourceRate:
    return ResourceRate(
        resource_type_id=row.resource_type.key, recurring_fee=row.recurring_fee, currency=row.currency
    )
