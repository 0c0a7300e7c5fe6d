"""Reads what is sold: application instances, service plans, and where their subscriptions may go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from gateway.models import ApplicationInstance, ServicePlan, ServiceTemplate, Subscription
from gateway.services.branch import sees_plan, sees_subscription
from gateway.services.caller import Caller
from gateway.services.eligibility import PlanFacts, Violation, describe_target
from gateway.services.errors import ApplicationInstanceNotFoundError, ServicePlanNotFoundError
from gateway.services.facts import FactsReader
from gateway.services.keys import is_text_id
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, page_of, text_cursor
from gateway.services.upgrade_paths import UpgradePaths
from gateway.statements import Prepared, Statements


class PlanRow(NamedTuple):
    """A plan with its vendor, template, resources, periods and rates, and how many subscribe to it."""

    plan: ServicePlan
    subscriptions: int


class UpgradeTarget(NamedTuple):
    """A plan to which subscriptions of another may go, or why none of them may."""

    plan: PlanFacts
    violations: tuple[Violation, ...]

    @property
    def available(self) -> bool:
        return not self.violations


class CatalogQueries:
    """What one caller may read of the catalog."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def application_instances(self) -> Sequence[ApplicationInstance]:
        """All instances of which the caller sees a plan or a subscription, by name; they are few."""
        sold = select(ServicePlan.service_template_id).where(sees_plan(self._caller))
        of_plan = Subscription.service_plan_id == ServicePlan.id, sees_subscription(self._caller)
        used = select(ServicePlan.service_template_id).where(exists(select(Subscription.id).where(*of_plan)))
        templates = or_(ServiceTemplate.id.in_(sold), ServiceTemplate.id.in_(used))
        query = select(ApplicationInstance).order_by(ApplicationInstance.name)
        if not self._caller.is_provider:
            seen = select(ServiceTemplate.application_instance_id).where(templates)
            query = query.where(ApplicationInstance.id.in_(seen))
        return self._db.scalars(query).all()

    def application_instance(self, instance_id: str) -> ApplicationInstance:
        """:raises ApplicationInstanceNotFoundError: if it does not exist for the caller"""
        for instance in self.application_instances():
            if instance.id == instance_id:
                return instance
        raise ApplicationInstanceNotFoundError([instance_id])

    def service_plans(
        self,
        application_instance_id: str | None = None,
        *,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page[PlanRow]:
        """Return plans by their ids.

        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        query = select(ServicePlan).where(sees_plan(self._caller)).options(*_SHOWN)
        if application_instance_id is not None:
            instance_id = application_instance_id if is_text_id(application_instance_id) else ""
            query = query.join(ServiceTemplate).where(ServiceTemplate.application_instance_id == instance_id)
        if (after := text_cursor(cursor)) is not None:
            query = query.where(ServicePlan.id > after)
        plans = self._db.scalars(query.order_by(ServicePlan.id).limit(checked_limit(limit) + 1)).all()
        page = page_of(plans, limit, lambda plan: plan.id)
        counts = self._count_subscriptions([plan.id for plan in page.items])
        return Page([PlanRow(plan, counts.get(plan.id, 0)) for plan in page.items], page.next_cursor)

    def service_plan(self, plan_id: str) -> PlanRow:
        """:raises ServicePlanNotFoundError: if it does not exist for the caller"""
        plan = self.plan(plan_id)
        return PlanRow(plan, self._count_subscriptions([plan_id]).get(plan_id, 0))

    def plan(self, plan_id: str) -> ServicePlan:
        """A plan without the count, which takes time where there are many.

        :raises ServicePlanNotFoundError: if it does not exist for the caller
        """
        query = select(ServicePlan).where(ServicePlan.id == plan_id, sees_plan(self._caller))
        plan = self._db.scalar(query.options(*_SHOWN)) if is_text_id(plan_id) else None
        if plan is None:
            raise ServicePlanNotFoundError([plan_id])
        return plan

    def instance_of(self, plan_id: str) -> str:
        """The application instance that a plan belongs to.

        :raises ServicePlanNotFoundError: if the plan does not exist for the caller
        """
        for instance_id, vendor_id in self._plan_key(plan_id):
            if self._caller.sees(vendor_id):
                return instance_id
        raise ServicePlanNotFoundError([plan_id])

    def upgrade_targets(self, plan_id: str, paths: UpgradePaths, now: datetime) -> Sequence[UpgradeTarget]:
        """Return the other plans of the same vendor and instance, by name, with what speaks against each.

        :raises ServicePlanNotFoundError: if the plan does not exist for the caller
        """
        plan = self.plan(plan_id)
        instance_id = plan.service_template.application_instance_id
        siblings = (
            select(ServicePlan.id)
            .join(ServiceTemplate)
            .where(
                ServicePlan.vendor_id == plan.vendor_id,
                ServiceTemplate.application_instance_id == instance_id,
                ServicePlan.id != plan_id,
            )
            .order_by(ServicePlan.name, ServicePlan.id)
        )
        facts = FactsReader(self._db).plans([plan_id, *self._db.scalars(siblings)])
        source = facts.pop(plan_id)
        offers = _target_offer_ids(source, paths, now)
        return [UpgradeTarget(target, describe_target(source, target, offers)) for target in facts.values()]

    def _plan_key(self, plan_id: str) -> Sequence[tuple[str, str]]:
        statements = Statements(self._db.connection())
        return statements.rows(_PLAN_KEY, plan_id=plan_id) if is_text_id(plan_id) else []

    def _count_subscriptions(self, plan_ids: Sequence[str]) -> dict[str, int]:
        query = (
            select(Subscription.service_plan_id, func.count().label("found"))
            .where(Subscription.service_plan_id.in_(plan_ids), sees_subscription(self._caller))
            .group_by(Subscription.service_plan_id)
        )
        return {row.service_plan_id: row.found for row in self._db.execute(query)}


def _target_offer_ids(source: PlanFacts, paths: UpgradePaths, now: datetime) -> frozenset[str] | None:
    if source.license is None or source.license.offer_id is None:
        return None
    return paths.target_offer_ids(source.application_instance_id, source.license.offer_id, now)


_PLAN_KEY = Prepared(
    select(ServiceTemplate.application_instance_id, ServicePlan.vendor_id)
    .join(ServicePlan, ServicePlan.service_template_id == ServiceTemplate.id)
    .where(ServicePlan.id == bindparam("plan_id"))
)

_SHOWN: tuple[ORMOption, ...] = (
    joinedload(ServicePlan.vendor, innerjoin=True),
    joinedload(ServicePlan.service_template, innerjoin=True).joinedload(
        ServiceTemplate.application_instance, innerjoin=True
    ),
    selectinload(ServicePlan.resources),
    selectinload(ServicePlan.subscription_periods),
    selectinload(ServicePlan.resource_rates),
)
