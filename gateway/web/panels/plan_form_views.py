"""What a service plan is: the form of a new one, and the tabs General, Prices and Delegation."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import utcnow
from gateway.models import PlanKind, ServicePlan
from gateway.services.catalog_queries import CatalogQueries
from gateway.services.delegation import Delegation
from gateway.services.service_plans import ServicePlans
from gateway.services.service_templates import ServiceTemplates
from gateway.web.panels.forms import (
    MORE,
    Form,
    Labels,
    Refused,
    attempt,
    read_form,
    seen_at,
    values_of,
)
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.plan_forms import (
    CURRENCY,
    PERIOD_MARKS,
    PERIOD_MEMBERS,
    PERIODS,
    RATES,
    blank_period,
    labels_for,
    price_values,
    prices_of,
    structure_of,
    structure_values,
    types_of,
)
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.selecting import find_plan
from gateway.web.panels.tabs import plan_tabs
from gateway.web.panels.words import PLAN_KINDS, RESOURCE_KINDS, counted
from gateway.web.security import Permission

TITLE = "Add New Service Plan"
RESELLERS = Labels({"resellers": "Resellers"})


def new_plan(request: Request) -> Response:
    """First the template and the kind, then the form that they give."""
    chosen = Form({name: request.GET.get(name, "") for name in ("service_template", "kind")})
    if not all(chosen.values.values()):
        return _choice_page(request, chosen)
    return _new_page(
        request, Form({**chosen.values} | values_of(PERIODS, [blank_period(chosen.value("kind"))]))
    )


def create_plan(request: Request) -> Response:
    form = read_form(request)
    if form.value(MORE):
        more = blank_period(form.value("kind"))
        return _new_page(request, form.with_rows(PERIODS, PERIOD_MEMBERS, PERIOD_MARKS, more))
    form = form.with_rows(PERIODS, PERIOD_MEMBERS, PERIOD_MARKS)
    instance_id = request.matchdict["instance_id"]
    template_id = form.value("service_template")
    template = ServiceTemplates(request.db, request.caller).get_one(instance_id, template_id).template
    types = types_of(template)
    draft = structure_of(form, types) | prices_of(form, types)
    draft |= {"kind": form.value("kind"), "service_template": template_id}
    service = ServicePlans(request.db, request.caller)
    result = attempt(form, labels_for(form, types), lambda: service.create(instance_id, draft, utcnow()))
    if isinstance(result, Refused):
        return _new_page(request, result.form, result.status)
    return _saved(request, result, "plan_general", f"Service plan {result.name} created")


def show_general(request: Request) -> Response:
    plan = find_plan(request)
    return _plan_page(request, "General", plan, Form(structure_values(plan)))


def change_general(request: Request) -> Response:
    plan = find_plan(request)
    form = read_form(request)
    types = types_of(plan.service_template)
    service = ServicePlans(request.db, request.caller)
    draft = structure_of(form, types)
    result = attempt(
        form,
        labels_for(form, types),
        lambda: service.change(plan.id, draft, seen=seen_at(form), now=utcnow()),
    )
    if isinstance(result, Refused):
        return _plan_page(request, "General", plan, result.form, result.status)
    return _saved(request, result, "plan_general", f"Service plan {result.name} saved")


def show_prices(request: Request) -> Response:
    plan = find_plan(request)
    return _plan_page(request, "Prices", plan, Form(price_values(plan)))


def change_prices(request: Request) -> Response:
    plan = find_plan(request)
    form = read_form(request)
    if form.value(MORE):
        more = form.with_rows(PERIODS, PERIOD_MEMBERS, PERIOD_MARKS, blank_period(plan.kind.value))
        return _plan_page(request, "Prices", plan, more)
    form = form.with_rows(PERIODS, PERIOD_MEMBERS, PERIOD_MARKS)
    types = types_of(plan.service_template)
    service = ServicePlans(request.db, request.caller)
    draft = prices_of(form, types)
    result = attempt(
        form,
        labels_for(form, types),
        lambda: service.change_prices(plan.id, draft, seen=seen_at(form), now=utcnow()),
    )
    if isinstance(result, Refused):
        return _plan_page(request, "Prices", plan, result.form, result.status)
    return _saved(request, result, "plan_prices", f"Prices of {result.name} saved")


def show_delegation(request: Request) -> Response:
    return _delegation_page(request, find_plan(request), Form())


def delegate(request: Request) -> Response:
    plan = find_plan(request)
    chosen = [str(each) for each in request.POST.getall("resellers")]
    service = Delegation(request.db, request.caller)
    result = attempt(Form(), RESELLERS, lambda: service.delegate(plan.id, chosen, utcnow()))
    if isinstance(result, Refused):
        return _delegation_page(request, plan, result.form, result.status, chosen)
    text = f"{plan.name} delegated to {counted(len(result), 'reseller')}"
    return _saved(request, plan, "plan_delegation", text)


def _choice_page(request: Request, form: Form) -> Response:
    places = Places(request)
    instance = CatalogQueries(request.db, request.caller).application_instance(
        request.matchdict["instance_id"]
    )
    return page(
        request,
        "plan_choice.jinja2",
        trail=[*places.plans_trail(instance), Crumb(TITLE, request.path)],
        instance=instance,
        rows=ServiceTemplates(request.db, request.caller).list(instance.id),
        kinds=[(kind.value, *words) for kind, words in PLAN_KINDS.items()],
        form=form,
    )


def _new_page(request: Request, form: Form, status: HTTPStatus = HTTPStatus.OK) -> Response:
    places = Places(request)
    instance_id = request.matchdict["instance_id"]
    templates = ServiceTemplates(request.db, request.caller)
    template = templates.get_one(instance_id, form.value("service_template")).template
    instance = template.application_instance
    kind = _kind(form.value("kind"))
    return page(
        request,
        "plan_new.jinja2",
        status,
        trail=[*places.plans_trail(instance), Crumb(TITLE, request.path)],
        instance=instance,
        service_template=template,
        kind=kind,
        kind_words=PLAN_KINDS[kind],
        **_form_parts(form, template.resource_types),
    )


def _plan_page(
    request: Request, tab: str, plan: ServicePlan, form: Form, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    places = Places(request)
    here = Crumb(tab, request.path)
    return page(
        request,
        f"plan_{tab.lower()}.jinja2",
        status,
        trail=[*places.plan_trail(plan), here],
        tabs=plan_tabs(places, plan, tab),
        plan=plan,
        kind_words=PLAN_KINDS[plan.kind],
        original=_original(request, plan),
        may_edit=bool(request.has_permission(Permission.PLAN_EDIT)),
        may_restructure=ServicePlans(request.db, request.caller).may_restructure(plan),
        **_contained(plan, form),
        **_form_parts(form, plan.service_template.resource_types),
    )


def _contained(plan: ServicePlan, form: Form) -> dict[str, Any]:
    """Resources that the plan contains or has a rate for, and the others."""
    ids = {each.resource_type_id for each in plan.resources}
    types = types_of(plan.service_template)
    has = {each.id: each.id in ids or bool(form.value(f"{RATES}-{each.id}-recurring_fee")) for each in types}
    return {
        "contained": [each for each in types if has[each.id]],
        "others": [each for each in types if not has[each.id]],
    }


def _delegation_page(
    request: Request,
    plan: ServicePlan,
    form: Form,
    status: HTTPStatus = HTTPStatus.OK,
    chosen: list[str] | None = None,
) -> Response:
    places = Places(request)
    return page(
        request,
        "plan_delegation.jinja2",
        status,
        trail=[*places.plan_trail(plan), Crumb("Delegation", request.path)],
        tabs=plan_tabs(places, plan, "Delegation"),
        plan=plan,
        rows=Delegation(request.db, request.caller).list(plan),
        may_edit=bool(request.has_permission(Permission.PLAN_EDIT)),
        form=form,
        chosen=chosen or [],
    )


def _form_parts(form: Form, types: Any) -> dict[str, Any]:
    return {
        "form": form,
        "types": sorted(types, key=lambda each: each.id),
        "resource_kinds": RESOURCE_KINDS,
        "periods": form.count(PERIODS) or 1,
        "currency": form.value(f"{PERIODS}-0-currency") or CURRENCY,
    }


def _original(request: Request, plan: ServicePlan) -> ServicePlan | None:
    """The plan that it is a copy of, if the caller sees that one."""
    if plan.delegated_from_id is None:
        return None
    found = request.db.get_one(ServicePlan, plan.delegated_from_id)
    return found if request.caller.sees(found.vendor_id) else None


def _kind(text: str) -> PlanKind:
    return next((kind for kind in PlanKind if kind.value == text), PlanKind.STANDARD)


def _saved(request: Request, plan: ServicePlan, screen: str, text: str) -> Response:
    return see_other(request, Places(request).plan(plan, screen), Message("done", text))
