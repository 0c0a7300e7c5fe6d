"""Resellers and customers: lists, forms, and what each is subscribed to."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import utcnow
from gateway.models import Account
from gateway.services.accounts import CUSTOMER_MEMBERS, RESELLER_MEMBERS, Accounts
from gateway.services.catalog.describing import describe_account
from gateway.services.customer_management import CustomerManagement
from gateway.services.vendors import AccountNotFoundError
from gateway.web.panels.forms import Form, Labels, Refused, attempt, read_form, seen_at, seen_value
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.tabs import reseller_tabs
from gateway.web.panels.words import SUBSCRIPTION_STATUSES
from gateway.web.security import Permission

ROWS = 50
LABELS = Labels(
    {
        "name": "Name",
        "parent": "Vendor",
        "mpn_id": "MPN ID",
        "email": "Email",
        "microsoft_tenant_id": "Microsoft tenant ID",
        "domain": "Domain",
    }
)


def list_resellers(request: Request) -> Response:
    rows = Accounts(request.db, request.caller).resellers()
    return page(
        request,
        "resellers.jinja2",
        trail=Places(request).resellers_trail(),
        rows=rows,
        managing=CustomerManagement(request.db).instances_by_reseller(),
        may_edit=_may_edit(request),
    )


def new_reseller(request: Request) -> Response:
    return _new_page(request, "reseller", Form({"parent": request.GET.get("vendor", "")}))


def create_reseller(request: Request) -> Response:
    form = read_form(request)
    accounts = Accounts(request.db, request.caller)
    draft = {name: form.value(name) for name in RESELLER_MEMBERS}
    result = attempt(form, LABELS, lambda: accounts.create_reseller(form.value("parent"), draft, utcnow()))
    if isinstance(result, Refused):
        return _new_page(request, "reseller", result.form, result.status)
    url = Places(request).url("reseller", reseller_id=result.id)
    return see_other(request, url, Message("done", f"Reseller {result.name} created"))


def show_reseller(request: Request) -> Response:
    found = _reseller(request)
    return _reseller_page(request, found, _form_of(found))


def change_reseller(request: Request) -> Response:
    found = _reseller(request)
    result = _change(request, found, RESELLER_MEMBERS)
    if isinstance(result, Refused):
        return _reseller_page(request, found, result.form, result.status)
    url = Places(request).url("reseller", reseller_id=found.id)
    return see_other(request, url, Message("done", f"Reseller {found.name} saved"))


def show_reseller_plans(request: Request) -> Response:
    found = _reseller(request)
    plans = Accounts(request.db, request.caller).plans(found)
    return _tab(request, found, "Delegated Plans", "reseller_plans.jinja2", plans=plans)


def show_reseller_subscriptions(request: Request) -> Response:
    found = _reseller(request)
    return _tab(
        request,
        found,
        "Subscriptions",
        "reseller_subscriptions.jinja2",
        subscriptions=Accounts(request.db, request.caller).subscriptions(found),
        statuses=SUBSCRIPTION_STATUSES,
        may_edit=_may_edit(request),
    )


def list_reseller_customers(request: Request) -> Response:
    found = _reseller(request)
    return _tab(request, found, "Customers", "customers.jinja2", **_customers(request, found))


def list_customers(request: Request) -> Response:
    """Those of one's own account."""
    own = request.db.get_one(Account, request.caller.account_id)
    return page(
        request,
        "customers.jinja2",
        trail=Places(request).customers_trail(),
        tabs=None,
        **_customers(request, own),
    )


def new_customer(request: Request) -> Response:
    return _new_page(request, "customer", Form({"parent": request.GET.get("vendor", "")}))


def create_customer(request: Request) -> Response:
    form = read_form(request)
    accounts = Accounts(request.db, request.caller)
    draft = {name: form.value(name) for name in CUSTOMER_MEMBERS}
    result = attempt(form, LABELS, lambda: accounts.create_customer(form.value("parent"), draft, utcnow()))
    if isinstance(result, Refused):
        return _new_page(request, "customer", result.form, result.status)
    url = Places(request).url("customer", customer_id=result.id)
    return see_other(request, url, Message("done", f"Customer {result.name} created"))


