"""One factory for each model, with valid defaults, so that a test states only what matters to it.

Every factory adds its row to the session and flushes it. What a row needs and is not given is found in the
database or made: there is one provider, and the first application instance and service template serve all.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid5

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.db import Base
from gateway.models import (
    Account,
    AccountType,
    APIKey,
    ApplicationInstance,
    OfferPath,
    PlanKind,
    PlanResource,
    ResourceKind,
    ResourceRate,
    ResourceType,
    Role,
    ServicePlan,
    ServiceTemplate,
    Subscription,
    SubscriptionPeriod,
    SubscriptionResource,
    SubscriptionStatus,
    Upgrade,
    UpgradeBatch,
    UpgradeEvent,
    User,
    UserLicense,
    UserLicenseState,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"

_NAMESPACE = UUID("7d0f9a3c-58a6-4b39-9d52-0c4f5cf5b0ce")
Row = TypeVar("Row", bound=Base)
Shared = TypeVar("Shared", ApplicationInstance, ServiceTemplate)

_numbers = itertools.count(1)
_cheap_hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def next_id(word: str) -> str:
    """An id that no other factory of this run gives; later ones sort after earlier ones."""
    return f"{word}-{next(_numbers):06}"


def guid(text: str) -> str:
    return str(uuid5(_NAMESPACE, text))


class Factories:
    """The factories of one session."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def provider(self, **columns: Any) -> Account:
        """The provider, which is made at the first call: a tree has one root."""
        found = self._db.scalar(select(Account).where(Account.type == AccountType.PROVIDER))
        if found is not None:
            return found
        values = {"id": next_id("provider"), "name": "Provider"} | columns
        return self._add(Account(type=AccountType.PROVIDER, **values))

    def reseller(self, parent: Account | None = None, **columns: Any) -> Account:
        return self._account(AccountType.RESELLER, parent, {"mpn_id": "4390934"} | columns)

    def customer(self, parent: Account | None = None, **columns: Any) -> Account:
        """:param parent: the vendor who sells to it; the provider when not given."""
        account_id = columns.setdefault("id", next_id("customer"))
        defaults = {
            "microsoft_tenant_id": guid(account_id),
            "domain": f"{account_id}.onmicrosoft.com",
            "email": f"admin@{account_id}.onmicrosoft.com",
        }
        return self._account(AccountType.CUSTOMER, parent, defaults | columns)

    def application_instance(self, **columns: Any) -> ApplicationInstance:
        """The first is named `Office 365`; names are unique."""
        instance_id = columns.setdefault("id", next_id("instance"))
        is_first = self._db.scalar(select(ApplicationInstance.id).limit(1)) is None
        columns.setdefault("name", "Office 365" if is_first else f"Office 365 {instance_id}")
        return self._add(ApplicationInstance(**columns))

    def service_template(
        self, application_instance: ApplicationInstance | None = None, **columns: Any
    ) -> ServiceTemplate:
        instance = application_instance or self._first(ApplicationInstance) or self.application_instance()
        values = {"id": next_id("template"), "name": "Office 365"} | columns
        return self._add(ServiceTemplate(application_instance=instance, **values))

    def resource_type(
        self,
        kind: ResourceKind = ResourceKind.LICENSE,
        service_template: ServiceTemplate | None = None,
        **columns: Any,
    ) -> ResourceType:
        """A license or an add-on gets an offer of its own when `offer_id` is not given."""
        key = columns.setdefault("key", next_id(kind.value))
        columns.setdefault("name", f"Resource {key}")
        if kind is not ResourceKind.OTHER:
            columns.setdefault("offer_id", f"CFQ7TT{key[-6:]}:0001")
        template = service_template or self._template()
        return self._add(ResourceType(service_template=template, kind=kind, **columns))

    def service_plan(
        self,
        licenses: Sequence[ResourceType] | None = None,
        *,
        resources: Mapping[ResourceType, int] | None = None,
        vendor: Account | None = None,
        service_template: ServiceTemplate | None = None,
        **columns: Any,
    ) -> ServicePlan:
        """A plan that includes one of each license, and further resources with the limits given.

        :param licenses: one new license resource when not given, none for a Customer Management plan
        """
        is_standard = columns.get("kind", PlanKind.STANDARD) is PlanKind.STANDARD
        template = service_template or (licenses[0].service_template if licenses else self._template())
        if licenses is None:
            licenses = [self.resource_type(service_template=template)] if is_standard else []
        plan_id = columns.setdefault("id", next_id("plan"))
        columns.setdefault("name", f"Service {plan_id}")
        plan = ServicePlan(service_template=template, vendor=vendor or self.provider(), **columns)
        limits = dict.fromkeys(licenses, 1) | dict(resources or {})
        plan.resources = [PlanResource(resource_type=r, limit=limit) for r, limit in limits.items()]
        price = Decimal("6.00") if is_standard else Decimal(0)
        plan.subscription_periods = [
            SubscriptionPeriod(months=12, setup_fee=Decimal(0), recurring_fee=price, currency="USD")
        ]
        if is_standard:
            plan.resource_rates = [
                ResourceRate(resource_type=r, recurring_fee=price, currency="USD") for r in licenses
            ]
        return self._add(plan)

    def subscription(
        self,
        plan: ServicePlan | None = None,
        *,
        account: Account | None = None,
        license_limit: int = 5,
        resources: Mapping[ResourceType, int] | None = None,
        **columns: Any,
    ) -> Subscription:
        """A subscription to which the first license of its plan gives `license_limit`.

        :param account: a new customer of the plan's vendor when not given; for a Customer Management plan
            a new reseller
        :param resources: limits of further resources, or of those of the plan where they differ
        """
        plan = plan or self.service_plan()
        account = account or self._subscriber(plan)
        subscription_id = columns.setdefault("id", next_id("subscription"))
        is_standard = plan.kind is PlanKind.STANDARD
        defaults = {
            "status": SubscriptionStatus.ACTIVE,
            "branch_id": account.id if account.is_vendor else account.parent_id,
            "microsoft_subscription_id": guid(subscription_id) if is_standard else None,
            "subdomain": None if is_standard else f"{account.id}-mgmt",
        }
        limits = {r.resource_type: r.limit for r in plan.resources}
        limits |= dict.fromkeys([r.resource_type for r in plan.licenses[:1]], license_limit)
        limits |= dict(resources or {})
        subscription = Subscription(service_plan=plan, account=account, **(defaults | columns))
        subscription.resources = [
            SubscriptionResource(resource_type=r, limit=limit, usage=max(limit - 1, 0))
            for r, limit in limits.items()
        ]
        return self._add(subscription)

    def batch(
        self, target_plan: ServicePlan | None = None, account: Account | None = None, **columns: Any
    ) -> UpgradeBatch:
        target = target_plan or self.service_plan()
        values = {"requested_by": "tests", "created_at": NOW} | columns
        return self._add(UpgradeBatch(target_plan=target, account_id=(account or target.vendor).id, **values))

    def upgrade(
        self,
        subscription: Subscription | None = None,
        target_plan: ServicePlan | None = None,
        batch: UpgradeBatch | None = None,
        **columns: Any,
    ) -> Upgrade:
        """A pending upgrade, due at once; pass `status` and whatever else it shall be."""
        subscription = subscription or self.subscription()
        source = subscription.service_plan
        target = target_plan or (batch.target_plan if batch else self._sibling(source))
        defaults = {
            "account_id": subscription.account_id,
            "microsoft_tenant_id": subscription.account.microsoft_tenant_id,
            "application_instance_id": source.service_template.application_instance_id,
            "source_plan": source,
            "target_plan": target,
            "scheduled_at": NOW,
            "due_at": NOW,
            "changed_at": NOW,
        }
        batch = batch or self.batch(target_plan=target)
        return self._add(Upgrade(subscription=subscription, batch=batch, **(defaults | columns)))

    def upgrade_event(self, upgrade: Upgrade | None = None, **columns: Any) -> UpgradeEvent:
        upgrade = upgrade or self.upgrade()
        return self._add(UpgradeEvent(upgrade_id=upgrade.id, **({"name": "scheduled", "at": NOW} | columns)))

    def user_license(self, upgrade: Upgrade, **columns: Any) -> UserLicense:
        """Somebody whom the upgrade left behind."""
        user_id = guid(next_id("user"))
        values = {
            "user_id": user_id,
            "user_principal_name": f"{user_id}@customer.example",
            "state": UserLicenseState.LEFT_BEHIND,
            "holds_old": True,
            "holds_new": False,
            "changed_at": NOW,
        }
        return self._add(UserLicense(upgrade_id=upgrade.id, **(values | columns)))

    def offer_path(self, offer_id: str, targets: Sequence[str], **columns: Any) -> OfferPath:
        """What Microsoft said that `offer_id` can be upgraded to."""
        if "application_instance_id" not in columns:
            instance = self._first(ApplicationInstance) or self.application_instance()
            columns["application_instance_id"] = instance.id
        columns.setdefault("read_at", NOW)
        return self._add(OfferPath(offer_id=offer_id, target_offer_ids=list(targets), **columns))

    def user(self, account: Account | None = None, role: Role = Role.ADMINISTRATOR, **columns: Any) -> User:
        """A user whose password is `PASSWORD`, hashed at little cost."""
        values = {"login": next_id("user"), "password_hash": _cheap_hasher.hash(PASSWORD)} | columns
        return self._add(User(account=account or self.provider(), role=role, **values))

    def api_key(
        self, account: Account | None = None, role: Role = Role.ADMINISTRATOR, **columns: Any
    ) -> tuple[APIKey, str]:
        """The row, and the key itself as a caller sends it."""
        prefix = f"{next(_numbers):012}"
        text = f"o365gw_{prefix}_{hashlib.sha256(prefix.encode()).hexdigest()[:43]}"
        values = {"name": "tests", "prefix": prefix, "created_at": NOW} | columns
        row = APIKey(
            account=account or self.provider(),
            role=role,
            key_hash=hashlib.sha256(text.encode()).hexdigest(),
            **values,
        )
        return self._add(row), text

    def _account(self, kind: AccountType, parent: Account | None, columns: dict[str, Any]) -> Account:
        account_id = columns.pop("id", None) or next_id(kind.value)
        columns.setdefault("name", account_id.replace("-", " ").capitalize())
        return self._add(Account(id=account_id, type=kind, parent=parent or self.provider(), **columns))

    def _subscriber(self, plan: ServicePlan) -> Account:
        make = self.customer if plan.kind is PlanKind.STANDARD else self.reseller
        return make(parent=plan.vendor)

    def _sibling(self, plan: ServicePlan) -> ServicePlan:
        """Another plan that a subscription of this one may go to."""
        return self.service_plan(vendor=plan.vendor, service_template=plan.service_template)

    def _template(self) -> ServiceTemplate:
        return self._first(ServiceTemplate) or self.service_template()

    def _first(self, model: type[Shared]) -> Shared | None:
        return self._db.scalars(select(model).order_by(model.id).limit(1)).first()

    def _add(self, row: Row) -> Row:
        self._db.add(row)
        self._db.flush()
        return row
