"""What the database has, as entries of a catalog."""

from __future__ import annotations

from decimal import Decimal

from gateway.models import Account, ServicePlan, ServiceTemplate
from gateway.services.catalog.editing import Entry

CENTS = Decimal("0.01")


def describe_account(account: Account) -> Entry:
    return {
        "id": account.id,
        "type": account.type.value,
        "name": account.name,
        "parent": account.parent_id,
        "mpn_id": account.mpn_id,
        "microsoft_tenant_id": account.microsoft_tenant_id,
        "domain": account.domain,
        "email": account.email,
    }


def describe_template(template: ServiceTemplate) -> Entry:
    types = sorted(template.resource_types, key=lambda each: each.id)
    return {
        "id": template.id,
        "application_instance": template.application_instance_id,
        "name": template.name,
        "resource_types": [
            {"id": each.key, "kind": each.kind.value, "name": each.name, "offer_id": each.offer_id}
            for each in types
        ],
    }


def describe_plan(plan: ServicePlan) -> Entry:
    return {
        "id": plan.id,
        "name": plan.name,
        "kind": plan.kind.value,
        "service_template": plan.service_template_id,
        "vendor": plan.vendor_id,
        "delegated_from": plan.delegated_from_id,
        "resources": [
            {"resource_type": each.resource_type.key, "limit": each.limit} for each in plan.resources
        ],
        "subscription_periods": [
            {
                "months": each.months,
                "setup_fee": price_text(each.setup_fee),
                "recurring_fee": price_text(each.recurring_fee),
                "currency": each.currency,
            }
            for each in plan.subscription_periods
        ],
        "resource_rates": [
            {
                "resource_type": each.resource_type.key,
                "recurring_fee": price_text(each.recurring_fee),
                "currency": each.currency,
            }
            for each in plan.resource_rates
        ],
    }


def price_text(price: Decimal) -> str:
    """With two decimals, or with as many more as it needs."""
    cents = price.quantize(CENTS)
    return str(cents) if cents == price else str(price.normalize())
