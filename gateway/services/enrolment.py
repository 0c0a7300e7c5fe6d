"""The subscription of a reseller to a Customer Management plan, after which it may upgrade.

The Office 365 subdomain form asks for a new Microsoft account and a subdomain of it. Microsoft is asked
whether the subdomain is available, and nothing else: nothing is provisioned there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from gateway.errors import GatewayError
from gateway.models import Account, PlanKind, ServicePlan, ServiceTemplate, Subscription
from gateway.services.accounts import Accounts
from gateway.services.administration import require_administrator
from gateway.services.audit import Audit, AuditAction
from gateway.services.branch import sees_plan
from gateway.services.caller import Caller
from gateway.services.catalog.editing import CatalogEditing, Entry, InvalidEntryError, check_form
from gateway.services.catalog.errors import CatalogProblem, shown
from gateway.services.customer_management import CustomerManagement
from gateway.services.errors import ServicePlanNotFoundError

log = logging.getLogger(__name__)

NEW_ACCOUNT = "new_microsoft_account"
"""The choice *Sign up for a new Microsoft account* of the Office 365 subdomain form."""
MICROSOFT_DOMAIN = "onmicrosoft.com"
SUBDOMAIN = "office365_subdomain.subdomain"

AskDomain = Callable[[str, str], bool | None]
"""Asks Microsoft whether a domain is available, by the name of the instance; None when it could not."""


class DomainCheckUnavailableError(GatewayError):
    """Microsoft could not be asked, so nothing was done."""

    code = "domain_check_unavailable"


class SubdomainForm(NamedTuple):
    """The answers to the Office 365 subdomain form, as they were given."""

    choice: str
    subdomain: str

    @property
    def domain(self) -> str:
        return f"{self.subdomain.lower()}.{MICROSOFT_DOMAIN}"


class Enrolment:
    """Subscribes resellers below the one that asks."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def plans(self, reseller: Account) -> Sequence[ServicePlan]:
        """The Customer Management plans that the caller can subscribe a reseller to, by name."""
        query = (
            select(ServicePlan)
            .join(ServiceTemplate)
            .where(
                ServicePlan.kind == PlanKind.CUSTOMER_MANAGEMENT,
                ServicePlan.vendor_id.in_(list(_vendors_above(reseller))),
                sees_plan(self._caller),
            )
            .options(
                joinedload(ServicePlan.vendor),
                joinedload(ServicePlan.service_template).joinedload(ServiceTemplate.application_instance),
            )
            .order_by(ServicePlan.name, ServicePlan.id)
        )
        return self._db.scalars(query).all()

    def plan(self, reseller: Account, plan_id: str) -> ServicePlan:
        """:raises ServicePlanNotFoundError: if it is none of those"""
        for plan in self.plans(reseller):
            if plan.id == plan_id:
                return plan
        raise ServicePlanNotFoundError([plan_id])

    def check(self, reseller_id: str, plan_id: str, form: SubdomainForm, ask: AskDomain) -> None:
        """Everything that can be known before anything is written, the answer of Microsoft last of all.

        :raises AccountNotFoundError: if the reseller does not exist for the caller
        :raises ServicePlanNotFoundError: if the plan does not
        :raises InvalidEntryError: if a rule speaks against it, or the subdomain is taken
        :raises DomainCheckUnavailableError: if Microsoft could not be asked
        """
        require_administrator(self._caller)
        plan = self._check_rules(reseller_id, plan_id, form)
        instance = plan.service_template.application_instance.name
        available = ask(instance, form.domain)
        if available is None:
            raise DomainCheckUnavailableError(
                f"Partner Center of {instance} could not be asked whether {form.domain} is available;"
                " nothing was changed. Try again later"
            )
        if not available:
            expected = f"an available subdomain; {form.domain} exists at Microsoft"
            raise InvalidEntryError([CatalogProblem(SUBDOMAIN, shown(form.subdomain), expected)])

    def subscribe(self, reseller_id: str, plan_id: str, form: SubdomainForm, now: datetime) -> Subscription:
        """Write the subscription, for which Microsoft was asked before; the rules are looked at once more.

        :raises AccountNotFoundError, ServicePlanNotFoundError, InvalidEntryError: as `check` does
        """
        require_administrator(self._caller)
        editing = CatalogEditing(self._db)
        plan = self._check_rules(reseller_id, plan_id, form)
        subscription_id = editing.new_id(Subscription, f"{reseller_id}-customer-management")
        editing.save(Subscription, _entry(subscription_id, reseller_id, plan, form), now=now)
        Audit(self._db).record(
            AuditAction.RESELLER_SUBSCRIBED,
            self._caller.actor,
            now,
            account_id=reseller_id,
            subject=f"reseller {reseller_id}",
            detail=f"Subscription {subscription_id} to {plan.name} ({plan.id}), subdomain {form.domain}",
        )
        log.info(
            "Reseller subscribed: reseller=%s plan=%s subscription=%s", reseller_id, plan_id, subscription_id
        )
        return self._db.get_one(Subscription, subscription_id)

    def _check_rules(self, reseller_id: str, plan_id: str, form: SubdomainForm) -> ServicePlan:
        reseller = Accounts(self._db, self._caller).reseller(reseller_id)
        plan = self.plan(reseller, plan_id)
        check_form(Subscription, _entry("new", reseller_id, plan, form))
        problems = CustomerManagement(self._db).problems_of_enrolment(reseller, plan)
        taken = select(Subscription.id).where(func.lower(Subscription.subdomain) == form.subdomain.lower())
        if self._db.execute(taken.limit(1)).first() is not None:
            expected = "an available subdomain; another reseller has this one"
            problems.append(CatalogProblem(SUBDOMAIN, shown(form.subdomain), expected))
        if problems:
            raise InvalidEntryError(problems)
        return plan


def _entry(subscription_id: str, reseller_id: str, plan: ServicePlan, form: SubdomainForm) -> Entry:
    return {
        "id": subscription_id,
        "account": reseller_id,
        "service_plan": plan.id,
        "status": "active",
        "resources": [{"resource_type": r.resource_type.key, "limit": r.limit} for r in plan.resources],
        "office365_subdomain": {"choice": form.choice, "subdomain": form.subdomain.lower()},
    }


def _vendors_above(account: Account) -> Iterator[str]:
    parent = account.parent
    while parent is not None:
        yield parent.id
        parent = parent.parent
