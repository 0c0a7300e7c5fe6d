"""API keys: by what programs of the account, and for the provider those of its resellers, come in."""

from __future__ import annotations

from http import HTTPStatus

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import utcnow
from gateway.models import Role
from gateway.services.api_key_administration import APIKeyAdministration
from gateway.services.api_keys import LONGEST_NAME
from gateway.services.errors import InvalidRequestError
from gateway.services.user_administration import UserAdministration
from gateway.services.vendors import AccountNotFoundError
from gateway.web.panels.forms import Form, sent, sentence
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.user_views import ROLE_HINT, access_tabs
from gateway.web.panels.words import ROLES
from gateway.web.security import Permission

ROWS = 50
LABELS = {"name": "Name", "account": "Account", "role": "Role"}


def show_keys(request: Request) -> Response:
    places = Places(request)
    administration = APIKeyAdministration(request.db, request.caller)
    return page(
        request,
        "api_keys.jinja2",
        trail=[*places.access_trail(), Crumb("API keys", places.url("api_keys"))],
        tabs=access_tabs(places, "api_keys"),
        rows=administration.find(cursor=request.GET.get("cursor") or None, limit=ROWS),
        roles=ROLES,
        sees_accounts=request.caller.is_provider,
        may_manage=bool(request.has_permission(Permission.API_KEY_MANAGE)),
    )


def show_new_key(request: Request) -> Response:
    return _new_key_page(request, Form())


def create_key(request: Request) -> Response:
    """The only page that ever shows the key: the answer to the form itself, which nobody keeps."""
    form = sent(request)
    role = next((each for each in Role if each.value == form.value("role")), None)
    if role is None:
        form.refuse("role", "Choose one of the roles")
        return _new_key_page(request, form)
    administration = APIKeyAdministration(request.db, request.caller)
    account_id = form.value("account", request.caller.account_id)
    name = "".join(each for each in form.value("name").strip() if each.isprintable())
    try:
        key, text = administration.create(account_id, name, role, utcnow())
    except AccountNotFoundError as exc:
        form.refuse("account", sentence(exc))
        return _new_key_page(request, form)
    except InvalidRequestError as exc:
        form.refuse("name", sentence(exc))
        return _new_key_page(request, form)
    places = Places(request)
    response = page(
        request, "api_key_created.jinja2", trail=_new_trail(places), key=key, text=text, roles=ROLES
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def ask_to_revoke(request: Request) -> Response:
    places = Places(request)
    key = APIKeyAdministration(request.db, request.caller).get_one(request.matchdict["prefix"])
    here = Crumb(f"Revoke {key.prefix}", places.url("api_key_revoke", prefix=key.prefix))
    trail = [*places.access_trail(), Crumb("API keys", places.url("api_keys")), here]
    return page(request, "api_key_revoke.jinja2", trail=trail, key=key, roles=ROLES)


def revoke_key(request: Request) -> Response:
    administration = APIKeyAdministration(request.db, request.caller)
    key = administration.revoke(request.matchdict["prefix"], utcnow())
    message = Message("done", f"API key {key.prefix} ({key.name}) is revoked")
    return see_other(request, Places(request).url("api_keys"), message)


def _new_key_page(request: Request, form: Form) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.problems else HTTPStatus.OK
    return page(
        request,
        "api_key_new.jinja2",
        status,
        trail=_new_trail(Places(request)),
        form=form,
        problem=bool(form.problems),
        labels=LABELS,
        longest_name=LONGEST_NAME,
        accounts=list(UserAdministration(request.db, request.caller).accounts().items()),
        role_options=[(role.value, word) for role, word in ROLES.items()],
        role_hint=ROLE_HINT,
    )


def _new_trail(places: Places) -> list[Crumb]:
    keys = Crumb("API keys", places.url("api_keys"))
    return [*places.access_trail(), keys, Crumb("New API key", places.url("api_key_new"))]
