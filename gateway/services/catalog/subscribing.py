"""Rules of a catalog: who may subscribe to what, and what a subscription consists of."""

from __future__ import annotations

from gateway.models import AccountType, PlanKind, SubscriptionStatus
from gateway.services.catalog.entries import Catalog, SubscriptionEntry
from gateway.services.catalog.errors import Problems
from gateway.services.catalog.known import Known, Party, Plan
from gateway.services.catalog.tree import numbered


def check_subscriptions(catalog: Catalog, after: Known, problems: Problems) -> None:
    for path, entry in numbered("subscriptions", catalog.subscriptions):
        account = after.accounts.get(entry.account)
        if account is None:
            problems.add(f"{path}.account", entry.account, "an account of this file or of the database")
        plan = after.plans.get(entry.service_plan)
        if plan is None:
            expected = "a service plan of this file or of the database"
            problems.add(f"{path}.service_plan", entry.service_plan, expected)
            continue
        if account is not None:
            _check_subscriber(path, entry, account, plan, after, problems)
        _check_resources(path, entry, plan.template, after, problems)
    _check_microsoft_ids(catalog, problems)


def _check_subscriber(
    path: str, entry: SubscriptionEntry, account: Party, plan: Plan, after: Known, problems: Problems
) -> None:
    if plan.kind is PlanKind.CUSTOMER_MANAGEMENT:
        if account.type is not AccountType.RESELLER:
            expected = "a reseller, since the plan is one of Customer Management"
            problems.add(f"{path}.account", entry.account, expected)
        elif plan.vendor not in after.ancestors(entry.account):
            problems.add(
                f"{path}.account", entry.account, f"a reseller below {plan.vendor}, who sells the plan"
            )
    elif account.type is not AccountType.CUSTOMER:
        problems.add(f"{path}.account", entry.account, "a customer")
    elif account.parent != plan.vendor:
        expected = f"a plan of {account.parent}, who is the vendor of {entry.account}"
        problems.add(f"{path}.service_plan", entry.service_plan, expected)


def _check_resources(
    path: str, entry: SubscriptionEntry, template: str, after: Known, problems: Problems
) -> None:
    types = after.resource_types.get(template, set())
    keys = [each.resource_type for each in entry.resources]
    unique = set(keys)
    if unique <= types and len(unique) == len(keys):
        return
    seen: set[str] = set()
    for index, key in enumerate(keys):
        place = f"{path}.resources[{index}].resource_type"
        if key not in types:
            problems.add(place, key, f"a resource type of the template {template}")
        elif key in seen:
            problems.add(place, key, "each resource_type once")
        seen.add(key)


def _check_microsoft_ids(catalog: Catalog, problems: Problems) -> None:
    """Two subscriptions that were one at Microsoft would upgrade it twice."""
    owners: dict[str, str] = {}
    for path, entry in numbered("subscriptions", catalog.subscriptions):
        if entry.microsoft_subscription_id is None or entry.status is SubscriptionStatus.DELETED:
            continue
        microsoft_id = entry.microsoft_subscription_id.lower()
        owner = owners.setdefault(microsoft_id, entry.id)
        if owner != entry.id:
            expected = f"an id that no other subscription has; {owner} has it"
            problems.add(f"{path}.microsoft_subscription_id", entry.microsoft_subscription_id, expected)
