"""Catalogs that a test states by what matters to it."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

BASIC, STANDARD, PREMIUM = "basic", "standard", "premium"
LEGACY_BASIC, LEGACY_STANDARD = "legacy-basic", "legacy-standard"
OFFERS = {
    BASIC: "CFQ7TTC0LH18:0001",
    STANDARD: "CFQ7TTC0LDPB:0001",
    PREMIUM: "CFQ7TTC0LCHC:0002",
    LEGACY_BASIC: "BD938F12-058F-4927-BBA3-AE36B1D2501C",
    LEGACY_STANDARD: "031C9E47-4802-4248-838E-778FB1D2CC05",
}
SKUS = {BASIC: "3b555118-da6a-4418-894f-7df1e2096870", STANDARD: "f245ecc8-75af-4f8e-b61f-27d8114de5f3"}
"""What the license of a plan is called in a customer's directory."""


def guid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def tenant_of(subscription_id: str) -> str:
    return guid(f"tenant of {subscription_id}")


def microsoft_id_of(subscription_id: str) -> str:
    return guid(f"Microsoft subscription of {subscription_id}")


def plan(plan_id: str, *licenses: str, kind: str = "standard") -> dict[str, Any]:
    return {
        "id": plan_id,
        "name": plan_id.title(),
        "kind": kind,
        "service_template": "template",
        "vendor": "provider",
        "resources": [{"resource_type": key, "limit": 1} for key in licenses],
        "subscription_periods": [
            {"months": 12, "setup_fee": "0.00", "recurring_fee": "0.00", "currency": "USD"}
        ],
        "resource_rates": [],
    }


def subscription(
    name: str, *, plan_id: str = BASIC, status: str = "active", customer_id: str | None = None, **limits: int
) -> dict[str, Any]:
    """A subscription with a limit for each resource, half of it used."""
    resources = [
        {"resource_type": key, "limit": limit, "usage": limit // 2}
        for key, limit in (limits or {plan_id: 4}).items()
    ]
    return {
        "id": name,
        "account": customer_id or f"customer-{name}",
        "service_plan": plan_id,
        "status": status,
        "resources": resources,
        "microsoft_subscription_id": microsoft_id_of(name),
    }


def customer(name: str, parent: str = "provider") -> dict[str, Any]:
    return {
        "id": f"customer-{name}",
        "type": "customer",
        "name": f"Customer {name}",
        "parent": parent,
        "microsoft_tenant_id": tenant_of(name),
        "domain": f"{name}.onmicrosoft.com",
        "email": f"admin@{name}.onmicrosoft.com",
    }


def catalog(*subscriptions: dict[str, Any]) -> dict[str, Any]:
    """One provider who sells `basic` and `standard`, and a customer for each subscription."""
    return {
        "application_instances": [{"id": "office365", "name": "Office 365"}],
        "accounts": [{"id": "provider", "type": "provider", "name": "Provider"}]
        + [
            customer(name.removeprefix("customer-")) for name in sorted({s["account"] for s in subscriptions})
        ],
        "service_templates": [
            {
                "id": "template",
                "application_instance": "office365",
                "name": "Office 365",
                "resource_types": [
                    {"id": key, "kind": "license", "name": key.title(), "offer_id": offer_id}
                    for key, offer_id in OFFERS.items()
                ]
                + [
                    {
                        "id": "archiving",
                        "kind": "addon",
                        "name": "Archiving",
                        "offer_id": "2828BE95-46BA-4F91-B2FD-0BEF192ECF60",
                    }
                ],
            }
        ],
        "service_plans": [plan(key, key) for key in OFFERS],
        "subscriptions": list(subscriptions),
    }


def many(count: int) -> list[dict[str, Any]]:
    return [subscription(f"s{number:04}") for number in range(count)]
