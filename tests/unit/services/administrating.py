"""Drafts and callers for the tests of what administrators do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.models import Role
from gateway.services.catalog.editing import InvalidEntryError
from tests.factories import NOW
from tests.unit.services.helpers import caller_of

LATER = NOW + timedelta(hours=1)


def administrator(db, account):
    return caller_of(db, account, Role.ADMINISTRATOR)


def period(**changes: Any) -> dict[str, Any]:
    return {"months": 12, "setup_fee": "0.00", "recurring_fee": "6.00", "currency": "USD"} | changes


def free_period(**changes: Any) -> dict[str, Any]:
    return period(recurring_fee="0.00") | changes


def resource_type(**changes: Any) -> dict[str, Any]:
    return {"kind": "license", "name": "Office 365 E1", "offer_id": "CFQ7TTC0LF8Q:0001"} | changes


def plan_draft(template, **changes: Any) -> dict[str, Any]:
    return {
        "name": "Office 365 E1",
        "kind": "standard",
        "service_template": template.id,
        "resources": [],
        "subscription_periods": [period()],
        "resource_rates": [],
    } | changes


def management_draft(template, **changes: Any) -> dict[str, Any]:
    values = {
        "name": "Office 365 Customer Management",
        "kind": "customer_management",
        "subscription_periods": [free_period()],
    }
    return plan_draft(template, **(values | changes))


def refused(call) -> dict[str, str]:
    """What a call was refused for: what was expected, by path."""
    with pytest.raises(InvalidEntryError) as caught:
        call()
    return {each.path: each.expected for each in caught.value.problems}
