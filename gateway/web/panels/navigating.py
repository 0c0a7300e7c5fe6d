"""The way to a service plan: each step a page of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import DATABASE_AWAY
from gateway.models import Account, ApplicationInstance
from gateway.services.abilities import Abilities, MissingAbility
from gateway.services.catalog_queries import CatalogQueries, PlanRow
from gateway.services.paging import Page
from gateway.web.panels.places import PACKAGE, Crumb, Places
from gateway.web.panels.rendering import page, see_other
from gateway.web.panels.tabs import (
    applications_tabs,
    instance_tabs,
    make_tabs,
    office365_tabs,
    package_tabs,
)
from gateway.web.registry import BACKGROUND, CLIENTS, SETTINGS
from gateway.web.security import Permission


class Section(NamedTuple):
    """The plans of one application instance, or what is missing to see them."""

    instance: ApplicationInstance
    plans: Page[PlanRow] | None
    missing: MissingAbility | None


def home(request: Request) -> Response:
    places = Places(request)
    return see_other(request, places.url("customer_cp" if places.area == "reseller" else "services"))


def services(request: Request) -> Response:
    places = Places(request)
    return page(request, "services.jinja2", trail=places.home_trail()[:1])


def applications(request: Request) -> Response:
    places = Places(request)
    instances = CatalogQueries(request.db, request.caller).application_instances()
    return page(
        request,
        "applications.jinja2",
        trail=places.home_trail(),
        tabs=applications_tabs(places, "General"),
        instances=instances,
        package=PACKAGE,
    )


def aps_connectors(request: Request) -> Response:
    places = Places(request)
    tabs = applications_tabs(places, "APS Connectors")
    instances = CatalogQueries(request.db, request.caller).application_instances()
    trail = places.package_trail()[:-1]
    return page(
        request, "aps_connectors.jinja2", trail=trail, tabs=tabs, instances=instances, package=PACKAGE
    )


def package(request: Request) -> Response:
    places = Places(request)
    instances = CatalogQueries(request.db, request.caller).application_instances()
    return page(
        request,
        "package.jinja2",
        trail=places.package_trail(),
        tabs=package_tabs(places, "General"),
        instances=instances,
        package=PACKAGE,
    )


def instances(request: Request) -> Response:
    places = Places(request)
    found = CatalogQueries(request.db, request.caller).application_instances()
    return page(
        request,
        "instances.jinja2",
        trail=[*places.package_trail(), Crumb("Instances", places.url("instances"))],
        tabs=package_tabs(places, "Instances"),
        instances=found,
        states={each.id: _state(request, each) for each in found},
    )


def instance(request: Request) -> Response:
    return instance_page(request)


def instance_page(request: Request, **values: Any) -> Response:
    places = Places(request)
    found = CatalogQueries(request.db, request.caller).application_instance(request.matchdict["instance_id"])
    return page(
        request,
        "instance.jinja2",
        trail=places.instance_trail(found),
        tabs=instance_tabs(places, found, "General"),
        instance=found,
        state=_state(request, found),
        engine=engine_figures(request),
        may_test=bool(request.has_permission(Permission.CONNECTION_TEST)),
        **({"report": None} | values),
    )


def plans(request: Request) -> Response:
    """The tab Service Plans of an instance, and of the reseller's Office 365."""
    places = Places(request)
    queries = CatalogQueries(request.db, request.caller)
    if places.area == "provider":
        found = queries.application_instance(request.matchdict["instance_id"])
        trail, tabs = places.plans_trail(found), instance_tabs(places, found, "Service Plans")
        sections = [_section(request, queries, found)]
    else:
        trail = [*places.package_trail(), Crumb("Service Plans", places.url("plans"))]
        tabs = office365_tabs(places, "Service Plans")
        sections = _sections(request, queries)
    return page(
        request, "plans.jinja2", trail=trail, tabs=tabs, sections=sections, ask=_vendor_above(request)
    )


def customer_cp(request: Request) -> Response:
    places = Places(request)
    tabs = make_tabs(
        ("General", places.url("customer_cp")), (PACKAGE, places.url("office365")), current="General"
    )
    return page(request, "customer_cp.jinja2", trail=places.home_trail(), tabs=tabs, package=PACKAGE)


def office365(request: Request) -> Response:
    places = Places(request)
    sections = _sections(request, CatalogQueries(request.db, request.caller))
    return page(
        request,
        "office365.jinja2",
        trail=places.package_trail(),
        tabs=office365_tabs(places, "General"),
        sections=sections,
        engine=engine_figures(request),
        ask=_vendor_above(request),
    )


def engine_figures(request: Request) -> dict[str, Any]:
    """How many upgrades run, of how many that may; empty when that cannot be told."""
    try:
        status: dict[str, Any] = request.registry[BACKGROUND].status()
    except DATABASE_AWAY:
        return {}
    return {name: status[name] for name in ("limit", "running", "pending") if name in status}


def _sections(request: Request, queries: CatalogQueries) -> list[Section]:
    wanted = request.GET.get("instance")
    found = [each for each in queries.application_instances() if wanted in (None, each.id)]
    return [_section(request, queries, each) for each in found]


def _section(request: Request, queries: CatalogQueries, found: ApplicationInstance) -> Section:
    missing = Abilities(request.db).missing(request.caller, found.id)
    if missing is not None:
        return Section(found, None, missing)
    return Section(found, queries.service_plans(found.id, cursor=request.GET.get("cursor") or None), None)


def _state(request: Request, found: ApplicationInstance) -> dict[str, Any]:
    """What Settings.config says of the instance, and how Partner Center has answered lately."""
    configured = request.registry[SETTINGS].instance(found.name)
    return {
        "configured": configured,
        "trouble": request.registry[CLIENTS].trouble(found.name) if configured else None,
    }


def _vendor_above(request: Request) -> str:
    account = request.db.get_one(Account, request.caller.account_id)
    return account.parent.name if account.parent else "the administrator"
