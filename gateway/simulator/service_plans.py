"""The services that come with a licence, and which of them are switched off for somebody."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from gateway.simulator.messages import Json
from gateway.simulator.products import Product


class ServicePlan(NamedTuple):
    id: str
    name: str
    title: str


_EXCHANGE_1 = ServicePlan(
    "9aaf7827-d63c-4b61-89c3-182f06f82e5c", "EXCHANGE_S_STANDARD", "Exchange Online (Plan 1)"
)
_EXCHANGE_2 = ServicePlan(
    "efb87545-963c-4e0d-99df-69c6916d9eb0", "EXCHANGE_S_ENTERPRISE", "Exchange Online (Plan 2)"
)
_KIOSK = ServicePlan("4a82b400-a79f-41a4-b4e2-e94f5787b113", "EXCHANGE_S_DESKLESS", "Exchange Online Kiosk")
_TEAMS = ServicePlan("57ff2da0-773e-42df-b2af-ffb7a2317929", "TEAMS1", "Microsoft Teams")
_SWAY = ServicePlan("a23b959c-7ce8-4e57-9140-b90eb88a9e97", "SWAY", "Sway")
_APPS_BUSINESS = ServicePlan(
    "094e7854-93fc-4d55-b2c0-3ab5369ebdc1", "OFFICE_BUSINESS", "Microsoft 365 Apps for business"
)
_APPS = ServicePlan(
    "43de0ff5-c92c-492b-9116-175376d08c38", "OFFICESUBSCRIPTION", "Microsoft 365 Apps for enterprise"
)

_ENTERPRISE = (_EXCHANGE_2, _TEAMS, _SWAY, _APPS)
_BUSINESS = (_EXCHANGE_1, _TEAMS, _SWAY, _APPS_BUSINESS)
_FRONTLINE = (_KIOSK, _TEAMS, _SWAY)
SERVICE_PLANS: dict[str, tuple[ServicePlan, ...]] = {
    "basic": (_EXCHANGE_1, _TEAMS, _SWAY),
    "standard": _BUSINESS,
    "premium": _BUSINESS,
    "apps-business": (_APPS_BUSINESS,),
    "apps-enterprise": (_APPS,),
    "o365-e1": (_EXCHANGE_1, _TEAMS, _SWAY),
    "o365-e3": _ENTERPRISE,
    "o365-e4": _ENTERPRISE,
    "o365-e5": _ENTERPRISE,
    "o365-e5-no-ac": _ENTERPRISE,
    "o365-f3": _FRONTLINE,
    "m365-f1": (_TEAMS, _SWAY),
    "m365-f3": _FRONTLINE,
    "m365-e3": _ENTERPRISE,
    "m365-e5": _ENTERPRISE,
    "m365-e5-no-ac": _ENTERPRISE,
    "exchange-1": (_EXCHANGE_1,),
    "exchange-2": (_EXCHANGE_2,),
    "exchange-kiosk": (_KIOSK,),
}
"""By the key of the product, as far as it matters what is in both the old and the new licence."""


def service_plans_of(product: Product) -> tuple[ServicePlan, ...]:
    return SERVICE_PLANS.get(product.key, ())


def present_service_plans(product: Product, disabled: Collection[str] = ()) -> list[Json]:
    return [
        {
            "displayName": plan.title,
            "serviceName": plan.name,
            "id": plan.id,
            "capabilityStatus": "Disabled" if plan.id in disabled else "Enabled",
            "targetType": "User",
        }
        for plan in service_plans_of(product)
    ]
