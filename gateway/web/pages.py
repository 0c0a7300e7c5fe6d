"""The few pages for people: what this is, and that an address leads nowhere."""

from __future__ import annotations

from http import HTTPStatus
from importlib.resources import files

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from gateway.web.views import Method, add_address

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Our own style sheet and pictures, and nothing else."""

CACHE_SECONDS = 3600


def landing(_request: Request) -> Response:
    return _page("start.html")


def page_not_found() -> Response:
    return _page("not-found.html", HTTPStatus.NOT_FOUND)


def _page(name: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    html = files("gateway.web").joinpath("static", name).read_bytes()
    response = Response(html, status=int(status), content_type="text/html", charset="utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    return response


def includeme(config: Configurator) -> None:
    config.add_static_view("static", "gateway.web:static", cache_max_age=CACHE_SECONDS)
    add_address(config, "landing", "/", {"GET": Method(landing, permission=None)})
