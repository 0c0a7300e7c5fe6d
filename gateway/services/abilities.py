"""Who may upgrade: the role, and for a reseller the subscription to a Customer Management plan."""

from __future__ import annotations

from sqlalchemy import Select, select
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
from gateway.services.caller import Caller
from gateway.services.errors import CustomerManagementRequiredError, RoleNotSufficientError


class Abilities:
    """What callers may do with the upgrades that they see."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def require_upgrade(self, caller: Caller, application_instance_id: str) -> None:
        """Let those pass who may schedule and cancel upgrades of the instance.

        :raises RoleNotSufficientError: if the role only reads
        :raises CustomerManagementRequiredError: if a reseller is not subscribed to Customer Management
        """
        self.require_role(caller)
        if not caller.is_provider and not self._is_subscribed(caller, application_instance_id):
            raise CustomerManagementRequiredError(self._describe_missing(caller, application_instance_id))

    def require_role(self, caller: Caller) -> None:
        """:raises RoleNotSufficientError: if the role only reads"""
        if not caller.may_upgrade:
            raise RoleNotSufficientError(
                f"{caller.name} has role {caller.role.value}; expected operator or administrator"
            )

    def may_upgrade(self, caller: Caller, application_instance_id: str) -> bool:
        """The same as an answer, to show or hide what the caller could press."""
        if not caller.may_upgrade:
            return False
        return caller.is_provider or self._is_subscribed(caller, application_instance_id)

    def _is_subscribed(self, caller: Caller, application_instance_id: str) -> bool:
        active = Subscription.status == SubscriptionStatus.ACTIVE
        query = _customer_management(caller, application_instance_id).where(active)
        return self._db.execute(query.limit(1)).first() is not None

    def _describe_missing(self, caller: Caller, application_instance_id: str) -> str:
        instance = self._db.get(ApplicationInstance, application_instance_id)
        found = self._db.execute(_customer_management(caller, application_instance_id).limit(1)).first()
        state = f"subscription {found.id}, which is {found.status.value}" if found else "no subscription"
        return (
            f"reseller {caller.account_id} has {state} to the Office 365 Customer Management plan of"
            f" application instance {instance.name if instance else application_instance_id};"
            f" expected an active one. Ask {self._vendor_above(caller)} for it"
        )

    def _vendor_above(self, caller: Caller) -> str:
        account = self._db.get_one(Account, caller.account_id)
        return account.parent.name if account.parent else "the provider"


def _customer_management(caller: Caller, application_instance_id: str) -> Select[str, SubscriptionStatus]:
    return (
        select(Subscription.id, Subscription.status)
        .join(ServicePlan, ServicePlan.id == Subscription.service_plan_id)
        .join(ServiceTemplate, ServiceTemplate.id == ServicePlan.service_template_id)
        .where(
            Subscription.account_id == caller.account_id,
            ServicePlan.kind == PlanKind.CUSTOMER_MANAGEMENT,
            ServiceTemplate.application_instance_id == application_instance_id,
        )
    )
