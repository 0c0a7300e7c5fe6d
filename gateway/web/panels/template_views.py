"""The tab Service Templates of an application instance, and the form of a template."""

from __future__ import annotations

from http import HTTPStatus

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import utcnow
from gateway.models import ResourceKind, ServiceTemplate
from gateway.services.catalog.describing import describe_template
from gateway.services.catalog.editing import Entry
from gateway.services.catalog_queries import CatalogQueries
from gateway.services.service_templates import ServiceTemplates
from gateway.web.panels.forms import (
    MORE,
    Form,
    Labels,
    Refused,
    attempt,
    read_form,
    seen_at,
    seen_value,
    values_of,
)
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.tabs import instance_tabs
from gateway.web.panels.words import RESOURCE_KINDS

TYPES = "resource_types"
MEMBERS = ("id", "kind", "name", "offer_id")
MARKS = ("name", "offer_id", "id")
BLANK = {"id": "", "kind": ResourceKind.LICENSE.value, "name": "", "offer_id": ""}
LABELS = Labels(
    {
        "name": "Name",
        TYPES: "Resource types",
        f"{TYPES}.kind": "Kind of resource type {row}",
        f"{TYPES}.name": "Name of resource type {row}",
        f"{TYPES}.offer_id": "Offer ID of resource type {row}",
        f"{TYPES}.id": "ID of resource type {row}",
    }
)
TITLE = "Add New Service Template"


def list_templates(request: Request) -> Response:
    places = Places(request)
    instance = CatalogQueries(request.db, request.caller).application_instance(
        request.matchdict["instance_id"]
    )
    return page(
        request,
        "templates.jinja2",
        trail=places.templates_trail(instance),
        tabs=instance_tabs(places, instance, "Service Templates"),
        instance=instance,
        rows=ServiceTemplates(request.db, request.caller).list(instance.id),
    )


def new_template(request: Request) -> Response:
    return _form_page(request, Form({"name": ""} | values_of(TYPES, [BLANK])))


def create_template(request: Request) -> Response:
    form = read_form(request)
    if form.value(MORE):
        return _form_page(request, form.with_rows(TYPES, MEMBERS, MARKS, BLANK))
    form = form.with_rows(TYPES, MEMBERS, MARKS)
    service = ServiceTemplates(request.db, request.caller)
    result = attempt(
        form, LABELS, lambda: service.create(request.matchdict["instance_id"], _draft(form), utcnow())
    )
    if isinstance(result, Refused):
        return _form_page(request, result.form, result.status)
    return _saved(request, result, f"Service template {result.name} created")


def show_template(request: Request) -> Response:
    template = _find(request)
    entry = describe_template(template)
    values = {"name": template.name} | values_of(TYPES, entry[TYPES]) | seen_value(template.updated_at)
    return _form_page(request, Form(values), template=template)


def change_template(request: Request) -> Response:
    template = _find(request)
    form = read_form(request)
    if form.value(MORE):
        return _form_page(request, form.with_rows(TYPES, MEMBERS, MARKS, BLANK), template=template)
    form = form.with_rows(TYPES, MEMBERS, MARKS)
    service = ServiceTemplates(request.db, request.caller)
    instance_id = request.matchdict["instance_id"]
    result = attempt(
        form,
        LABELS,
        lambda: service.change(instance_id, template.id, _draft(form), seen=seen_at(form), now=utcnow()),
    )
    if isinstance(result, Refused):
        return _form_page(request, result.form, result.status, template=template)
    return _saved(request, result, f"Service template {result.name} saved")


def _find(request: Request) -> ServiceTemplate:
    parts = request.matchdict["instance_id"], request.matchdict["template_id"]
    return ServiceTemplates(request.db, request.caller).get_one(*parts).template


def _draft(form: Form) -> Entry:
    return {
        "name": form.value("name"),
        TYPES: [form.row(TYPES, number, MEMBERS) for number in range(form.count(TYPES))],
    }


def _form_page(
    request: Request,
    form: Form,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    template: ServiceTemplate | None = None,
) -> Response:
    places = Places(request)
    queries = CatalogQueries(request.db, request.caller)
    instance = queries.application_instance(request.matchdict["instance_id"])
    here = Crumb(template.name if template else TITLE, request.path)
    return page(
        request,
        "template.jinja2",
        status,
        trail=[*places.templates_trail(instance), here],
        instance=instance,
        service_template=template,
        form=form,
        rows=form.count(TYPES) or 1,
        kinds=[(kind.value, word) for kind, word in RESOURCE_KINDS.items()],
    )


def _saved(request: Request, template: ServiceTemplate, text: str) -> Response:
    url = Places(request).url(
        "template", instance_id=template.application_instance_id, template_id=template.id
    )
    return see_other(request, url, Message("done", text))
