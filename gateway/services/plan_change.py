"""Moves a subscription to its new plan, once Microsoft has finished its upgrade."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gateway.models import (
    PlanResource,
    ResourceKind,
    ResourceType,
    Subscription,
    SubscriptionResource,
    Upgrade,
)
from gateway.partner_center import same_offer

log = logging.getLogger(__name__)


def change_plan(
    db: Session, upgrade: Upgrade, *, quantity: int, microsoft_subscription_id: str, now: datetime
) -> None:
    """Give the subscription the target plan, and the resources of that plan.

    The license gets the quantity that Microsoft has; what is counted besides (kind `other`) keeps its limit
    and usage where the subscription had it; licenses and add-ons that were not bought get limit 0.

    :param quantity: number of licenses at Microsoft
    """
    subscription = db.get_one(Subscription, upgrade.subscription_id, with_for_update=True)
    before = _resources_before(db, subscription.id)
    planned = _resources_planned(db, upgrade.target_plan_id)
    bought = _bought_license(planned, upgrade.target_offer_id)
    db.execute(delete(SubscriptionResource).where(SubscriptionResource.subscription_id == subscription.id))
    for resource in planned:
        limit, usage = _limit_and_usage(resource, before)
        if resource is bought:
            limit, usage = quantity, min(_license_usage(before), quantity)
        db.add(
            SubscriptionResource(
                subscription_id=subscription.id,
                resource_type_id=resource.resource_type_id,
                limit=limit,
                usage=usage,
            )
        )
    subscription.service_plan_id = upgrade.target_plan_id
    subscription.microsoft_subscription_id = microsoft_subscription_id
    subscription.updated_at = now
    db.flush()
    db.expire(subscription, ["resources", "service_plan"])
    log.info("Plan changed: subscription=%s plan=%s", subscription.id, upgrade.target_plan_id)


_Before = Sequence[tuple[SubscriptionResource, ResourceType]]


def _resources_before(db: Session, subscription_id: str) -> _Before:
    query = (
        select(SubscriptionResource, ResourceType)
        .join(ResourceType, ResourceType.id == SubscriptionResource.resource_type_id)
        .where(SubscriptionResource.subscription_id == subscription_id)
    )
    rows = db.execute(query).all()
    for resource, _ in rows:
        db.expunge(resource)  # The rows are replaced, and these are what we remember of them.
    return rows


def _resources_planned(db: Session, plan_id: str) -> Sequence[PlanResource]:
    query = select(PlanResource).where(PlanResource.service_plan_id == plan_id)
    return db.scalars(query.order_by(PlanResource.resource_type_id)).all()


def _bought_license(planned: Sequence[PlanResource], offer_id: str | None) -> PlanResource | None:
    """The license of the offer that Microsoft sold; the only one where the plan names another offer now."""
    licenses = [resource for resource in planned if resource.resource_type.kind is ResourceKind.LICENSE]
    for resource in licenses:
        if offer_id and same_offer(resource.resource_type.offer_id or "", offer_id):
            return resource
    return licenses[0] if len(licenses) == 1 else None


def _limit_and_usage(resource: PlanResource, before: _Before) -> tuple[int, int]:
    planned = resource.resource_type
    if planned.kind is not ResourceKind.OTHER:
        return 0, 0
    for old, of in before:
        if (of.kind, of.key) == (planned.kind, planned.key):  # Plans of two templates have the key in common.
            return old.limit, old.usage
    return resource.limit, 0


def _license_usage(before: _Before) -> int:
    used = [old.usage for old, of in before if of.kind is ResourceKind.LICENSE and old.limit != 0]
    return max(used, default=0)
