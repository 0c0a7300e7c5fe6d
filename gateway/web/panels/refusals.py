"""Pages for what cannot be done or does not exist, in place of the API's problem documents."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import DATABASE_AWAY
from gateway.web.panels.places import AREAS, Places
from gateway.web.panels.rendering import Message, page, see_other


class Way(NamedTuple):
    """Where to go on from a refusal."""

    name: str
    url: str


_TITLES = {
    HTTPStatus.FORBIDDEN: "That is not for this account",
    HTTPStatus.NOT_FOUND: "Nothing is at this address",
    HTTPStatus.METHOD_NOT_ALLOWED: "That cannot be done here",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database cannot be reached",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
}
_TITLES_OF_CODES = {
    "customer_management_required": "Upgrades are not open to your account yet",
    "form_out_of_date": "The form is out of date",
}
"""Where the reason says more than the status."""
_DETAILS = {
    HTTPStatus.NOT_FOUND: "It may have been removed, belong to another account, or never have existed",
    HTTPStatus.METHOD_NOT_ALLOWED: "The address is that of a button, which has to be pressed on its page",
    HTTPStatus.SERVICE_UNAVAILABLE: "Nothing was changed. Scheduled upgrades go on once it is back."
    " Try again in a moment",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Nothing was changed. If it happens again, tell an administrator"
    " the number below",
}
"""In place of what a program would be told."""


def is_panel(request: Request) -> bool:
    """Whether people look at the answers to this request."""
    route = getattr(request, "matched_route", None)
    if route is not None:
        return route.name.partition(".")[0] in (*AREAS, "session")
    first = request.environ.get("PATH_INFO", "").strip("/").partition("/")[0]
    return first in AREAS


def refusal(request: Request, status: HTTPStatus, detail: str, code: str = "") -> Response:
    try:
        request.signed_in  # noqa: B018 (looked up here, where a database that is away does no harm)
    except DATABASE_AWAY:
        request.signed_in = None
    return page(
        request,
        "refusal.jinja2",
        status,
        title=_TITLES_OF_CODES.get(code) or _TITLES.get(status, "That did not work"),
        detail=_DETAILS.get(status, detail[:1].upper() + detail[1:]),
        ways=list(_ways(request, status)),
    )


def must_sign_in(request: Request) -> Response:
    """On to the sign-in page for those without a session; what is another account's does not exist."""
    if request.signed_in is not None:
        return refusal(request, HTTPStatus.NOT_FOUND, "Nothing is at this address")
    if request.method in ("GET", "HEAD"):
        return see_other(request, _sign_in_url(request, request.path_qs))
    ended = Message("failed", "Your session had ended, so nothing was done. Sign in to go on where you were")
    return see_other(request, _sign_in_url(request, came_from(request)), ended)


def form_out_of_date(request: Request) -> Response:
    detail = (
        "It was too old or did not come from here, so nothing was done. Go back to the page and try again"
    )
    return refusal(request, HTTPStatus.FORBIDDEN, detail, "form_out_of_date")


def came_from(request: Request) -> str:
    """The address, on this site, of the page whose form was sent; empty where the browser does not say."""
    parts = urlsplit(request.headers.get("Referer", ""))
    if parts.netloc != request.host or not parts.path.startswith("/"):
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _ways(request: Request, status: HTTPStatus) -> list[Way]:
    reads = request.method in ("GET", "HEAD")
    ways = []
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and reads:
        ways.append(Way("Try again", request.path_qs))
    elif not reads and (before := came_from(request)):
        ways.append(Way("Back to the page", before))
    if request.signed_in is not None:
        ways.append(Way("To the start of the panel", Places(request).url("home")))
    elif status is not HTTPStatus.SERVICE_UNAVAILABLE:
        ways.append(Way("Sign in", _sign_in_url(request, "")))
    return ways or [Way("To the start", "/")]


def _sign_in_url(request: Request, wanted: str) -> str:
    url: str = request.route_path("session.sign_in", _query={"next": wanted} if wanted else None)
    return url
