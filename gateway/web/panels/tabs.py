"""The tabs of what has several pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.models import Account, ApplicationInstance, ServicePlan
from gateway.web.panels.places import Places


class Tab(NamedTuple):
    name: str
    url: str
    is_current: bool


def make_tabs(*tabs: tuple[str, str], current: str) -> list[Tab]:
    return [Tab(name, url, name == current) for name, url in tabs]


def applications_tabs(places: Places, current: str) -> Sequence[Tab]:
    return make_tabs(
        ("General", places.url("applications")),
        ("APS Connectors", places.url("aps_connectors")),
        current=current,
    )


def package_tabs(places: Places, current: str) -> Sequence[Tab]:
    return make_tabs(
        ("General", places.url("package")), ("Instances", places.url("instances")), current=current
    )


def instance_tabs(places: Places, instance: ApplicationInstance, current: str) -> Sequence[Tab]:
    return make_tabs(
        ("General", places.url("instance", instance_id=instance.id)),
        ("Service Templates", places.url("templates", instance_id=instance.id)),
        ("Service Plans", places.url("plans", instance_id=instance.id)),
        current=current,
    )


def office365_tabs(places: Places, current: str) -> Sequence[Tab]:
    return make_tabs(
        ("General", places.url("office365")), ("Service Plans", places.url("plans")), current=current
    )


def plan_tabs(places: Places, plan: ServicePlan, current: str) -> Sequence[Tab]:
    return make_tabs(
        ("Subscriptions", places.plan(plan)),
        ("General", places.plan(plan, "plan_general")),
        ("Prices", places.plan(plan, "plan_prices")),
        ("Delegation", places.plan(plan, "plan_delegation")),
        current=current,
    )


def reseller_tabs(places: Places, reseller: Account, current: str) -> Sequence[Tab]:
    return make_tabs(
        ("General", places.url("reseller", reseller_id=reseller.id)),
        ("Customers", places.url("reseller_customers", reseller_id=reseller.id)),
        ("Delegated Plans", places.url("reseller_plans", reseller_id=reseller.id)),
        ("Subscriptions", places.url("reseller_subscriptions", reseller_id=reseller.id)),
        current=current,
    )