def show_customer(request: Request) -> Response:
    found = _customer(request)
    return _customer_page(request, found, _form_of(found))


def change_customer(request: Request) -> Response:
    found = _customer(request)
    result = _change(request, found, CUSTOMER_MEMBERS)
    if isinstance(result, Refused):
        return _customer_page(request, found, result.form, result.status)
    url = Places(request).url("customer", customer_id=found.id)
    return see_other(request, url, Message("done", f"Customer {found.name} saved"))


def _change(request: Request, account: Account, members: tuple[str, ...]) -> Account | Refused:
    form = read_form(request)
    accounts = Accounts(request.db, request.caller)
    draft = {name: form.value(name) for name in members}
    return attempt(form, LABELS, lambda: accounts.change(account, draft, seen=seen_at(form), now=utcnow()))


def _customers(request: Request, vendor: Account) -> dict[str, Any]:
    text = request.GET.get("text", "").strip()
    accounts = Accounts(request.db, request.caller)
    cursor = request.GET.get("cursor") or None
    return {
        "vendor": vendor,
        "text": text,
        "found": accounts.customers(vendor.id, text=text, cursor=cursor, limit=ROWS),
        "may_edit": _may_edit(request),
    }


def _new_page(request: Request, kind: str, form: Form, status: HTTPStatus = HTTPStatus.OK) -> Response:
    places = Places(request)
    accounts = Accounts(request.db, request.caller)
    vendors = accounts.vendors()
    if form.value("parent") not in ("", *(each.id for each in vendors)):
        raise AccountNotFoundError([form.value("parent")])
    trail = places.resellers_trail() if kind == "reseller" else places.customers_trail()
    if kind == "customer" and form.value("parent"):
        trail = places.vendor_customers_trail(accounts.vendor(form.value("parent")))
    title = f"Add New {kind.capitalize()}"
    return page(
        request,
        "account_new.jinja2",
        status,
        trail=[*trail, Crumb(title, request.path)],
        title=title,
        kind=kind,
        vendors=[(each.id, each.name) for each in vendors],
        form=form,
        back=trail[-1],
    )


def _reseller_page(
    request: Request, reseller: Account, form: Form, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    return _tab(
        request, reseller, "General", "reseller.jinja2", status, form=form, may_edit=_may_edit(request)
    )


def _customer_page(
    request: Request, customer: Account, form: Form, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    places = Places(request)
    accounts = Accounts(request.db, request.caller)
    vendor = accounts.vendor(customer.parent_id or "")
    return page(
        request,
        "customer.jinja2",
        status,
        trail=[*places.vendor_customers_trail(vendor), Crumb(customer.name, request.path)],
        customer=customer,
        vendor=vendor,
        subscriptions=accounts.subscriptions(customer),
        statuses=SUBSCRIPTION_STATUSES,
        form=form,
        may_edit=_may_edit(request),
    )


def _tab(
    request: Request,
    reseller: Account,
    tab: str,
    template: str,
    status: HTTPStatus = HTTPStatus.OK,
    **values: Any,
) -> Response:
    places = Places(request)
    trail = places.reseller_trail(reseller)
    if tab != "General":
        trail = [*trail, Crumb(tab, request.path)]
    tabs = reseller_tabs(places, reseller, tab)
    return page(request, template, status, trail=trail, tabs=tabs, reseller=reseller, **values)


def _reseller(request: Request) -> Account:
    return Accounts(request.db, request.caller).reseller(request.matchdict["reseller_id"])


def _customer(request: Request) -> Account:
    return Accounts(request.db, request.caller).customer(request.matchdict["customer_id"])


def _form_of(account: Account) -> Form:
    values = {name: str(value or "") for name, value in describe_account(account).items()}
    return Form(values | seen_value(account.updated_at))


def _may_edit(request: Request) -> bool:
    return bool(request.has_permission(Permission.ACCOUNT_EDIT))
