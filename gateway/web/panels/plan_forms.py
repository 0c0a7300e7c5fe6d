"""A service plan as the fields of forms, and back."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.models import UNLIMITED, PlanKind, ResourceType, ServicePlan, ServiceTemplate
from gateway.services.catalog.describing import describe_plan
from gateway.services.catalog.editing import Entry
from gateway.web.panels.forms import Form, Labels, number_or_text, seen_value, values_of

PERIODS, RESOURCES, RATES = "subscription_periods", "resources", "resource_rates"
PERIOD_MEMBERS = ("months", "setup_fee", "recurring_fee", "currency")
PERIOD_MARKS = ("months", "setup_fee", "recurring_fee")
CURRENCY = "USD"
UNLIMITED_WORD = "unlimited"

_NAMES = {
    "name": "Name",
    "service_template": "Service template",
    PERIODS: "Subscription periods",
    RATES: "Resource rates",
    f"{PERIODS}.months": "Months of period {row}",
    f"{PERIODS}.setup_fee": "Setup fee of period {row}",
    f"{PERIODS}.recurring_fee": "Recurring fee of period {row}",
    f"{PERIODS}.currency": "Currency of period {row}",
    f"{RESOURCES}.limit": "Limit of {row}",
    f"{RATES}.recurring_fee": "Rate of {row}",
    f"{RATES}.currency": "Currency of {row}",
}


def blank_period(kind: str = PlanKind.STANDARD.value) -> dict[str, str]:
    """One more row; a plan of Customer Management begins with the prices that it must have."""
    price = "0.00" if kind == PlanKind.CUSTOMER_MANAGEMENT.value else ""
    return {"months": "12", "setup_fee": "0.00", "recurring_fee": price, "currency": CURRENCY}


def types_of(template: ServiceTemplate) -> Sequence[ResourceType]:
    return sorted(template.resource_types, key=lambda each: each.id)


def labels_for(form: Form, types: Sequence[ResourceType]) -> Labels:
    """Rows of resources have the names of their types; only those that count are rows of the entry."""
    return Labels(
        _NAMES,
        {
            RESOURCES: [(str(each.id), each.name) for each in _filled(form, types, RESOURCES, "limit")],
            RATES: [(str(each.id), each.name) for each in _filled(form, types, RATES, "recurring_fee")],
        },
    )


def structure_of(form: Form, types: Sequence[ResourceType]) -> Entry:
    """Name and resources of the plan, as a catalog has them."""
    rows = _filled(form, types, RESOURCES, "limit")
    limits = [
        {"resource_type": each.key, "limit": _limit(form.value(f"{RESOURCES}-{each.id}-limit"))}
        for each in rows
    ]
    return {"name": form.value("name"), RESOURCES: limits}


def prices_of(form: Form, types: Sequence[ResourceType]) -> Entry:
    """Subscription periods and resource rates."""
    periods = [form.row(PERIODS, number, PERIOD_MEMBERS) for number in range(form.count(PERIODS))]
    rates = [
        {"resource_type": each.key, **form.row(RATES, each.id, ("recurring_fee", "currency"))}
        for each in _filled(form, types, RATES, "recurring_fee")
    ]
    return {
        PERIODS: [
            each | {"months": number_or_text(each["months"]), "currency": each["currency"].upper()}
            for each in periods
        ],
        RATES: [each | {"currency": each["currency"].upper()} for each in rates],
    }


def structure_values(plan: ServicePlan) -> dict[str, str]:
    values = {
        f"{RESOURCES}-{each.resource_type_id}-limit": _limit_text(each.limit) for each in plan.resources
    }
    return {"name": plan.name} | values | seen_value(plan.updated_at)


def price_values(plan: ServicePlan) -> dict[str, str]:
    entry = describe_plan(plan)
    values = {}
    for rate, described in zip(plan.resource_rates, entry[RATES], strict=True):
        values[f"{RATES}-{rate.resource_type_id}-recurring_fee"] = described["recurring_fee"]
        values[f"{RATES}-{rate.resource_type_id}-currency"] = rate.currency
    return values | values_of(PERIODS, entry[PERIODS]) | seen_value(plan.updated_at)


def _filled(
    form: Form, types: Sequence[ResourceType], collection: str, member: str
) -> Sequence[ResourceType]:
    return [each for each in types if form.value(f"{collection}-{each.id}-{member}")]


def _limit(text: str) -> int | str:
    return UNLIMITED if text.casefold() == UNLIMITED_WORD else number_or_text(text)


def _limit_text(limit: int) -> str:
    return UNLIMITED_WORD if limit == UNLIMITED else str(limit)
