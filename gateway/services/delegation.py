"""Delegation: a reseller gets a copy of a plan of the vendor above it, and sells that."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.models import Account, AccountType, PlanKind, ServicePlan
from gateway.services.administration import require_administrator
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Caller
from gateway.services.catalog.describing import describe_plan
from gateway.services.catalog.editing import CatalogEditing, InvalidEntryError
from gateway.services.catalog.errors import NOTHING, CatalogProblem, shown
from gateway.services.catalog_queries import CatalogQueries
from gateway.services.customer_management import CustomerManagement

log = logging.getLogger(__name__)


class DelegationRow(NamedTuple):
    """A reseller directly below the vendor of a plan, and the copy that it has."""

    reseller: Account
    copy: ServicePlan | None


class Delegation:
    """What one caller may delegate: the plans that it sees, one level down."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def list(self, plan: ServicePlan) -> Sequence[DelegationRow]:
        """Return the resellers directly below the plan's vendor, by name."""
        below = (
            select(Account)
            .where(Account.parent_id == plan.vendor_id, Account.type == AccountType.RESELLER)
            .order_by(Account.name, Account.id)
        )
        copies = {
            copy.vendor_id: copy
            for copy in self._db.scalars(select(ServicePlan).where(ServicePlan.delegated_from_id == plan.id))
        }
        return [DelegationRow(each, copies.get(each.id)) for each in self._db.scalars(below)]

    def delegate(self, plan_id: str, reseller_ids: Sequence[str], now: datetime) -> Sequence[ServicePlan]:
        """Copy a plan to resellers, with its resources, periods, rates and prices; all of them or none.

        :return: the copies
        :raises ServicePlanNotFoundError: if the plan does not exist for the caller
        :raises InvalidEntryError: if one of the resellers cannot have it
        """
        require_administrator(self._caller)
        editing = CatalogEditing(self._db)
        plan = CatalogQueries(self._db, self._caller).service_plan(plan_id).plan
        wanted = list(dict.fromkeys(reseller_ids))
        if not wanted:
            raise InvalidEntryError([CatalogProblem("resellers", NOTHING, "at least one reseller")])
        self._check(plan, wanted)
        original = describe_plan(plan)
        copies = []
        for reseller_id in wanted:
            copy_id = editing.new_id(ServicePlan, f"{plan.id}-{reseller_id}")
            copies.append(original | {"id": copy_id, "vendor": reseller_id, "delegated_from": plan.id})
        editing.save(ServicePlan, *copies, now=now)
        for copy in copies:
            Audit(self._db).record(
                AuditAction.SERVICE_PLAN_DELEGATED,
                self._caller.actor,
                now,
                account_id=copy["vendor"],
                subject=f"service plan {plan.name} ({plan.id})",
                detail=f"Delegated to {copy['vendor']} as {copy['id']}",
            )
        log.info("Service plan delegated: plan=%s resellers=%s", plan.id, ",".join(wanted))
        return [self._db.get_one(ServicePlan, copy["id"]) for copy in copies]

    def _check(self, plan: ServicePlan, reseller_ids: Sequence[str]) -> None:
        rows = {row.reseller.id: row for row in self.list(plan)}
        problems = []
        for reseller_id in reseller_ids:
            row = rows.get(reseller_id)
            if row is None:
                expected = f"a reseller directly below {plan.vendor.name}, whose plan it is"
                problems.append(CatalogProblem("resellers", shown(reseller_id), expected))
            elif row.copy is not None:
                expected = "a reseller that does not have this plan yet"
                problems.append(CatalogProblem("resellers", shown(row.reseller.name), expected))
            elif plan.kind is PlanKind.STANDARD:
                problems += CustomerManagement(self._db).problems_of_delegation(row.reseller, plan)
        if problems:
            raise InvalidEntryError(problems)
