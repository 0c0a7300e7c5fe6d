"""Why a subscription cannot be moved: the codes inside eligibilities, results and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gateway.partner_center.reading import Record, is_integer, snake

_COMMON_REASONS = {
    0: "other",
    1: "delegated_admin_permissions_disabled",
    2: "subscription_status_not_active",
    3: "conflicting_service_types",
    4: "concurrency_conflicts",
    5: "user_context_required",
    6: "subscription_add_ons_present",
    7: "subscription_does_not_have_any_upgrade_paths",
    8: "subscription_target_offer_not_found",
    9: "subscription_not_provisioned",
    10: "offer_does_not_support_billing_cycle",
}

UPGRADE_REASONS: Mapping[int, str] = {**_COMMON_REASONS, 11: "insufficient_granular_admin_permissions"}
"""Codes of legacy upgrades."""

TRANSITION_REASONS: Mapping[int, str] = {
    **_COMMON_REASONS,
    11: "conversions_not_found",
    12: "user_license_error",
    13: "insufficient_granular_admin_permissions",
}
"""Codes of new-commerce transitions; from 11 on they differ from those of legacy upgrades."""

_SYNONYMS = {
    "subscription_does_not_have_any_transitioned_paths": "subscription_does_not_have_any_upgrade_paths"
}


class Reason(NamedTuple):
    """One entry of a list of errors. `name` is stable, `description` is Microsoft's text."""

    code: int | None
    name: str
    description: str = ""
    details: str = ""


def read_reason(entry: Record, names: Mapping[int, str]) -> Reason:
    """Read an error whose code may be a number or the name of one; an unknown one is called `other`."""
    description, details = entry.text("description"), entry.text("additionalDetails")
    if is_integer(code := entry.text("code")):
        return Reason(int(code), names.get(int(code), "other"), description, details)
    name = _SYNONYMS.get(snake(code), snake(code))
    number = next((number for number, known in names.items() if known == name), None)
    return Reason(number, "other" if number is None else name, description or code, details)


def read_reasons(record: Record, field: str, names: Mapping[int, str]) -> tuple[Reason, ...]:
    return tuple(read_reason(entry, names) for entry in record.records(field))
