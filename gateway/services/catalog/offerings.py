"""Rules of a catalog: service templates and service plans."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from gateway.models import PlanKind, ResourceKind
from gateway.services.catalog.entries import Catalog, PlanEntry, TemplateEntry
from gateway.services.catalog.errors import Problems
from gateway.services.catalog.known import Known
from gateway.services.catalog.tree import numbered

IN_FILE_OR_DATABASE = "of this file or of the database"


def check_templates(catalog: Catalog, before: Known, after: Known, problems: Problems) -> None:
    for path, entry in numbered("service_templates", catalog.service_templates):
        stored = before.templates.get(entry.id, entry.application_instance)
        if stored != entry.application_instance:
            expected = f"{stored}, to which this template belongs for good"
            problems.add(f"{path}.application_instance", entry.application_instance, expected)
        elif entry.application_instance not in after.instances:
            expected = f"an application instance {IN_FILE_OR_DATABASE}"
            problems.add(f"{path}.application_instance", entry.application_instance, expected)
        _check_resource_types(path, entry, problems)


def _check_resource_types(path: str, entry: TemplateEntry, problems: Problems) -> None:
    _check_unique(path, "resource_types", "id", [each.id for each in entry.resource_types], problems)
    for index, each in enumerate(entry.resource_types):
        needs_offer = each.kind is not ResourceKind.OTHER
        if needs_offer and each.offer_id is None:
            expected = f"what Microsoft sells as this {each.kind.value}"
            problems.add_missing(f"{path}.resource_types[{index}].offer_id", expected)
        elif not needs_offer and each.offer_id is not None:
            expected = "none, since Microsoft sells licenses and add-ons only"
            problems.add(f"{path}.resource_types[{index}].offer_id", each.offer_id, expected)


def check_plans(catalog: Catalog, before: Known, after: Known, problems: Problems) -> None:
    for path, entry in numbered("service_plans", catalog.service_plans):
        if _check_plan_references(path, entry, before, after, problems):
            _check_plan_resources(
                path, entry, after.resource_types.get(entry.service_template, set()), problems
            )
            _check_delegation(path, entry, after, problems)
        months = [period.months for period in entry.subscription_periods]
        _check_unique(path, "subscription_periods", "months", months, problems)
        if entry.kind is PlanKind.CUSTOMER_MANAGEMENT:
            _check_it_costs_nothing(path, entry, problems)


def _check_plan_references(
    path: str, entry: PlanEntry, before: Known, after: Known, problems: Problems
) -> bool:
    """Whether the plan has a template, by which its resources can be judged."""
    if entry.vendor not in after.accounts:
        problems.add(f"{path}.vendor", entry.vendor, f"an account {IN_FILE_OR_DATABASE}")
    elif not after.is_vendor(entry.vendor):
        problems.add(f"{path}.vendor", entry.vendor, "a provider or reseller")
    stored = before.plans.get(entry.id)
    if stored is not None and stored.template != entry.service_template:
        expected = f"{stored.template}, on which this plan is based for good"
        problems.add(f"{path}.service_template", entry.service_template, expected)
        return False
    if entry.service_template not in after.templates:
        expected = f"a service template {IN_FILE_OR_DATABASE}"
        problems.add(f"{path}.service_template", entry.service_template, expected)
        return False
    return True


def _check_plan_resources(path: str, entry: PlanEntry, types: set[str], problems: Problems) -> None:
    named = {
        "resources": [each.resource_type for each in entry.resources],
        "resource_rates": [each.resource_type for each in entry.resource_rates],
    }
    for member, keys in named.items():
        _check_unique(path, member, "resource_type", keys, problems)
        for index, key in enumerate(keys):
            if key not in types:
                expected = f"a resource type of the template {entry.service_template}"
                problems.add(f"{path}.{member}[{index}].resource_type", key, expected)


def _check_delegation(path: str, entry: PlanEntry, after: Known, problems: Problems) -> None:
    if entry.delegated_from is None:
        return
    path = f"{path}.delegated_from"
    original = after.plans.get(entry.delegated_from)
    if original is None:
        problems.add(path, entry.delegated_from, f"a service plan {IN_FILE_OR_DATABASE}")
    elif original.template != entry.service_template:
        problems.add(path, entry.delegated_from, f"a plan of the template {entry.service_template}")
    elif _is_own_copy(entry.id, after):
        problems.add(path, entry.delegated_from, "a plan that is not itself a copy of this one")


def _is_own_copy(plan_id: str, after: Known) -> bool:
    seen: set[str] = set()
    plan = after.plans[plan_id]
    while plan.delegated_from is not None and plan.delegated_from not in seen:
        if plan.delegated_from == plan_id:
            return True
        seen.add(plan.delegated_from)
        if plan.delegated_from not in after.plans:
            return False
        plan = after.plans[plan.delegated_from]
    return False


def _check_it_costs_nothing(path: str, entry: PlanEntry, problems: Problems) -> None:
    """A Customer Management plan is a permission, not goods."""
    expected = "0, since a Customer Management plan costs nothing"
    for index, period in enumerate(entry.subscription_periods):
        for member, price in (("setup_fee", period.setup_fee), ("recurring_fee", period.recurring_fee)):
            if Decimal(price) != 0:
                problems.add(f"{path}.subscription_periods[{index}].{member}", price, expected)
    if entry.resource_rates:
        rates = [each.resource_type for each in entry.resource_rates]
        problems.add(f"{path}.resource_rates", rates, "none, since a Customer Management plan has no rates")


def _check_unique(path: str, member: str, key: str, values: Iterable[object], problems: Problems) -> None:
    seen: set[object] = set()
    for index, value in enumerate(values):
        if value in seen:
            problems.add(f"{path}.{member}[{index}].{key}", value, f"each {key} once")
        seen.add(value)
