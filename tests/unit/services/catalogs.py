"""A small catalog, with one of everything, and ways to change it."""

from __future__ import annotations

from typing import Any

BASIC, ADDON = "CFQ7TTC0LH18:0001", "2828BE95-46BA-4F91-B2FD-0BEF192ECF60"


def account(account_id: str, kind: str, **members: Any) -> dict[str, Any]:
    return {"id": account_id, "type": kind, "name": account_id.title(), **members}


def plan(plan_id: str, vendor: str = "provider", **members: Any) -> dict[str, Any]:
    price = {"setup_fee": "0.00", "recurring_fee": "6.00", "currency": "USD"}
    return {
        "id": plan_id,
        "name": plan_id.title(),
        "kind": "standard",
        "service_template": "template",
        "vendor": vendor,
        "resources": [{"resource_type": "user", "limit": -1}, {"resource_type": "basic", "limit": 1}],
        "subscription_periods": [{"months": 12, **price}],
        "resource_rates": [{"resource_type": "basic", "recurring_fee": "6.0125", "currency": "USD"}],
    } | members


def subscription(subscription_id: str, account_id: str, plan_id: str, **members: Any) -> dict[str, Any]:
    return {
        "id": subscription_id,
        "account": account_id,
        "service_plan": plan_id,
        "status": "active",
        "resources": [
            {"resource_type": "user", "limit": -1, "usage": 7},
            {"resource_type": "basic", "limit": 10, "usage": 7},
        ],
        "microsoft_subscription_id": f"ms-{subscription_id}",
    } | members


def tenant(number: int) -> str:
    return f"b589e9bd-ec86-4a74-886f-{number:012}"


def small_catalog() -> dict[str, Any]:
    """Provider, reseller, sub-reseller, a customer of the provider and one of the reseller."""
    return {
        "application_instances": [{"id": "office365", "name": "Office 365"}],
        "accounts": [
            account("provider", "provider"),
            account("reseller", "reseller", parent="provider", mpn_id="4390934"),
            account("sub-reseller", "reseller", parent="reseller"),
            account("bakery", "customer", parent="provider", microsoft_tenant_id=tenant(1)),
            account(
                "dentist",
                "customer",
                parent="reseller",
                microsoft_tenant_id=tenant(2),
                domain="dentist.onmicrosoft.com",
                email="admin@dentist.onmicrosoft.com",
            ),
        ],
        "service_templates": [
            {
                "id": "template",
                "application_instance": "office365",
                "name": "Office 365",
                "resource_types": [
                    {"id": "user", "kind": "other", "name": "User"},
                    {"id": "basic", "kind": "license", "name": "Basic", "offer_id": BASIC},
                    {"id": "archiving", "kind": "addon", "name": "Archiving", "offer_id": ADDON},
                ],
            }
        ],
        "service_plans": [
            plan("basic"),
            plan("basic-reseller", "reseller", delegated_from="basic"),
            plan(
                "management",
                kind="customer_management",
                resources=[],
                subscription_periods=[
                    {"months": 12, "setup_fee": "0", "recurring_fee": "0.00", "currency": "USD"}
                ],
                resource_rates=[],
            ),
        ],
        "subscriptions": [
            subscription("1", "bakery", "basic"),
            subscription("2", "dentist", "basic-reseller"),
            {
                "id": "3",
                "account": "reseller",
                "service_plan": "management",
                "status": "active",
                "resources": [],
                "office365_subdomain": {"choice": "new_microsoft_account", "subdomain": "reseller-mgmt"},
            },
        ],
    }


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Set what a path such as `accounts.1.parent` names; a list takes one more at its end."""
    *parents, last = path.split(".")
    place: Any = document
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if isinstance(place, dict):
        place[last] = value
    elif int(last) == len(place):
        place.append(value)
    else:
        place[int(last)] = value
