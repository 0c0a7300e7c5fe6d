"""Every error's way out: one table from codes to statuses, and one body for all."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPException
from pyramid.request import Request
from pyramid.response import Response

from gateway.db import DATABASE_AWAY
from gateway.errors import GatewayError
from gateway.services.catalog import CatalogError
from gateway.services.catalog.editing import ChangedMeanwhileError
from gateway.services.enrolment import DomainCheckUnavailableError
from gateway.services.errors import (
    DuplicateSubscriptionError,
    ForbiddenError,
    IdempotencyKeyReusedError,
    InvalidCursorError,
    InvalidIdempotencyKeyError,
    InvalidLimitError,
    InvalidRequestError,
    NoLicensesToMoveError,
    NotEligibleError,
    NotFoundError,
    RequestInProgressError,
)
from gateway.web.pages import page_not_found
from gateway.web.panels.refusals import is_panel, must_sign_in, refusal
from gateway.web.problems import ProblemError
from gateway.web.problems import problem as problem_document
from gateway.web.registry import METHODS
from gateway.web.security import authentication_required

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5

STATUS_OF: dict[type[GatewayError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidCursorError: HTTPStatus.BAD_REQUEST,
    InvalidLimitError: HTTPStatus.BAD_REQUEST,
    InvalidIdempotencyKeyError: HTTPStatus.BAD_REQUEST,
    IdempotencyKeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RequestInProgressError: HTTPStatus.CONFLICT,
    NotEligibleError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NoLicensesToMoveError: HTTPStatus.UNPROCESSABLE_ENTITY,
    CatalogError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ChangedMeanwhileError: HTTPStatus.PRECONDITION_FAILED,
    DomainCheckUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""How HTTP calls the business errors: the nearest class counts. One without is a mistake of ours."""

CODE_OF_STATUS = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}


def problem(
    request: Request,
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """The refusal as whoever asks can read it: a page in the panels, else a problem document."""
    if not is_panel(request):
        return problem_document(request, status, code, detail, headers=headers, **members)
    response = refusal(request, status, detail, code)
    response.headers.update(headers or {})
    return response


def members_of(error: GatewayError) -> Mapping[str, Any]:
    """What a business error knows beyond its message, for the body of the answer."""
    if isinstance(error, CatalogError):
        return {"errors": [problem._asdict() for problem in error.problems]}
    if isinstance(error, NotFoundError | DuplicateSubscriptionError):
        return {"ids": [str(one) for one in error.ids]}
    return {}


def status_of(error: type[GatewayError]) -> HTTPStatus | None:
    return next((STATUS_OF[each] for each in error.__mro__ if each in STATUS_OF), None)


def on_problem(error: ProblemError, request: Request) -> Response:
    return problem(request, error.status, error.code, error.detail, headers=error.headers, **error.members)


def on_gateway_error(error: GatewayError, request: Request) -> Response:
    status = status_of(type(error))
    if status is None:
        return on_unexpected(error, request)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status is HTTPStatus.CONFLICT else {}
    return problem(request, status, error.code, str(error), headers=headers, **members_of(error))


def on_database_unavailable(error: Exception, request: Request) -> Response:
    log.error(
        "Database unavailable: error=%s request_id=%s", getattr(error, "orig", error), request.request_id
    )
    return problem(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "database_unavailable",
        "The database cannot be reached; try again shortly",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def on_unexpected(error: Exception, request: Request) -> Response:
    log.error("Request failed: request_id=%s", request.request_id, exc_info=error)
    return problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "Something went wrong here; the log knows it by the instance of this answer",
    )


def on_http_exception(error: HTTPException, request: Request) -> Response:
    """What Pyramid itself refuses; a redirection is no error."""
    status = HTTPStatus(error.status_int)
    if status < HTTPStatus.BAD_REQUEST:
        return error
    return problem(
        request, status, CODE_OF_STATUS.get(status, "http_error"), error.detail or status.description
    )


def on_undecodable(_error: UnicodeDecodeError, request: Request) -> Response:
    """The path or the query is not UTF-8."""
    return problem(request, HTTPStatus.BAD_REQUEST, "bad_request", "The address is not valid UTF-8")


def on_not_found(_error: Exception, request: Request) -> Response:
    """No such route, or a route that does not know the method."""
    methods = _methods_of_route(request)
    if methods and request.method not in methods:
        return _method_not_allowed(request, methods)
    if _prefers_html(request) and not is_panel(request):
        return page_not_found()
    return problem(request, HTTPStatus.NOT_FOUND, "not_found", "Nothing is at this address")


def on_forbidden(_error: Exception, request: Request) -> Response:
    if request.identity is None:
        return must_sign_in(request) if is_panel(request) else on_problem(authentication_required(), request)
    asker = "Your role" if is_panel(request) else "This API key"
    return problem(
        request,
        HTTPStatus.FORBIDDEN,
        "forbidden",
        f"{asker} may not do that; it needs another role or account",
    )


def _methods_of_route(request: Request) -> list[str]:
    """The methods that the views of the matched route answer to."""
    route = getattr(request, "matched_route", None)
    methods: Mapping[str, list[str]] = request.registry[METHODS]
    return methods.get(route.name, []) if route else []


def _method_not_allowed(request: Request, methods: list[str]) -> Response:
    return problem(
        request,
        HTTPStatus.METHOD_NOT_ALLOWED,
        "method_not_allowed",
        f"{request.method} is not possible here; expected {', '.join(methods)}",
        headers={"Allow": ", ".join(methods)},
    )


def _prefers_html(request: Request) -> bool:
    if request.environ.get("PATH_INFO", "").startswith("/api/"):
        return False
    offers = request.accept.acceptable_offers(["application/problem+json", "text/html"])
    return bool(offers) and offers[0][0] == "text/html"


def includeme(config: Configurator) -> None:
    config.add_notfound_view(on_not_found)
    config.add_forbidden_view(on_forbidden)
    config.add_exception_view(on_problem, context=ProblemError)
    config.add_exception_view(on_gateway_error, context=GatewayError)
    config.add_exception_view(on_http_exception, context=HTTPException)
    config.add_exception_view(on_undecodable, context=UnicodeDecodeError)
    for error in DATABASE_AWAY:
        config.add_exception_view(on_database_unavailable, context=error)
    config.add_exception_view(on_unexpected, context=Exception)
