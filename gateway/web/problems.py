"""Error bodies: `application/problem+json` with a stable code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

CONTENT_TYPE = "application/problem+json"


class ProblemError(Exception):
    """A refusal that the web itself makes; the error view words it."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        """:param members: further members of the body, such as `errors`"""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def problem_body(request: Request, status: HTTPStatus, code: str, detail: str, **members: Any) -> str:
    """Return the JSON of one error; `instance` is the id under which the log knows the request."""
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        "instance": request.request_id,
    }
    return json.dumps(body | members)


def problem(
    request: Request,
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """Return the answer for one error."""
    response = Response(status=int(status), content_type=CONTENT_TYPE)
    response.body = problem_body(request, status, code, detail, **members).encode()
    response.headers.update(headers or {})
    return response
