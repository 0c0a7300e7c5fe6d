"""People of the account, and for the provider those of its resellers as well."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import utcnow
from gateway.models import Role, User
from gateway.services.errors import InvalidRequestError
from gateway.services.keys import is_row_id
from gateway.services.user_administration import UserAdministration
from gateway.services.users import (
    SHORTEST_PASSWORD,
    InvalidLoginError,
    InvalidPasswordError,
    UserNotFoundError,
)
from gateway.services.vendors import AccountNotFoundError
from gateway.web.panels.forms import Form, sent, sentence
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.tabs import Tab
from gateway.web.panels.words import ROLES
from gateway.web.security import Permission

ROWS = 50
LABELS = {
    "login": "Login",
    "account": "Account",
    "role": "Role",
    "password": "Password",
    "password_again": "Password again",
}
ROLE_HINT = (
    "An administrator may do everything, an operator may upgrade and cancel, who is read-only may look."
)


def show_users(request: Request) -> Response:
    administration = UserAdministration(request.db, request.caller)
    text = request.GET.get("text", "").strip()[:100]
    cursor = request.GET.get("cursor") or None
    return page(
        request,
        "users.jinja2",
        trail=Places(request).access_trail(),
        tabs=access_tabs(Places(request), "users"),
        rows=administration.find(utcnow(), text=_printable(text), cursor=cursor, limit=ROWS),
        text=text,
        roles=ROLES,
        sees_accounts=request.caller.is_provider,
        may_manage=may_manage(request),
    )


def show_new_user(request: Request) -> Response:
    return _new_user_page(request, Form())


def add_user(request: Request) -> Response:
    form = sent(request)
    role = _role(form)
    _check_password(form)
    if role is None or form.problems:
        return _new_user_page(request, form)
    account_id = form.value("account", request.caller.account_id)
    administration = UserAdministration(request.db, request.caller)
    try:
        user = administration.add(form.value("login"), account_id, role, form.value("password"), utcnow())
    except InvalidLoginError as exc:
        form.refuse("login", sentence(exc))
    except InvalidPasswordError as exc:
        form.refuse("password", sentence(exc))
    except AccountNotFoundError as exc:
        form.refuse("account", sentence(exc))
    if form.problems:
        return _new_user_page(request, form)
    message = Message("done", f"User {user.login} added")
    return see_other(request, Places(request).url("user", user_id=user.id), message)


def show_user(request: Request) -> Response:
    return _user_page(request, Form())


def change_role(request: Request) -> Response:
    form = sent(request)
    role = _role(form)
    if role is None:
        return _user_page(request, form)

    def act(administration: UserAdministration, user_id: int) -> User:
        return administration.change_role(user_id, role, utcnow())

    return _act(request, form, "role", act, f"is now {ROLES[role]}")


def set_password(request: Request) -> Response:
    form = sent(request)
    _check_password(form)
    if form.problems:
        return _user_page(request, form)

    def act(administration: UserAdministration, user_id: int) -> User:
        return administration.set_password(user_id, form.value("password"), utcnow())

    return _act(request, form, "password", act, "has a new password and is signed out everywhere")


def disable(request: Request) -> Response:
    def act(administration: UserAdministration, user_id: int) -> User:
        return administration.disable(user_id, utcnow())

    return _act(request, Form(), "", act, "is disabled and signed out everywhere")


def enable(request: Request) -> Response:
    def act(administration: UserAdministration, user_id: int) -> User:
        return administration.enable(user_id, utcnow())

    return _act(request, Form(), "", act, "may sign in again")


def sign_out(request: Request) -> Response:
    def act(administration: UserAdministration, user_id: int) -> User:
        return administration.sign_out(user_id, utcnow())

    return _act(request, Form(), "", act, "is signed out everywhere")


def access_tabs(places: Places, current: str) -> list[Tab]:
    tabs = (("Users", "users"), ("API keys", "api_keys"))
    return [Tab(name, places.url(screen), screen == current) for name, screen in tabs]


def may_manage(request: Request) -> bool:
    return bool(request.has_permission(Permission.USER_MANAGE))


def _act(
    request: Request,
    form: Form,
    field: str,
    act: Callable[[UserAdministration, int], User],
    outcome: str,
) -> Response:
    """Do it and say so, or show the page again with what speaks against it."""
    try:
        user = act(UserAdministration(request.db, request.caller), _user_id(request))
    except InvalidRequestError as exc:
        form.refuse(field, sentence(exc))
        return _user_page(request, form)
    place = Places(request).url("user", user_id=user.id)
    return see_other(request, place, Message("done", f"{user.login} {outcome}"))


def _role(form: Form) -> Role | None:
    role = next((each for each in Role if each.value == form.value("role")), None)
    if role is None:
        form.refuse("role", "Choose one of the roles")
    return role


def _check_password(form: Form) -> None:
    if form.value("password") != form.value("password_again"):
        form.refuse("password_again", "It differs from the password above")


def _new_user_page(request: Request, form: Form) -> Response:
    places = Places(request)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.problems else HTTPStatus.OK
    return page(
        request,
        "user_new.jinja2",
        status,
        trail=[*places.access_trail(), Crumb("New user", places.url("user_new"))],
        form=form,
        problem=bool(form.problems),
        labels=LABELS,
        accounts=list(UserAdministration(request.db, request.caller).accounts().items()),
        **_shared(),
    )


def _user_page(request: Request, form: Form) -> Response:
    places = Places(request)
    user = UserAdministration(request.db, request.caller).get_one(_user_id(request))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.problems else HTTPStatus.OK
    return page(
        request,
        "user.jinja2",
        status,
        trail=[*places.access_trail(), Crumb(user.login, places.url("user", user_id=user.id))],
        form=form,
        problem=bool(form.problems),
        labels=LABELS,
        user=user,
        is_self=user.id == request.signed_in.user_id,
        may_manage=may_manage(request),
        **_shared(),
    )


def _shared() -> dict[str, object]:
    return {
        "roles": ROLES,
        "role_options": [(role.value, word) for role, word in ROLES.items()],
        "role_hint": ROLE_HINT,
        "password_hint": f"At least {SHORTEST_PASSWORD} characters; pass it on in a safe way.",
        "shortest_password": SHORTEST_PASSWORD,
    }


def _user_id(request: Request) -> int:
    text = request.matchdict["user_id"]
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and is_row_id(int(text))):
        raise UserNotFoundError([text])
    return int(text)


def _printable(text: str) -> str | None:
    return "".join(each for each in text if each.isprintable()) or None
