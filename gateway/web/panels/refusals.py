"""Pages for what cannot be done or does not exist, in place of the API's problem documents."""

from __future__ import annotations

from http import HTTPStatus

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import DATABASE_AWAY
from gateway.web.panels.places import AREAS
from gateway.web.panels.rendering import page, see_other

_TITLES = {
    HTTPStatus.FORBIDDEN: "That is not for this account",
    HTTPStatus.NOT_FOUND: "Nothing is at this address",
    HTTPStatus.METHOD_NOT_ALLOWED: "That cannot be done here",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database cannot be reached",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
}


def is_panel(request: Request) -> bool:
    """Whether people look at the answers to this request."""
    route = getattr(request, "matched_route", None)
    if route is not None:
        return route.name.partition(".")[0] in (*AREAS, "session")
    first = request.environ.get("PATH_INFO", "").strip("/").partition("/")[0]
    return first in AREAS


def refusal(request: Request, status: HTTPStatus, detail: str) -> Response:
    try:
        request.signed_in  # noqa: B018 (looked up here, where a database that is away does no harm)
    except DATABASE_AWAY:
        request.signed_in = None
    title = _TITLES.get(status, "That did not work")
    return page(request, "refusal.jinja2", status, title=title, detail=detail)


def must_sign_in(request: Request) -> Response:
    """On to the sign-in page for those without a session; what is another account's does not exist."""
    if request.signed_in is not None:
        return refusal(request, HTTPStatus.NOT_FOUND, "Nothing is at this address")
    query = {"next": request.path_qs} if request.method in ("GET", "HEAD") else None
    return see_other(request, request.route_path("session.sign_in", _query=query))


def form_out_of_date(request: Request) -> Response:
    detail = "The form was too old or did not come from here; nothing was done. Go back, reload and try again"
    return refusal(request, HTTPStatus.FORBIDDEN, detail)
