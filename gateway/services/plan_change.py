"""Moves a subscription to its new plan, once Microsoft has finished its upgrade."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update

from gateway.models import PlanResource, ResourceKind, ResourceType, Subscription, SubscriptionResource
from gateway.partner_center import same_offer
from gateway.statements import Prepared, Statements

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlanChange:
    """What an upgrade has made of a subscription."""

    subscription_id: str
    target_plan_id: str
    target_offer_id: str | None
    """The offer that Microsoft sold."""
    quantity: int
    """Number of licenses at Microsoft."""
    microsoft_subscription_id: str


def lock_subscription(statements: Statements, subscription_id: str, *, wait: bool) -> bool:
    """Keep others from changing the subscription until the transaction ends; whether that worked.

    :param wait: for one who holds it now. SQLite has one writer at a time, who holds everything.
    """
    if statements.is_sqlite:
        return True
    return bool(statements.rows(_LOCK if wait else _TRY_LOCK, id=subscription_id))


def change_plan(statements: Statements, change: PlanChange, now: datetime) -> None:
    """Give the subscription the target plan, and the resources of that plan.

    The license gets the quantity that Microsoft has; what is counted besides (kind `other`) keeps its limit
    and usage where the subscription had it; licenses and add-ons that were not bought get limit 0.
    """
    before = [_Held(*row) for row in statements.rows(_HELD, id=change.subscription_id)]
    planned = [_Planned(*row) for row in statements.rows(_PLANNED, id=change.target_plan_id)]
    bought = _bought_license(planned, change.target_offer_id)
    after = {r.resource_type_id: _limit_and_usage(r, before) for r in planned}
    if bought is not None:
        usage = min(_license_usage(before), change.quantity)
        after[bought.resource_type_id] = change.quantity, usage
    _replace_resources(statements, change.subscription_id, before, after)
    subscription = {
        "key": change.subscription_id,
        "service_plan_id": change.target_plan_id,
        "microsoft_subscription_id": change.microsoft_subscription_id,
        "updated_at": now,
    }
    statements.run(_MOVE, subscription)
    log.info("Plan changed: subscription=%s plan=%s", change.subscription_id, change.target_plan_id)


class _Held(NamedTuple):
    resource_type_id: int
    limit: int
    usage: int
    kind: ResourceKind
    key: str


class _Planned(NamedTuple):
    resource_type_id: int
    limit: int
    kind: ResourceKind
    key: str
    offer_id: str | None


def _replace_resources(
    statements: Statements, subscription_id: str, before: Iterable[_Held], after: dict[int, tuple[int, int]]
) -> None:
    if before:
        statements.run(_DELETE, {"id": subscription_id})
    rows: list[dict[str, Any]] = [
        {"subscription_id": subscription_id, "resource_type_id": i, "limit": limit, "usage": usage}
        for i, (limit, usage) in after.items()
    ]
    statements.run_many(_INSERT, rows)


def _bought_license(planned: Sequence[_Planned], offer_id: str | None) -> _Planned | None:
    """The license of the offer that Microsoft sold; the only one where the plan names another offer now."""
    licenses = [resource for resource in planned if resource.kind is ResourceKind.LICENSE]
    for resource in licenses:
        if offer_id and same_offer(resource.offer_id or "", offer_id):
            return resource
    return licenses[0] if len(licenses) == 1 else None


def _limit_and_usage(resource: _Planned, before: Iterable[_Held]) -> tuple[int, int]:
    if resource.kind is not ResourceKind.OTHER:
        return 0, 0
    for old in before:
        if (old.kind, old.key) == (resource.kind, resource.key):  # Two templates have the key in common.
            return old.limit, old.usage
    return resource.limit, 0


def _license_usage(before: Iterable[_Held]) -> int:
    return max((r.usage for r in before if r.kind is ResourceKind.LICENSE and r.limit != 0), default=0)


_ID = bindparam("id", type_=Subscription.id.type)
_LOCK = Prepared(select(Subscription.id).where(Subscription.id == _ID).with_for_update())
_TRY_LOCK = Prepared(select(Subscription.id).where(Subscription.id == _ID).with_for_update(skip_locked=True))
_HELD = Prepared(
    select(
        SubscriptionResource.resource_type_id,
        SubscriptionResource.limit,
        SubscriptionResource.usage,
        ResourceType.kind,
        ResourceType.key,
    )
    .join(ResourceType, ResourceType.id == SubscriptionResource.resource_type_id)
    .where(SubscriptionResource.subscription_id == _ID)
)
_PLANNED = Prepared(
    select(
        PlanResource.resource_type_id,
        PlanResource.limit,
        ResourceType.kind,
        ResourceType.key,
        ResourceType.offer_id,
    )
    .join(ResourceType, ResourceType.id == PlanResource.resource_type_id)
    .where(PlanResource.service_plan_id == _ID)
    .order_by(PlanResource.resource_type_id)
)
_DELETE = Prepared(delete(SubscriptionResource).where(SubscriptionResource.subscription_id == _ID))
_INSERT = Prepared(
    insert(SubscriptionResource), columns=("subscription_id", "resource_type_id", "limit", "usage")
)
_MOVE = Prepared(
    update(Subscription).where(Subscription.id == bindparam("key", type_=Subscription.id.type)),
    columns=("service_plan_id", "microsoft_subscription_id", "updated_at"),
)
