"""What there is once a catalog is imported: what the database has, and over it what the catalog says.

Everything that providers and resellers have is loaded, since it is little; of customers, only those that the
catalog speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm import InstrumentedAttribute

from gateway.models import (
    Account,
    AccountType,
    ApplicationInstance,
    PlanKind,
    ResourceType,
    ServicePlan,
    ServiceTemplate,
)
from gateway.services.catalog.bulk import run_among
from gateway.services.catalog.entries import Catalog


class Party(NamedTuple):
    """An account, as far as others depend on it."""

    type: AccountType
    parent: str | None


class Plan(NamedTuple):
    """A service plan, as far as others depend on it."""

    kind: PlanKind
    template: str
    vendor: str
    delegated_from: str | None


@dataclass(slots=True, kw_only=True)
class Known:
    """What references may point to."""

    instances: dict[str, str] = field(default_factory=dict)
    """Names by id."""
    accounts: dict[str, Party] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    """Application instances by id of the template."""
    resource_types: dict[str, set[str]] = field(default_factory=dict)
    """Their keys by id of the template."""
    plans: dict[str, Plan] = field(default_factory=dict)

    def with_catalog(self, catalog: Catalog) -> Known:
        """What will be known after the import."""
        types = {template: set(keys) for template, keys in self.resource_types.items()}
        for template in catalog.service_templates.values():
            types.setdefault(template.id, set()).update(each.id for each in template.resource_types)
        return Known(
            instances=self.instances
            | {each.id: each.name for each in catalog.application_instances.values()},
            accounts=self.accounts | {a.id: Party(a.type, a.parent) for a in catalog.accounts.values()},
            templates=self.templates
            | {each.id: each.application_instance for each in catalog.service_templates.values()},
            resource_types=types,
            plans=self.plans
            | {
                each.id: Plan(each.kind, each.service_template, each.vendor, each.delegated_from)
                for each in catalog.service_plans.values()
            },
        )

    def is_vendor(self, account_id: str) -> bool:
        account = self.accounts.get(account_id)
        return account is not None and account.type is not AccountType.CUSTOMER

    def ancestors(self, account_id: str) -> Iterator[str]:
        """Parent, its parent and so on; each once, also where the tree has a cycle."""
        seen = {account_id}
        account = self.accounts.get(account_id)
        while account is not None and account.parent is not None and account.parent not in seen:
            yield account.parent
            seen.add(account.parent)
            account = self.accounts.get(account.parent)


def load_known(connection: Connection, catalog: Catalog) -> Known:
    known = Known()
    known.instances = {
        row.id: row.name for row in rows_of(connection, ApplicationInstance.id, ApplicationInstance.name)
    }
    known.templates = dict(
        map(tuple, rows_of(connection, ServiceTemplate.id, ServiceTemplate.application_instance_id))
    )
    for template, key in rows_of(connection, ResourceType.service_template_id, ResourceType.key):
        known.resource_types.setdefault(template, set()).add(key)
    plan = ServicePlan
    for plan_id, *columns in rows_of(
        connection, plan.id, plan.kind, plan.service_template_id, plan.vendor_id, plan.delegated_from_id
    ):
        known.plans[plan_id] = Plan(*columns)
    _load_accounts(connection, catalog, known)
    return known


def _load_accounts(connection: Connection, catalog: Catalog, known: Known) -> None:
    query = select(Account.id, Account.type, Account.parent_id)
    for account_id, kind, parent in connection.execute(query.where(Account.type != AccountType.CUSTOMER)):
        known.accounts[account_id] = Party(kind, parent)
    wanted = {each.account for each in catalog.subscriptions.values()} | catalog.accounts.keys()
    for account_id, kind, parent in run_among(
        connection, query, Account.__table__.c.id, wanted - known.accounts.keys()
    ):
        known.accounts[account_id] = Party(kind, parent)


def rows_of(connection: Connection, *columns: InstrumentedAttribute[Any]) -> Iterable[Any]:
    return connection.execute(select(*columns))
