"""Moves a subscription to its new plan, once Microsoft has finished its upgrade."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, select

from gateway.models import (
    PlanResource,
    ResourceKind,
    ResourceType,
    Subscription,
    SubscriptionResource,
    UpgradeStatus,
)
from gateway.partner_center import same_offer
from gateway.statements import Command, Prepared, PreparedForMany, Rows, Statements, among

log = logging.getLogger(__name__)


class PlanChange(NamedTuple):
    """What an upgrade has made of a subscription."""

    subscription_id: str
    target_plan_id: str
    target_offer_id: str | None
    """The offer that Microsoft sold."""
    quantity: int
    """Number of licenses at Microsoft."""
    microsoft_subscription_id: str
    upgrade_status: UpgradeStatus = UpgradeStatus.COMPLETED
    """What the upgrade ended as; written with the plan, it need not be written by the trigger again."""


def lock_of(subscription_ids: Sequence[str], *, wait: bool) -> Command:
    """Keeps others from changing them until the transaction ends; those with which that worked.

    :param wait: for who holds one now
    """
    return (_LOCK if wait else _TRY_LOCK), {"keys": subscription_ids}


def resources_of(changes: Sequence[PlanChange]) -> list[Command]:
    """What `Resources` must be told for these changes."""
    plan_ids = list({change.target_plan_id for change in changes})
    keys = [change.subscription_id for change in changes]
    return [(_PLANNED, {"keys": plan_ids}), (_HELD, {"keys": keys})]


class Resources:
    """What plans come with, and what subscriptions have."""

    def __init__(self, planned: Rows = (), held: Rows = ()) -> None:
        """:param planned: rows of the first command of `resources_of`, and of the second one"""
        self.planned: dict[str, list[_Planned]] = defaultdict(list)
        self.held: dict[str, list[_Held]] = defaultdict(list)
        for plan_id, *row in planned:
            self.planned[plan_id].append(_Planned(*row))
        for subscription_id, *row in held:
            self.held[subscription_id].append(_Held(*row))


def change_plans(
    statements: Statements, changes: Sequence[PlanChange], found: Resources, now: datetime
) -> None:
    """Give each subscription its target plan, and the resources of that plan.

    The license gets the quantity that Microsoft has; what is counted besides (kind `other`) keeps its limit
    and usage where the subscription had it; licenses and add-ons that were not bought get limit 0.

    :param found: the resources of these changes, and of others it may be
    """
    if not changes:
        return
    keys = [change.subscription_id for change in changes]
    resources = [
        resource
        for change in changes
        for resource in _resources(
            change, found.held[change.subscription_id], found.planned[change.target_plan_id]
        )
    ]
    statements.run(_DELETE, keys=keys)
    statements.run_many(_INSERT, resources)
    statements.run_many(_MOVE, [_moved(change, now) for change in changes])
    for change in changes:
        log.info("Plan changed: subscription=%s plan=%s", change.subscription_id, change.target_plan_id)


def _resources(
    change: PlanChange, before: Sequence[_Held], planned: Sequence[_Planned]
) -> Iterator[dict[str, object]]:
    """What a subscription of the target plan has."""
    bought = _bought_license(planned, change.target_offer_id)
    after = {r.resource_type_id: _limit_and_usage(r, before) for r in planned}
    if bought is not None:
        usage = min(_license_usage(before), change.quantity)
        after[bought.resource_type_id] = change.quantity, usage
    for resource_type_id, (limit, usage) in after.items():
        yield {
            "subscription_id": change.subscription_id,
            "resource_type_id": resource_type_id,
            "limit": limit,
            "usage": usage,
        }


def _moved(change: PlanChange, now: datetime) -> dict[str, object]:
    return {
        "id": change.subscription_id,
        "service_plan_id": change.target_plan_id,
        "microsoft_subscription_id": change.microsoft_subscription_id,
        "upgrade_status": change.upgrade_status.value,
        "updated_at": now,
    }


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


_LOCK, _TRY_LOCK = (
    Prepared(
        select(Subscription.id)
        .where(among(Subscription.id, "keys"))
        .order_by(Subscription.id)
        .with_for_update(skip_locked=skips)
    )
    for skips in (False, True)
)
_HELD = Prepared(
    select(
        SubscriptionResource.subscription_id,
        SubscriptionResource.resource_type_id,
        SubscriptionResource.limit,
        SubscriptionResource.usage,
        ResourceType.kind,
        ResourceType.key,
    )
    .join(ResourceType, ResourceType.id == SubscriptionResource.resource_type_id)
    .where(among(SubscriptionResource.subscription_id, "keys"))
)
_PLANNED = Prepared(
    select(
        PlanResource.service_plan_id,
        PlanResource.resource_type_id,
        PlanResource.limit,
        ResourceType.kind,
        ResourceType.key,
        ResourceType.offer_id,
    )
    .join(ResourceType, ResourceType.id == PlanResource.resource_type_id)
    .where(among(PlanResource.service_plan_id, "keys"))
    .order_by(PlanResource.resource_type_id)
)
_DELETE = Prepared(delete(SubscriptionResource).where(among(SubscriptionResource.subscription_id, "keys")))
_INSERT = PreparedForMany(
    SubscriptionResource.__table__,
    ("subscription_id", "resource_type_id", "limit", "usage"),
)
_MOVE = PreparedForMany(
    Subscription.__table__,
    ("service_plan_id", "microsoft_subscription_id", "upgrade_status", "updated_at"),
    key="id",
)
