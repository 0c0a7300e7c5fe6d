"""What there is at the simulated Microsoft when a contract test starts."""

from __future__ import annotations

from typing import Any

CUSTOMERS = 1001
"""Three pages."""
LATENCY = 60.0
"""Seconds that an upgrade takes."""

CUSTOMER = "0c39d6d5-0000-4000-8000-000000000000"
NEW_COMMERCE = "a4c1340d-0000-4000-8000-000000000020"
LEGACY = "1c2b75c1-0000-4000-8000-000000000010"
LEGACY_E3 = "1c2b75c1-0000-4000-8000-000000000011"
SUSPENDED = "a4c1340d-0000-4000-8000-000000000021"

SEATS = 15
USERS = 3
LEGACY_SEATS = 12
LEGACY_USERS = 2

BASIC, STANDARD = "CFQ7TTC0LH18:0001", "CFQ7TTC0LDPB:0001"
LEGACY_BASIC, LEGACY_STANDARD = "BD938F12-058F-4927-BBA3-AE36B1D2501C", "031C9E47-4802-4248-838E-778FB1D2CC05"
E3 = "796B6B5F-613C-4E24-A17C-EBA730D49C02"
BASIC_SKU = "3b555118-da6a-4418-894f-7df1e2096870"
STANDARD_SKU = "f245ecc8-75af-4f8e-b61f-27d8114de5f3"

REQUEST_ID = "5a1f0000-0000-4000-8000-000000000099"


def tenant_id(number: int) -> str:
    return f"0c39d6d5-0000-4000-8000-{number:012}"


def domain(number: int) -> str:
    return f"customer{number}.onmicrosoft.com"


def catalog() -> dict[str, Any]:
    return {
        "application_instances": [{"id": "office365", "name": "Office 365"}],
        "accounts": [
            {"id": "provider", "type": "provider", "name": "Provider"},
            *(_customer(number) for number in range(CUSTOMERS)),
        ],
        "service_templates": [
            {
                "id": "template",
                "application_instance": "office365",
                "name": "Office 365",
                "resource_types": [
                    {"id": offer, "kind": "license", "name": f"{offer} License", "offer_id": offer}
                    for offer in (BASIC, LEGACY_BASIC, E3)
                ],
            }
        ],
        "service_plans": [
            {
                "id": "plan",
                "name": "Plan",
                "service_template": "template",
                "vendor": "provider",
                "resources": [],
            }
        ],
        "subscriptions": [
            _subscription(NEW_COMMERCE, BASIC, SEATS, USERS),
            _subscription(LEGACY, LEGACY_BASIC, LEGACY_SEATS, LEGACY_USERS, customer=1),
            _subscription(LEGACY_E3, E3, 5, 0, customer=2),
            _subscription(SUSPENDED, BASIC, 5, 0, customer=3, status="suspended"),
        ],
    }


def _customer(number: int) -> dict[str, Any]:
    return {
        "id": f"customer-{number}",
        "type": "customer",
        "name": f"Customer {number}",
        "parent": "provider",
        "microsoft_tenant_id": tenant_id(number),
        "domain": domain(number),
    }


def _subscription(
    identity: str, offer: str, limit: int, usage: int, customer: int = 0, status: str = "active"
) -> dict[str, Any]:
    return {
        "id": identity,
        "account": f"customer-{customer}",
        "service_plan": "plan",
        "status": status,
        "microsoft_subscription_id": identity,
        "resources": [{"resource_type": offer, "limit": limit, "usage": usage}],
    }
