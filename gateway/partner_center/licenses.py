"""Directory licences: what a tenant has, its users, and who has which (App+User sign-in only)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.partner_center.reading import Record, UnreadableError


@dataclass(frozen=True)
class SubscribedSKU:
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


@dataclass(frozen=True)
class User:
    id: str
    user_principal_name: str
    display_name: str
    usage_location: str
    """Country; a user without one cannot have a licence."""
    state: str


@dataclass(frozen=True)
class License:
    """A licence that a user has."""

    sku_id: str
    name: str
    part_number: str


@dataclass(frozen=True)
class LicenseWarning:
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
    return License(sku.required_text("id"), sku.text("name"), sku.text("skuPartNumber"))


def license_update_body(assign: Iterable[str], remove: Iterable[str]) -> dict[str, Any]:
    return {
        "licensesToAssign": [{"skuId": sku_id, "excludedPlans": None} for sku_id in assign],
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
