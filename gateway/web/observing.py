"""What every request gets: an id, a line in the log, and headers that keep browsers careful."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from uuid import uuid4

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import INGRESS

from gateway.logs import REQUEST_ID

log = logging.getLogger(__name__)

Handler = Callable[[Request], Response]

ACCOUNT = "gateway.account"
"""Where the environment of a request names the account that asks, once that is known."""

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Given to each response that does not say otherwise; HSTS is the proxy's, which knows about TLS."""


def request_id(request: Request) -> str:
    """The caller's own X-Request-ID when it is harmless, or a new one."""
    given = request.headers.get("X-Request-ID", "")
    return given if _ACCEPTABLE_ID.fullmatch(given) else uuid4().hex


def route_pattern(request: Request) -> str:
    """The pattern of the route, which unlike the path holds nobody's ids."""
    route = getattr(request, "matched_route", None)
    return route.pattern if route else "unmatched"


def observing_tween(handler: Handler, _registry: Registry) -> Handler:
    def observe(request: Request) -> Response:
        started = time.perf_counter()
        token = REQUEST_ID.set(request.request_id)
        try:
            response = handler(request)
            response.headers["X-Request-ID"] = request.request_id
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            _log(request, response, time.perf_counter() - started)
        finally:
            REQUEST_ID.reset(token)
        return response

    return observe


def _log(request: Request, response: Response, seconds: float) -> None:
    fields = {
        "method": request.method,
        "route": route_pattern(request),
        "status": response.status_int,
        "duration": round(seconds, 6),
        "account": request.environ.get(ACCOUNT),
        "request_id": request.request_id,
    }
    log.info(
        "Request answered: method=%s route=%s status=%s duration=%s account=%s request_id=%s",
        *fields.values(),
        extra=fields,
    )


def includeme(config: Configurator) -> None:
    config.add_request_method(request_id, reify=True)
    config.add_tween("gateway.web.observing.observing_tween", under=INGRESS)
