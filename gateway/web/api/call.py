"""What a call of the API is: one row of the table from which routes, views and the document are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from pydantic import BaseModel
from pyramid.request import Request

from gateway.web.security import Permission

PREFIX = "/api/v1"
MOST_BYTES = 32 * 1024 * 1024
"""Of a body: 100,000 subscriptions, or a large catalog; web.ini lets no more through either."""


class Answer(NamedTuple):
    """What a view returns: JSON, and what goes beside it."""

    body: str
    status: HTTPStatus = HTTPStatus.OK
    location: str | None = None
    is_replayed: bool = False


def answer(model: BaseModel, status: HTTPStatus = HTTPStatus.OK, location: str | None = None) -> Answer:
    return Answer(model.model_dump_json(), status, location)


class Call(NamedTuple):
    """One method of one path."""

    name: str
    """The operation's id in the document."""
    method: str
    path: str
    view: Callable[[Request, Any], Answer]
    """Gets the request and the checked query or body."""
    permission: Permission
    tag: str
    summary: str
    answers: Mapping[HTTPStatus, type[BaseModel]]
    description: str = ""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    descriptions: Mapping[HTTPStatus, str] = {}
    errors: tuple[HTTPStatus, ...] = ()
    """Beyond those that every call may give."""
    is_idempotent: bool = False
    """Whether it takes an Idempotency-Key."""
    checks_body: bool = True
    """False where a service checks the whole document itself."""

    @property
    def route_name(self) -> str:
        """One for each path, since methods share it."""
        return f"api.{self.path.strip('/').replace('/', '.')}"
