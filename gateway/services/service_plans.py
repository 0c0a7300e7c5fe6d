"""Service plans: made and changed by the provider, priced by whoever sells them."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.models import PlanKind, ServicePlan, ServiceTemplate
from gateway.services.administration import require_administrator, require_provider_administrator
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Caller
from gateway.services.catalog.describing import describe_plan
from gateway.services.catalog.editing import (
    CatalogEditing,
    Entry,
    InvalidEntryError,
    require_unchanged,
)
from gateway.services.catalog.errors import NOTHING, CatalogProblem, shown
from gateway.services.catalog_queries import CatalogQueries
from gateway.services.service_templates import ServiceTemplates

log = logging.getLogger(__name__)


class ServicePlans:
    """What one caller may change of the plans that it sees."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def create(self, instance_id: str, draft: Entry, now: datetime) -> ServicePlan:
        """
        :param draft: a catalog entry without `id` and `vendor`
        :raises InvalidEntryError: if the catalog does not take it
        :raises ServiceTemplateNotFoundError: if the instance has no such template
        """
        require_provider_administrator(self._caller)
        template = ServiceTemplates(self._db, self._caller).get_one(instance_id, draft["service_template"])
        editing = CatalogEditing(self._db)
        if draft["kind"] == PlanKind.CUSTOMER_MANAGEMENT.value:
            self._require_plans_of(template.template)
        plan_id = editing.new_id(ServicePlan, str(draft["name"]))
        entry = draft | {"id": plan_id, "vendor": self._caller.account_id}
        _require_period(entry)
        editing.save(ServicePlan, entry, now=now)
        self._record(AuditAction.SERVICE_PLAN_CREATED, entry, _describe(entry), now)
        log.info("Service plan created: plan=%s kind=%s", plan_id, draft["kind"])
        return self._db.get_one(ServicePlan, plan_id)

    def change(self, plan_id: str, draft: Entry, *, seen: datetime | None, now: datetime) -> ServicePlan:
        """Save name and resources. A copy keeps the resources of its original, and changes its name alone.

        :raises ServicePlanNotFoundError: if it does not exist for the caller
        :raises ChangedMeanwhileError: if it was changed after `seen`
        :raises InvalidEntryError: if the catalog does not take it
        """
        plan, editing = self._open(plan_id, seen)
        changes = {"name": draft["name"]}
        if self.may_restructure(plan):
            changes["resources"] = draft["resources"]
        return self._save(editing, plan, changes, AuditAction.SERVICE_PLAN_CHANGED, now)

    def change_prices(
        self, plan_id: str, draft: Entry, *, seen: datetime | None, now: datetime
    ) -> ServicePlan:
        """Save subscription periods and resource rates; a copy keeps the periods of its original.

        :raises ServicePlanNotFoundError: if it does not exist for the caller
        :raises ChangedMeanwhileError: if it was changed after `seen`
        :raises InvalidEntryError: if the catalog does not take it
        """
        plan, editing = self._open(plan_id, seen)
        _require_period(draft)
        if not self.may_restructure(plan):
            _require_same_periods(plan, draft)
        changes = {name: draft[name] for name in ("subscription_periods", "resource_rates")}
        return self._save(editing, plan, changes, AuditAction.SERVICE_PLAN_PRICES_CHANGED, now)

    def may_restructure(self, plan: ServicePlan) -> bool:
        """Whether the caller decides what the plan consists of: the provider does, except of copies."""
        return self._caller.is_provider and plan.delegated_from_id is None

    def _open(self, plan_id: str, seen: datetime | None) -> tuple[ServicePlan, CatalogEditing]:
        require_administrator(self._caller)
        editing = CatalogEditing(self._db)
        plan = CatalogQueries(self._db, self._caller).service_plan(plan_id).plan
        require_unchanged(f"Service plan {plan.name}", seen, plan.updated_at)
        return plan, editing

    def _save(
        self, editing: CatalogEditing, plan: ServicePlan, changes: Entry, action: AuditAction, now: datetime
    ) -> ServicePlan:
        entry = describe_plan(plan) | changes
        editing.save(ServicePlan, entry, now=now)
        self._record(action, entry, _describe(changes), now)
        log.info("Service plan changed: plan=%s changes=%s", plan.id, ",".join(changes))
        return plan

    def _record(self, action: AuditAction, entry: Entry, detail: str, now: datetime) -> None:
        subject = f"service plan {entry['name']} ({entry['id']})"
        Audit(self._db).record(
            action, self._caller.actor, now, account_id=entry["vendor"], subject=subject, detail=detail
        )

    def _require_plans_of(self, template: ServiceTemplate) -> None:
        """A Customer Management plan stands on the template of the plans that resellers get.

        :raises InvalidEntryError: if no Office 365 plan is based on its template
        """
        of_template = select(ServicePlan.id).where(
            ServicePlan.service_template_id == template.id, ServicePlan.kind == PlanKind.STANDARD
        )
        if self._db.execute(of_template.limit(1)).first() is None:
            expected = (
                "the template of the Office 365 plans that are delegated to resellers;"
                " no Office 365 plan is based on this one"
            )
            raise InvalidEntryError([CatalogProblem("service_template", shown(template.name), expected)])


def _describe(changes: Entry) -> str:
    """What was written, in words."""
    periods = [
        f"{each['months']} months {each['setup_fee']} + {each['recurring_fee']} {each['currency']}"
        for each in changes.get("subscription_periods", ())
    ]
    rates = [
        f"{each['resource_type']} {each['recurring_fee']} {each['currency']}"
        for each in changes.get("resource_rates", ())
    ]
    words = {
        "Name": changes.get("name"),
        "Resources": ", ".join(f"{r['resource_type']} {r['limit']}" for r in changes.get("resources", ())),
        "Periods": ", ".join(periods),
        "Rates": ", ".join(rates),
    }
    return "; ".join(f"{name}: {value}" for name, value in words.items() if value)


def _require_period(entry: Entry) -> None:
    """:raises InvalidEntryError: if nobody could subscribe for any time"""
    if not entry["subscription_periods"]:
        raise InvalidEntryError([CatalogProblem("subscription_periods", NOTHING, "at least one period")])


def _require_same_periods(plan: ServicePlan, draft: Entry) -> None:
    """:raises InvalidEntryError: if a copy would get another period than its original, or lose one"""
    present = sorted(each.months for each in plan.subscription_periods)
    wanted = [each["months"] for each in draft["subscription_periods"]]
    if sorted(map(str, wanted)) != sorted(map(str, present)):
        months = ", ".join(map(str, present))
        expected = f"the periods of the plan that it is a copy of: {months} months"
        raise InvalidEntryError(
            [CatalogProblem("subscription_periods", shown(", ".join(map(str, wanted))), expected)]
        )
