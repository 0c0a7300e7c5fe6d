"""Who may upgrade: the role, and for a reseller the subscription to a Customer Management plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select
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
from gateway.statements import Prepared, Statements


class MissingAbility(NamedTuple):
    """Why a reseller may not upgrade within an application instance, and whom to ask."""

    instance_name: str
    subscription_id: str | None
    """One to the Customer Management plan that is not active."""
    status: SubscriptionStatus | None
    ask: str

    def describe(self, caller: Caller) -> str:
        state = (
            f"subscription {self.subscription_id}, which is {self.status.value}"
            if self.status
            else "no subscription"
        )
        return (
            f"reseller {caller.account_id} has {state} to the Office 365 Customer Management plan of"
            f" application instance {self.instance_name}; expected an active one. Ask {self.ask} for it"
        )


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
        if (missing := self.missing(caller, application_instance_id)) is not None:
            raise CustomerManagementRequiredError(missing.describe(caller))

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

    def missing(self, caller: Caller, application_instance_id: str) -> MissingAbility | None:
        """What a reseller lacks, whatever the role; None if it is subscribed, and for the provider."""
        if caller.is_provider or self._is_subscribed(caller, application_instance_id):
            return None
        instance = self._db.get(ApplicationInstance, application_instance_id)
        found = self._customer_management(caller, application_instance_id)
        subscription_id, status = found[0] if found else (None, None)
        return MissingAbility(
            instance_name=instance.name if instance else application_instance_id,
            subscription_id=subscription_id,
            status=status,
            ask=self._vendor_above(caller),
        )

    def _is_subscribed(self, caller: Caller, application_instance_id: str) -> bool:
        found = self._customer_management(caller, application_instance_id)
        return any(status is SubscriptionStatus.ACTIVE for _, status in found)

    def _customer_management(
        self, caller: Caller, application_instance_id: str
    ) -> Sequence[tuple[str, SubscriptionStatus]]:
        """The caller's subscriptions to Customer Management plans of the instance; they are few."""
        asked = {"account_id": caller.account_id, "instance_id": application_instance_id}
        return Statements(self._db.connection()).rows(_CUSTOMER_MANAGEMENT, **asked)

    def _vendor_above(self, caller: Caller) -> str:
        account = self._db.get_one(Account, caller.account_id)
        return account.parent.name if account.parent else "the provider"


_CUSTOMER_MANAGEMENT = Prepared(
    select(Subscription.id, Subscription.status)
    .join(ServicePlan, ServicePlan.id == Subscription.service_plan_id)
    .join(ServiceTemplate, ServiceTemplate.id == ServicePlan.service_template_id)
    .where(
        Subscription.account_id == bindparam("account_id"),
        ServicePlan.kind == PlanKind.CUSTOMER_MANAGEMENT,
        ServiceTemplate.application_instance_id == bindparam("instance_id"),
    )
    .order_by(Subscription.id)
)
