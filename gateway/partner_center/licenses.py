"""Directory licences: what a tenant has, its users, and who has which (App+User sign-in only)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from gateway.partner_center.reading import Record, UnreadableError

DISABLED = "disabled"


class SubscribedSKU(NamedTuple):
    """A directory SKU of a tenant; subscriptions of one SKU share one pool of units."""

    sku_id: str
    name: str
    part_number: str
    available_units: int
    active_units: int
    consumed_units: int
    suspended_units: int
    total_units: int
    warning_units: int
    capability_status: str
    service_plan_ids: frozenset[str] = frozenset()
    """The services that come with it, in lower case."""


class User(NamedTuple):
    id: str
    user_principal_name: str
    display_name: str
    usage_location: str
    """Country; a user without one cannot have a licence."""
    state: str


class License(NamedTuple):
    """A licence that a user has."""

    sku_id: str
    name: str
    part_number: str
    disabled_plan_ids: frozenset[str] = frozenset()
    """The services of it that are switched off for the user, in lower case."""


class LicenseWarning(NamedTuple):
    code: str
    message: str


def read_subscribed_sku(record: Record) -> SubscribedSKU:
    sku = record.record("productSku")
    return SubscribedSKU(
        sku_id=sku.required_text("id"),
        name=sku.text("name"),
        part_number=sku.text("skuPartNumber"),
        available_units=record.count("availableUnits"),
        active_units=record.count("activeUnits"),
        consumed_units=record.count("consumedUnits"),
        suspended_units=record.count("suspendedUnits"),
        total_units=record.count("totalUnits"),
        warning_units=record.count("warningUnits"),
        capability_status=record.word("capabilityStatus"),
        service_plan_ids=frozenset(_service_plans(record)),
    )


def read_user(record: Record) -> User:
    return User(
        id=record.required_text("id"),
        user_principal_name=record.text("userPrincipalName"),
        display_name=record.text("displayName"),
        usage_location=record.text("usageLocation"),
        state=record.word("state"),
    )


def read_license(record: Record) -> License:
    sku = record.record("productSku")
    plans = _service_plans(record)
    disabled = frozenset(key for key, status in plans.items() if status == DISABLED)
    return License(sku.required_text("id"), sku.text("name"), sku.text("skuPartNumber"), disabled)


def _service_plans(record: Record) -> dict[str, str]:
    """The state of each service, by its id in lower case."""
    plans = record.records("servicePlans")
    return {plan.text("id").lower(): plan.word("capabilityStatus") for plan in plans if plan.has("id")}


def license_update_body(
    assign: Iterable[str], remove: Iterable[str], excluded_plan_ids: Iterable[str] = ()
) -> dict[str, Any]:
    """:param excluded_plan_ids: services of what is assigned that are to be switched off"""
    excluded = sorted(excluded_plan_ids) or None
    return {
        "licensesToAssign": [{"skuId": sku_id, "excludedPlans": excluded} for sku_id in assign],
        "licensesToRemove": list(remove),
        "licenseWarnings": None,
    }


def read_license_warnings(record: Record) -> list[LicenseWarning]:
    """Read the echo of a licence update."""
    if not any(record.has(name) for name in ("licensesToAssign", "licensesToRemove", "licenseWarnings")):
        raise UnreadableError("expected a licence update, got none of its fields")
    return [
        LicenseWarning(entry.text("code"), entry.text("message"))
        for entry in record.records("licenseWarnings")
    ]
