"""The REST API: `/api/v1`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from http import HTTPStatus

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from gateway.web.api.call import PREFIX, Answer, Call
from gateway.web.api.openapi import document_bytes
from gateway.web.api.reading import read_body, read_json, read_query
from gateway.web.api.schemas_problem import Nothing
from gateway.web.api.table import CALLS
from gateway.web.problems import CONTENT_TYPE, ProblemError
from gateway.web.views import Method, add_address

OPENAPI_ROUTE = "openapi"
"""Outside of the area `api`, since it needs no key."""


def includeme(config: Configurator) -> None:
    by_route: defaultdict[str, list[Call]] = defaultdict(list)
    for call in CALLS:
        by_route[call.route_name].append(call)
    for name, calls in by_route.items():
        methods = {call.method: Method(_view(call), call.permission) for call in calls}
        add_address(config, name, PREFIX + calls[0].path, methods)
    add_address(
        config, OPENAPI_ROUTE, f"{PREFIX}/openapi.json", {"GET": Method(show_document, permission=None)}
    )


def show_document(_request: Request) -> Response:
    return Response(document_bytes(), content_type="application/json")


def _view(call: Call) -> Callable[[Request], Response]:
    def view(request: Request) -> Response:
        _check_accept(request)
        return _respond(call.view(request, _read(call, request)))

    return view


def _read(call: Call, request: Request) -> object:
    """What the view is given: the checked query or body; nothing else may have been sent."""
    query = read_query(request, call.query or Nothing)
    if call.body is None:
        return query if call.query else None
    return read_body(request, call.body) if call.checks_body else read_json(request)


def _respond(answer: Answer) -> Response:
    content_type = "application/json" if answer.status < HTTPStatus.BAD_REQUEST else CONTENT_TYPE
    response = Response(answer.body.encode(), status=int(answer.status), content_type=content_type)
    if answer.location:
        response.headers["Location"] = answer.location
    if answer.is_replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _check_accept(request: Request) -> None:
    """:raises ProblemError: 406 if the caller understands no JSON"""
    if not request.accept.acceptable_offers(["application/json", "application/problem+json"]):
        raise ProblemError(
            HTTPStatus.NOT_ACCEPTABLE,
            "not_acceptable",
            f"Accept is {request.headers['Accept'][:100]!r}; the API answers application/json",
        )
