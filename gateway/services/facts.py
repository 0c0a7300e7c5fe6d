"""Reads from the database what the rules of eligibility need to know, for many subscriptions at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from gateway.models import (
    LIVE,
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
    Upgrade,
)
from gateway.services.eligibility import PlanFacts, ResourceFacts, SubscriptionFacts
from gateway.services.keys import among, chunks

_SUBSCRIPTION = (
    select(
        Subscription.id,
        Subscription.status,
        Subscription.service_plan_id,
        Subscription.microsoft_subscription_id,
        Account.microsoft_tenant_id,
        ServicePlan.kind,
        ServicePlan.vendor_id,
        ServiceTemplate.application_instance_id,
    )
    .join(Account, Account.id == Subscription.account_id)
    .join(ServicePlan, ServicePlan.id == Subscription.service_plan_id)
    .join(ServiceTemplate, ServiceTemplate.id == ServicePlan.service_template_id)
)

_SubscriptionRow = Row[str, SubscriptionStatus, str, str | None, str | None, PlanKind, str, str]


class FactsReader:
    """Facts as the session sees them now; whoever asks twice gets the newer ones.

    An upgrade that is about to start finds itself as the live one, and has to leave that rule out.
    """

    def __init__(self, db: Session) -> None:
        self._db = db

    def subscriptions(self, ids: Collection[str]) -> dict[str, SubscriptionFacts]:
        """The facts of those that exist, by id, in the order that was asked for."""
        found: dict[str, SubscriptionFacts] = {}
        for chunk in chunks(list(ids)):
            resources = self._subscription_resources(chunk)
            live = self._live(chunk)
            for row in self._db.execute(_SUBSCRIPTION.where(among(self._db, Subscription.id, chunk))):
                found[row.id] = _subscription_facts(row, row.id in live, tuple(resources[row.id]))
        return {key: found[key] for key in ids if key in found}

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
        return {
            row.id: PlanFacts(
                id=row.id,
                name=row.name,
                kind=row.kind,
                application_instance_id=row.application_instance_id,
                vendor_id=row.vendor_id,
                resources=tuple(resources[row.id]),
            )
            for row in self._db.execute(query)
        }

    def _live(self, ids: Collection[str]) -> set[str]:
        query = select(Upgrade.subscription_id).where(
            among(self._db, Upgrade.subscription_id, ids), Upgrade.status.in_(LIVE)
        )
        return set(self._db.scalars(query))

    def _subscription_resources(self, ids: Collection[str]) -> dict[str, list[ResourceFacts]]:
        query = select(
            SubscriptionResource.subscription_id,
            SubscriptionResource.resource_type_id,
            SubscriptionResource.limit,
        ).where(among(self._db, SubscriptionResource.subscription_id, ids))
        return self._resources(self._db.execute(query))

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


def _subscription_facts(
    row: _SubscriptionRow, has_live_upgrade: bool, resources: tuple[ResourceFacts, ...]
) -> SubscriptionFacts:
    return SubscriptionFacts(
        id=row.id,
        status=row.status,
        kind=row.kind,
        service_plan_id=row.service_plan_id,
        application_instance_id=row.application_instance_id,
        vendor_id=row.vendor_id,
        microsoft_subscription_id=row.microsoft_subscription_id,
        microsoft_tenant_id=row.microsoft_tenant_id,
        has_live_upgrade=has_live_upgrade,
        resources=resources,
    )
