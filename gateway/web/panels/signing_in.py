"""Signing in and out, one's own password, and how the pages look."""

from __future__ import annotations

import logging
from http import HTTPStatus
from urllib.parse import urlsplit

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import utcnow
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Actor
from gateway.services.errors import InvalidRequestError
from gateway.services.sessions import Sessions
from gateway.services.users import LONGEST_LOGIN, Users
from gateway.web.panels.places import Crumb
from gateway.web.panels.preferences import PREFERENCES_COOKIE, YEAR, make_preferences
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.registry import DATABASE
from gateway.web.sessions import SignedIn, forget_session, set_cookie, set_session
from gateway.web.throttle import Throttle

log = logging.getLogger(__name__)

FAILURES_A_MINUTE_FROM_AN_ADDRESS = 20
FAILURES_A_MINUTE_FOR_A_LOGIN = 10
THROTTLES = "gateway.sign_in_throttles"


class SignInThrottle:
    """Slows guessing down, of one password from many places as of many from one place."""

    def __init__(self) -> None:
        self._addresses = Throttle(FAILURES_A_MINUTE_FROM_AN_ADDRESS)
        self._logins = Throttle(FAILURES_A_MINUTE_FOR_A_LOGIN)

    def wait(self, address: str, login: str) -> int:
        return max(self._addresses.wait(address), self._logins.wait(login))

    def record_failure(self, address: str, login: str) -> None:
        self._addresses.record_failure(address)
        self._logins.record_failure(login)


def show_sign_in(request: Request) -> Response:
    if request.signed_in is not None:
        return see_other(
            request, _after_sign_in(request, request.signed_in.area, request.GET.get("next", ""))
        )
    return _sign_in_page(request, next_url=request.GET.get("next", ""))


def sign_in(request: Request) -> Response:
    login = str(request.POST.get("login", "")).strip().lower()[:LONGEST_LOGIN]
    next_url = str(request.POST.get("next", ""))
    address = request.remote_addr or "unknown"
    throttle: SignInThrottle = request.registry[THROTTLES]
    if seconds := throttle.wait(address, login):
        problem = f"Too many sign-ins have failed. Try again in {seconds} s"
        response = _sign_in_page(request, HTTPStatus.TOO_MANY_REQUESTS, login, next_url, problem)
        response.headers["Retry-After"] = str(seconds)
        return response
    user_id = _verify(request, login, str(request.POST.get("password", "")))
    if user_id is None:
        throttle.record_failure(address, login)
        _record(request, AuditAction.SIGN_IN_REFUSED, login, None)
        problem = "This login and password do not belong together"
        return _sign_in_page(request, HTTPStatus.UNPROCESSABLE_ENTITY, login, next_url, problem)
    return _open_session(request, user_id, next_url)


def sign_out(request: Request) -> Response:
    who: SignedIn | None = request.signed_in
    if who is not None:
        Sessions(request.db).close(who.token)
        _record(request, AuditAction.SIGNED_OUT, who.login, who.caller.account_id)
    return _signed_out(request, "You are signed out")


def sign_out_everywhere(request: Request) -> Response:
    who: SignedIn | None = request.signed_in
    if who is not None:
        Sessions(request.db).close_all(who.user_id)
        _record(request, AuditAction.SIGNED_OUT_EVERYWHERE, who.login, who.caller.account_id)
    return _signed_out(request, "You are signed out in every browser")


def show_account(request: Request) -> Response:
    return _account_page(request)


def change_password(request: Request) -> Response:
    """Needs the present one; every other browser is signed out."""
    who: SignedIn = request.signed_in
    throttle: SignInThrottle = request.registry[THROTTLES]
    address = request.remote_addr or "unknown"
    if seconds := throttle.wait(address, who.login):
        return _account_page(request, f"Too many tries have failed. Try again in {seconds} s")
    if _verify(request, who.login, str(request.POST.get("password", ""))) is None:
        throttle.record_failure(address, who.login)
        return _account_page(request, "The present password is another one")
    new = str(request.POST.get("new_password", ""))
    if new != request.POST.get("new_password_again"):
        return _account_page(request, "The new password was typed in two ways")
    try:
        Users(request.db).change_password(who.login, new)
    except InvalidRequestError as exc:
        return _account_page(request, f"The new {exc}")
    Sessions(request.db).close_all(who.user_id, keep=who.token)
    _record(request, AuditAction.PASSWORD_CHANGED, who.login, who.caller.account_id)
    message = Message("done", "Password changed; every other browser is signed out")
    return see_other(request, request.route_path("session.account"), message)


def change_preferences(request: Request) -> Response:
    chosen = make_preferences(str(request.POST.get("theme", "")), str(request.POST.get("density", "")))
    response = see_other(request, _local(str(request.POST.get("next", ""))) or "/")
    set_cookie(request, response, PREFERENCES_COOKIE, ".".join(chosen), YEAR)
    return response


def _verify(request: Request, login: str, password: str) -> int | None:
    """The user's id; looked up in a transaction that only reads, since hashing takes its time."""
    if not login.isprintable():
        return None
    with request.registry[DATABASE].read() as db:
        user = Users(db).verify(login, password)
        return user.id if user is not None else None


def _open_session(request: Request, user_id: int, next_url: str) -> Response:
    user = Users(request.db).get(user_id)
    assert user is not None
    token = Sessions(request.db).open(user, utcnow())
    _record(request, AuditAction.SIGNED_IN, user.login, user.account_id)
    area = user.account.type.value
    response = see_other(request, _after_sign_in(request, area, next_url))
    set_session(request, response, token)
    return response


def _record(request: Request, action: AuditAction, actor: str, account_id: str | None) -> None:
    Audit(request.db).record(action, Actor(actor, account_id, request.remote_addr), utcnow())


def _signed_out(request: Request, text: str) -> Response:
    response = see_other(request, request.route_path("session.sign_in"), Message("done", text))
    forget_session(response)
    return response


def _after_sign_in(request: Request, area: str, next_url: str) -> str:
    """Where somebody wanted to go, if that is in the own panel."""
    wanted = _local(next_url)
    own = wanted.startswith((f"/{area}/", "/account"))
    return wanted if own else request.route_path(f"{area}.home")


def _local(url: str) -> str:
    """The address if it is one of this site, else nothing: links from elsewhere lead nobody astray."""
    parts = urlsplit(url) if url.isprintable() and "\\" not in url else None
    is_local = parts is not None and not parts.scheme and not parts.netloc
    return url if is_local and url.startswith("/") and not url.startswith("//") else ""


def _sign_in_page(
    request: Request,
    status: HTTPStatus = HTTPStatus.OK,
    login: str = "",
    next_url: str = "",
    problem: str = "",
) -> Response:
    return page(request, "sign_in.jinja2", status, login=login, next_url=_local(next_url), problem=problem)


def _account_page(request: Request, problem: str = "") -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    trail = [Crumb("Your account", request.route_path("session.account"))]
    return page(request, "account.jinja2", status, trail=trail, problem=problem)
