"""What arrives, what is answered, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from waitress.channel import ClientDisconnected

Json = dict[str, Any]
BOM = b"\xef\xbb\xbf"


class ConnectionCutError(ClientDisconnected):
    """Makes Waitress close the socket without sending a byte of an answer."""


class ServiceFaultError(Exception):
    """A refusal in Partner Center's own error shape."""

    def __init__(self, status: int, code: int, description: str, data: list[str] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description
        self.data = data or []

    def response(self) -> Response:
        body = {"code": self.code, "description": self.description, "data": self.data, "source": "PartnerFD"}
        return Response(self.status, body)


@dataclass(frozen=True, slots=True)
class Token:
    """Who calls: a partner's application, alone or with a user."""

    partner_tenant: str
    has_user: bool


@dataclass(slots=True)
class Response:
    """An answer before it is turned into bytes."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    executed: bool = False
    """Something at "Microsoft" has changed because of this request."""
    replayed: bool = False
    ready_at: datetime | None = None
    """The answer is held back until then."""
    never_ready: bool = False


@dataclass(slots=True)
class Request:
    """One HTTP request, with its route once that is known."""

    method: str
    path: str
    query: dict[str, str]
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    remote_address: str
    client_gone: Callable[[], bool]
    request_id: str
    correlation_id: str
    kind: str = "unknown"
    params: dict[str, str] = field(default_factory=dict)
    token: Token = field(default_factory=lambda: Token("", has_user=False))

    def json(self) -> Json:
        """Return the body's object.

        :raises ServiceFaultError: if the body is not a JSON object
        """
        try:
            value = json.loads(self.body.decode("utf-8-sig"))
        except ValueError:
            raise ServiceFaultError(400, 800002, "Invalid request input: the body is not JSON") from None
        if not isinstance(value, dict):
            raise ServiceFaultError(400, 800002, "Invalid request input: the body is not an object")
        return value

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def page_size(self, most: int = 500) -> int:
        """Return the page size asked for, never more than `most`.

        :raises ServiceFaultError: if it is not a positive number
        """
        text = self.query.get("size", str(most))
        if not text.isdigit() or int(text) < 1:
            raise ServiceFaultError(400, 3000, f"Invalid property size: {text}")
        return min(int(text), most)


def has_field(body: Json, name: str) -> bool:
    return any(key.lower() == name.lower() for key in body)


def get_field(body: Json, name: str) -> Any:
    """Return a property whatever the case of its name, as Microsoft binds them, or None."""
    if name in body:
        return body[name]
    return next((value for key, value in body.items() if key.lower() == name.lower()), None)


def whole_number(value: object) -> int | None:
    """Return a JSON integer as it is, and None for everything else, booleans included."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def link(uri: str, headers: list[Json] | None = None) -> Json:
    return {"uri": uri, "method": "GET", "headers": headers or []}


def collection(items: list[Json], **more: Any) -> Json:
    return {"totalCount": len(items), "items": items, **more, "attributes": {"objectType": "Collection"}}


def wire_time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
