"""Subscribe: a reseller to the Office 365 Customer Management plan, with the Office 365 subdomain form."""

from __future__ import annotations

from http import HTTPStatus

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import utcnow
from gateway.models import Account, Subscription
from gateway.services.accounts import Accounts
from gateway.services.enrolment import (
    NEW_ACCOUNT,
    DomainCheckUnavailableError,
    Enrolment,
    SubdomainForm,
)
from gateway.web.panels.forms import Form, Labels, Refused, attempt, read_form
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.registry import CLIENTS, DATABASE

TITLE = "Subscribe"
LABELS = Labels(
    {"service_plan": "Service plan", "office365_subdomain.choice": "Microsoft account"}
    | {"office365_subdomain.subdomain": "Subdomain"}
)


def show_subscribe(request: Request) -> Response:
    """First the plan, then the form; where there is one plan only, the form at once."""
    reseller = Accounts(request.db, request.caller).reseller(request.matchdict["reseller_id"])
    plans = Enrolment(request.db, request.caller).plans(reseller)
    wanted = request.GET.get("service_plan", "")
    if not wanted and len(plans) == 1:
        wanted = plans[0].id
    form = Form({"service_plan": wanted, "choice": NEW_ACCOUNT})
    return _form_page(request, reseller, form) if wanted else _plans_page(request, reseller)


def subscribe(request: Request) -> Response:
    """Microsoft is asked before the transaction begins that keeps others from writing."""
    form = read_form(request)
    result: Subscription | Refused | None = attempt(form, LABELS, lambda: _check(request, form))
    if result is None:
        result = attempt(form, LABELS, lambda: _subscribe(request, form))
    reseller = Accounts(request.db, request.caller).reseller(request.matchdict["reseller_id"])
    if isinstance(result, Refused):
        return _form_page(request, reseller, result.form, result.status)
    text = f"{reseller.name} is subscribed to Office 365 Customer Management and may upgrade subscriptions"
    url = Places(request).url("reseller_subscriptions", reseller_id=reseller.id)
    return see_other(request, url, Message("done", text))


def _check(request: Request, form: Form) -> Refused | None:
    """Nothing where Microsoft has the subdomain to give."""
    ask = request.registry[CLIENTS].ask_domain_available
    with request.registry[DATABASE].read() as db:
        try:
            Enrolment(db, request.caller).check(*_asked(request, form), ask)
        except DomainCheckUnavailableError as exc:
            form.refuse("", str(exc))
            return Refused(form, HTTPStatus.SERVICE_UNAVAILABLE)
    return None


def _subscribe(request: Request, form: Form) -> Subscription:
    return Enrolment(request.db, request.caller).subscribe(*_asked(request, form), utcnow())


def _asked(request: Request, form: Form) -> tuple[str, str, SubdomainForm]:
    answers = SubdomainForm(choice=form.value("choice"), subdomain=form.value("subdomain"))
    return request.matchdict["reseller_id"], form.value("service_plan"), answers


def _plans_page(request: Request, reseller: Account) -> Response:
    return page(
        request,
        "subscribe_plan.jinja2",
        trail=_trail(request, reseller),
        reseller=reseller,
        plans=Enrolment(request.db, request.caller).plans(reseller),
    )


def _form_page(
    request: Request, reseller: Account, form: Form, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    return page(
        request,
        "subscribe.jinja2",
        status,
        trail=_trail(request, reseller),
        reseller=reseller,
        plan=Enrolment(request.db, request.caller).plan(reseller, form.value("service_plan")),
        form=form,
        new_account=NEW_ACCOUNT,
    )


def _trail(request: Request, reseller: Account) -> list[Crumb]:
    places = Places(request)
    url = places.url("reseller_subscriptions", reseller_id=reseller.id)
    return [*places.reseller_trail(reseller), Crumb("Subscriptions", url), Crumb(TITLE, request.path)]
