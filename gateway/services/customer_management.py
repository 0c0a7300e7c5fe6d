"""The rule that binds a Customer Management plan to the plans of the reseller that is subscribed to it.

The plan is based on the same service template as the Office 365 plans that are delegated to the reseller.
Both ways into that state are watched: the subscription of a reseller that has plans, and the delegation of
the first plan to a reseller that is subscribed.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.models import (
    Account,
    ApplicationInstance,
    PlanKind,
    ServicePlan,
    ServiceTemplate,
    Subscription,
    SubscriptionStatus,
)
from gateway.services.catalog.errors import CatalogProblem, shown

GONE = (SubscriptionStatus.DELETED, SubscriptionStatus.EXPIRED)


class CustomerManagement:
    """What resellers have of an application instance: templates of plans, and subscriptions."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def problems_of_enrolment(self, reseller: Account, plan: ServicePlan) -> list[CatalogProblem]:
        """What speaks against subscribing a reseller to a Customer Management plan."""
        present = self.subscription(reseller.id, plan.service_template.application_instance_id)
        if present is not None:
            expected = f"a reseller without one; subscription {present.id} is {present.status.value}"
            return [CatalogProblem("service_plan", shown(plan.name), expected)]
        templates = self._templates(reseller.id, plan.service_template.application_instance_id)
        if not templates or plan.service_template in templates:
            return []
        names = ", ".join(each.name for each in templates)
        expected = (
            f"a plan based on the same service template as the plans delegated to {reseller.name}: {names}"
        )
        return [
            CatalogProblem("service_plan", shown(f"{plan.name} ({plan.service_template.name})"), expected)
        ]

    def problems_of_delegation(self, reseller: Account, plan: ServicePlan) -> list[CatalogProblem]:
        """What speaks against delegating a plan to a reseller; once it has one that fits, nothing does."""
        instance_id = plan.service_template.application_instance_id
        present = self.subscription(reseller.id, instance_id)
        if present is None or self._templates(reseller.id, instance_id):
            return []
        template = present.service_plan.service_template
        if template is plan.service_template:
            return []
        expected = (
            f"a plan based on service template {template.name}, as the Office 365 Customer Management plan"
            f" is to which {reseller.name} is subscribed"
        )
        return [CatalogProblem("resellers", shown(f"{plan.name} ({plan.service_template.name})"), expected)]

    def subscription(self, reseller_id: str, instance_id: str) -> Subscription | None:
        """The reseller's subscription to a Customer Management plan of the instance, unless it is gone."""
        query = (
            select(Subscription)
            .join(ServicePlan, ServicePlan.id == Subscription.service_plan_id)
            .join(ServiceTemplate, ServiceTemplate.id == ServicePlan.service_template_id)
            .where(
                Subscription.account_id == reseller_id,
                Subscription.status.not_in(GONE),
                ServicePlan.kind == PlanKind.CUSTOMER_MANAGEMENT,
                ServiceTemplate.application_instance_id == instance_id,
            )
        )
        return self._db.scalars(query.order_by(Subscription.id).limit(1)).first()

    def instances_by_reseller(self) -> dict[str, list[str]]:
        """The names of the instances for which resellers have an active subscription, by reseller."""
        plans = (
            select(ServicePlan.id, ApplicationInstance.name)
            .join(ServiceTemplate, ServiceTemplate.id == ServicePlan.service_template_id)
            .join(ApplicationInstance, ApplicationInstance.id == ServiceTemplate.application_instance_id)
            .where(ServicePlan.kind == PlanKind.CUSTOMER_MANAGEMENT)
        )
        instance_of = dict(self._db.execute(plans).all())
        # The plans by their ids, or SQLite would look at every subscription there is.
        query = select(Subscription.account_id, Subscription.service_plan_id).where(
            Subscription.service_plan_id.in_(instance_of), Subscription.status == SubscriptionStatus.ACTIVE
        )
        managed = {(reseller_id, instance_of[plan_id]) for reseller_id, plan_id in self._db.execute(query)}
        found: dict[str, list[str]] = {}
        for reseller_id, name in sorted(managed):
            found.setdefault(reseller_id, []).append(name)
        return found

    def _templates(self, reseller_id: str, instance_id: str) -> Sequence[ServiceTemplate]:
        """Of the Office 365 plans that the reseller sells."""
        query = (
            select(ServiceTemplate)
            .join(ServicePlan, ServicePlan.service_template_id == ServiceTemplate.id)
            .where(
                ServicePlan.vendor_id == reseller_id,
                ServicePlan.kind == PlanKind.STANDARD,
                ServiceTemplate.application_instance_id == instance_id,
            )
            .distinct()
            .order_by(ServiceTemplate.name)
        )
        return self._db.scalars(query).all()
