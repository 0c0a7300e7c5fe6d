"""Where things are in the two panels: addresses, and the trail that leads there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pyramid.request import Request

from gateway.models import Account, ApplicationInstance, ServicePlan

AREAS = ("provider", "reseller")
PANEL_NAMES = {"provider": "Provider Control Panel", "reseller": "Reseller Control Panel"}
PACKAGE = "Office 365"
"""The name of the APS package, and of the reseller's tab."""


class Crumb(NamedTuple):
    name: str
    url: str


def area_of(request: Request) -> str:
    """The panel that a request is for; outside of both the one that its user belongs to."""
    route = getattr(request, "matched_route", None)
    area: str = route.name.partition(".")[0] if route else ""
    if area not in AREAS and request.signed_in is not None:
        area = request.signed_in.area
    return area if area in AREAS else ""


class Places:
    """Addresses of the panel that the request is for."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.area = area_of(request)

    @property
    def panel_name(self) -> str:
        return PANEL_NAMES.get(self.area, "Control Panel")

    def url(self, name: str, query: Any = None, **parts: Any) -> str:
        """:param name: of the screen, without the panel's; `home`, `batch`, …"""
        url: str = self._request.route_path(f"{self.area}.{name}", _query=query or None, **parts)
        return url

    def asset(self, name: str) -> str:
        url: str = self._request.static_path(f"gateway.web.panels:assets/{name}")
        return url

    def plan(self, plan: ServicePlan, name: str = "plan", query: Any = None) -> str:
        """A screen of a plan; the provider's lie below its application instance."""
        return self.url(name, query, **self._plan_parts(plan))

    def sections(self) -> list[Crumb]:
        """What stands at the top of every page of the panel."""
        below = [*self.resellers_trail(), *self.customers_trail()]
        return [
            self.home_trail()[0],
            *below,
            *self.batches_trail(),
            *self.access_trail(),
            *self.audit_trail(),
            *(self.pool_trail() if self.area == "provider" else ()),
        ]

    def home_trail(self) -> list[Crumb]:
        if self.area == "reseller":
            return [Crumb("Customer CP", self.url("customer_cp"))]
        return [
            Crumb("Services", self.url("services")),
            Crumb("Applications", self.url("applications")),
        ]

    def package_trail(self) -> list[Crumb]:
        if self.area == "reseller":
            return [*self.home_trail(), Crumb(PACKAGE, self.url("office365"))]
        return [
            *self.home_trail(),
            Crumb("APS Connectors", self.url("aps_connectors")),
            Crumb(PACKAGE, self.url("package")),
        ]

    def instance_trail(self, instance: ApplicationInstance) -> list[Crumb]:
        """The provider's; a reseller does not see that there are instances."""
        if self.area == "reseller":
            return self.package_trail()
        return [
            *self.package_trail(),
            Crumb("Instances", self.url("instances")),
            Crumb(instance.name, self.url("instance", instance_id=instance.id)),
        ]

    def plans_trail(self, instance: ApplicationInstance) -> list[Crumb]:
        parts = {"instance_id": instance.id} if self.area == "provider" else {}
        return [*self.instance_trail(instance), Crumb("Service Plans", self.url("plans", **parts))]

    def plan_trail(self, plan: ServicePlan) -> list[Crumb]:
        instance = plan.service_template.application_instance
        return [*self.plans_trail(instance), Crumb(plan.name, self.plan(plan))]

    def templates_trail(self, instance: ApplicationInstance) -> list[Crumb]:
        url = self.url("templates", instance_id=instance.id)
        return [*self.instance_trail(instance), Crumb("Service Templates", url)]

    def resellers_trail(self) -> list[Crumb]:
        return [Crumb("Resellers", self.url("resellers"))]

    def reseller_trail(self, reseller: Account) -> list[Crumb]:
        url = self.url("reseller", reseller_id=reseller.id)
        return [*self.resellers_trail(), Crumb(reseller.name, url)]

    def customers_trail(self) -> list[Crumb]:
        """The customers of one's own account."""
        return [Crumb("Customers", self.url("customers"))]

    def vendor_customers_trail(self, vendor: Account) -> list[Crumb]:
        """Those of any vendor; a reseller's are a tab of it."""
        if vendor.id == self._request.caller.account_id:
            return self.customers_trail()
        url = self.url("reseller_customers", reseller_id=vendor.id)
        return [*self.reseller_trail(vendor), Crumb("Customers", url)]

    def batches_trail(self) -> list[Crumb]:
        return [Crumb("Upgrades", self.url("batches"))]

    def batch_trail(self, batch_id: int) -> list[Crumb]:
        return [*self.batches_trail(), Crumb(f"Batch {batch_id}", self.url("batch", batch_id=batch_id))]

    def access_trail(self) -> list[Crumb]:
        return [Crumb("Access", self.url("users"))]

    def audit_trail(self) -> list[Crumb]:
        return [Crumb("Audit log", self.url("audit"))]

    def pool_trail(self) -> list[Crumb]:
        return [Crumb("Application pool", self.url("pool"))]

    def _plan_parts(self, plan: ServicePlan) -> Mapping[str, str]:
        if self.area == "reseller":
            return {"plan_id": plan.id}
        return {"instance_id": plan.service_template.application_instance_id, "plan_id": plan.id}
