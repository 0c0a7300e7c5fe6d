"""Moves a subscription to its new plan, once Microsoft has finished its upgrade."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update

from gateway.models import PlanResource, ResourceKind, ResourceType, Subscription, SubscriptionResource
from gateway.partner_center import same_offer
from gateway.statements import Command, Prepared, Statements

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


def lock_subscriptions(
    statements: Statements, subscription_ids: Sequence[str], *, wait: bool
) -> frozenset[str]:
    """Keep others from changing them until the transaction ends; those with which that worked.

    :param wait: for who holds one now. SQLite has one writer at a time, who holds everything.
    """
    if statements.is_sqlite:
        return frozenset(subscription_ids)
    lock = _LOCK if wait else _TRY_LOCK
    answers = statements.each([(lock, {"id": key}) for key in sorted(subscription_ids)])
    return frozenset(row[0] for rows in answers for row in rows)


def change_plans(statements: Statements, changes: Sequence[PlanChange], now: datetime) -> None:
    """Give each subscription its target plan, and the resources of that plan.

    The license gets the quantity that Microsoft has; what is counted besides (kind `other`) keeps its limit
    and usage where the subscription had it; licenses and add-ons that were not bought get limit 0.
    """
    plan_ids = list({change.target_plan_id for change in changes})
    answers = statements.each(
        [(_PLANNED, {"id": key}) for key in plan_ids]
        + [(_HELD, {"id": change.subscription_id}) for change in changes]
    )
    planned = {key: [_Planned(*row) for row in rows] for key, rows in zip(plan_ids, answers, strict=False)}
    held = [[_Held(*row) for row in rows] for rows in answers[len(plan_ids) :]]
    statements.each(
        [
            command
            for change, before in zip(changes, held, strict=True)
            for command in _commands(change, before, planned[change.target_plan_id], now)
        ]
    )
    for change in changes:
        log.info("Plan changed: subscription=%s plan=%s", change.subscription_id, change.target_plan_id)


def _commands(
    change: PlanChange, before: Sequence[_Held], planned: Sequence[_Planned], now: datetime
) -> Iterator[Command]:
    """What makes a subscription one of the target plan."""
    bought = _bought_license(planned, change.target_offer_id)
    after = {r.resource_type_id: _limit_and_usage(r, before) for r in planned}
    if bought is not None:
        usage = min(_license_usage(before), change.quantity)
        after[bought.resource_type_id] = change.quantity, usage
    key = change.subscription_id
    yield _DELETE, {"id": key}
    for resource_type_id, (limit, usage) in after.items():
        yield (
            _INSERT,
            {"subscription_id": key, "resource_type_id": resource_type_id, "limit": limit, "usage": usage},
        )
    subscription = {
        "service_plan_id": change.target_plan_id,
        "microsoft_subscription_id": change.microsoft_subscription_id,
        "updated_at": now,
    }
    yield _MOVE, {**subscription, "key": key}


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
