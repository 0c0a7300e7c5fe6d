"""What the script of a list asks for again and again: the rows that have changed, or that none has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from gateway.services.paging import MAXIMUM_LIMIT

VERSION_LENGTH = 12


def version_of(*values: object) -> str:
    """Tells two states of the same thing apart."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:VERSION_LENGTH]


def shown_rows(request: Request) -> dict[str, str]:
    """The rows that the page has, and the version of each."""
    ids = request.GET.getall("row")[:MAXIMUM_LIMIT]
    seen = request.GET.get("seen", "").split(",")
    return dict(zip(ids, [*seen, *[""] * len(ids)], strict=False))


def changed_rows(shown: Mapping[str, str], versions: Mapping[str, str]) -> Sequence[str]:
    return [key for key, version in versions.items() if shown.get(key) != version]


def live_response(request: Request, version: str, answer: Callable[[], dict[str, Any]]) -> Response:
    """:param answer: what the script gets unless it has this version already"""
    if version in request.if_none_match:
        response = Response(status=int(HTTPStatus.NOT_MODIFIED))
    else:
        response = Response(json.dumps(answer()).encode(), content_type="application/json")
    response.etag = version
    response.headers["Cache-Control"] = "private, no-cache"
    return response
