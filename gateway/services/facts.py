"""Reads from the database what the rules of eligibility need to know, for many subscriptions at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import JSON, Row, Select, String, cast, func, select, type_coerce
from sqlalchemy.orm import Session

from gateway.models import (
    Account,
    PlanKind,
    PlanResource,
    ResourceKind,
    ResourceType,
    ServicePlan,
    ServiceTemplate,
    Subscription,
    SubscriptionResource,
    SubscriptionStatus,
)
from gateway.services.eligibility import PlanFacts, ResourceFacts, SubscriptionFacts
from gateway.services.keys import Listed, chunks, listed
from gateway.services.newest_upgrades import HAS_LIVE_UPGRADE
from gateway.services.upsert import is_postgresql

_RESOURCES = (
    select(
        func.aggregate_strings(
            cast(SubscriptionResource.resource_type_id, String)
            + ":"
            + cast(SubscriptionResource.limit, String),
            " ",
        )
    )
    .where(SubscriptionResource.subscription_id == Subscription.id)
    .correlate(Subscription)
    .scalar_subquery()
)
"""Such as `3:25 4:0`: resource types and limits, in any order."""


class FactsReader:
    """Facts as the session sees them now; whoever asks twice gets the newer ones.

    An upgrade that is about to start finds itself as the live one, and has to leave that rule out.
    """

    def __init__(self, db: Session) -> None:
        self._db = db

    def subscription(self, subscription_id: str) -> SubscriptionFacts | None:
        return next((facts for facts, _ in self.subscriptions([subscription_id])), None)

    def subscriptions(self, ids: Sequence[str]) -> list[tuple[SubscriptionFacts, list[int]]]:
        """What there is to know of them, and the places in `ids` of those of whom it is true.

        The database brings those together that are alike: of very many, few are unlike all others.
        """
        places: defaultdict[tuple[str, str, bool, bool, bool, _Resources], list[int]] = defaultdict(list)
        for *facts, resources, alike in self._db.execute(self._alike(listed(self._db, ids))):
            places[*facts, _resources(resources)] += alike
        plans = self._plan_rows({plan_id for _, plan_id, *_ in places})
        types = self._types({type_id for *_, resources in places for type_id, _ in resources})
        return [
            (
                SubscriptionFacts(
                    status=SubscriptionStatus(status),
                    kind=plans[plan_id].kind,
                    service_plan_id=plan_id,
                    application_instance_id=plans[plan_id].application_instance_id,
                    vendor_id=plans[plan_id].vendor_id,
                    has_microsoft_subscription=bool(has_microsoft_subscription),
                    has_microsoft_tenant=bool(has_microsoft_tenant),
                    has_live_upgrade=bool(has_live_upgrade),
                    resources=tuple(ResourceFacts(*types[type_id], limit) for type_id, limit in resources),
                ),
                alike,
            )
            for (
                status,
                plan_id,
                has_microsoft_subscription,
                has_microsoft_tenant,
                has_live_upgrade,
                resources,
            ), alike in places.items()
        ]

    def _alike(self, asked: Listed) -> Select[*tuple[Any, ...]]:
        found = (
            select(
                type_coerce(Subscription.status, String).label("status"),
                Subscription.service_plan_id.label("plan_id"),
                (func.coalesce(Subscription.microsoft_subscription_id, "") != "").label("has_subscription"),
                (func.coalesce(Account.microsoft_tenant_id, "") != "").label("has_tenant"),
                HAS_LIVE_UPGRADE.label("is_live"),
                _RESOURCES.label("resources"),
                asked.place.label("place"),
            )
            .join_from(Subscription, Account, Account.id == Subscription.account_id)
            .where(Subscription.id == asked.key)
            .subquery()
        )
        *alike, place = found.c
        together = func.json_agg if is_postgresql(self._db) else func.json_group_array
        return select(*alike, together(place, type_=JSON)).group_by(*alike)

    def plan(self, plan_id: str) -> PlanFacts | None:
        return self.plans([plan_id]).get(plan_id)

    def plans(self, ids: Collection[str]) -> dict[str, PlanFacts]:
        """The facts of those that exist, by id, in the order that was asked for."""
        found: dict[str, PlanFacts] = {}
        for chunk in chunks(list(ids)):
            found |= self._plans(chunk)
        return {key: found[key] for key in ids if key in found}

    def _plans(self, ids: Collection[str]) -> dict[str, PlanFacts]:
        resources = self._plan_resources(ids)
        return {
            plan.id: PlanFacts(
                id=plan.id,
                name=plan.name,
                kind=plan.kind,
                application_instance_id=plan.application_instance_id,
                vendor_id=plan.vendor_id,
                resources=tuple(resources[plan.id]),
            )
            for plan in self._plan_rows(ids).values()
        }

    def _plan_rows(self, ids: Collection[str]) -> dict[str, Row[str, str, PlanKind, str, str]]:
        query = (
            select(
                ServicePlan.id,
                ServicePlan.name,
                ServicePlan.kind,
                ServicePlan.vendor_id,
                ServiceTemplate.application_instance_id,
            )
            .join(ServiceTemplate, ServiceTemplate.id == ServicePlan.service_template_id)
            .where(ServicePlan.id.in_(ids))
        )
        return {row.id: row for row in self._db.execute(query)}

    def _plan_resources(self, ids: Collection[str]) -> dict[str, list[ResourceFacts]]:
        query = select(PlanResource.service_plan_id, PlanResource.resource_type_id, PlanResource.limit).where(
            PlanResource.service_plan_id.in_(ids)
        )
        return self._resources(self._db.execute(query))

    def _resources(self, rows: Iterable[tuple[str, int, int]]) -> dict[str, list[ResourceFacts]]:
        """Give each owner its resources; rows are owner, resource type and limit.

        Types are few beside the rows, so that each is read once, and equal facts are one object.
        """
        ordered = sorted(rows)
        types = self._types({type_id for _, type_id, _ in ordered})
        known: dict[tuple[int, int], ResourceFacts] = {}
        found: defaultdict[str, list[ResourceFacts]] = defaultdict(list)
        for owner, type_id, limit in ordered:
            if (type_id, limit) not in known:
                known[type_id, limit] = ResourceFacts(*types[type_id], limit)
            found[owner].append(known[type_id, limit])
        return found

    def _types(self, ids: Collection[int]) -> dict[int, tuple[str, str, ResourceKind, str | None]]:
        columns = ResourceType.key, ResourceType.name, ResourceType.kind, ResourceType.offer_id
        found: dict[int, tuple[str, str, ResourceKind, str | None]] = {}
        for chunk in chunks(sorted(ids)):
            for row in self._db.execute(select(ResourceType.id, *columns).where(ResourceType.id.in_(chunk))):
                found[row.id] = (row.key, row.name, row.kind, row.offer_id)
        return found


_Resources = tuple[tuple[int, int], ...]


def _resources(text: str | None) -> _Resources:
    """Ids of types and limits, as `_RESOURCES` writes them, in one order."""
    pairs = (pair.split(":") for pair in (text or "").split())
    return tuple(sorted((int(type_id), int(limit)) for type_id, limit in pairs))
