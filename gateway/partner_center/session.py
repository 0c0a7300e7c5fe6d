"""Calls of Partner Center: signs in, sends, reads, follows pages."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from gateway.partner_center.answers import error_for, unreadable
from gateway.partner_center.connection import Answer, Connection, Request, Timeouts
from gateway.partner_center.errors import RefusedError
from gateway.partner_center.reading import Record, UnreadableError, items, parse_record
from gateway.partner_center.tokens import TokenSource

T = TypeVar("T")

MAX_PAGES = 10_000
"""Beyond any partner's customers; it ends a server that always has one more."""
PAGING_EXHAUSTED = 2000
"""What some collections answer (HTTP 400) instead of an empty last page."""

_STANDING_HEADERS = {
    "Accept": "application/json",
    "MS-Contract-Version": "v1",
    "MS-PartnerCenter-Application": "Office365Gateway",
    "User-Agent": "Office365Gateway",
    "X-Locale": "en-US",
}
_LINK_HEADER = re.compile(r"(MS|X)-[A-Za-z0-9-]{1,100}", re.IGNORECASE)
_LINK_VALUE = re.compile(r"[!-~][ -~]{0,8191}")
_OWN_HEADERS = {"ms-requestid", "ms-correlationid"} | {name.lower() for name in _STANDING_HEADERS}


class Call(NamedTuple):
    """One call as its method words it."""

    method: str
    path: str
    """Below /v1, with its query."""
    headers: Mapping[str, str] = {}
    content: bytes | None = None
    request_id: str = ""
    correlation_id: str = ""
    timeout: Timeouts | None = None


class Session:
    """Connection and tokens, shared by a client and all its views."""

    def __init__(self, api_url: str, connection: Connection, tokens: TokenSource) -> None:
        self.tokens = tokens
        self._api_url = api_url
        self._connection = connection

    def send(self, call: Call) -> Answer:
        """Carry out a call and return its success.

        A token that is refused is renewed once, and the call repeated under the same MS-RequestId: a call
        that is refused for its token was not carried out.

        :raises PartnerCenterError: if it is anything else
        """
        request_id, correlation_id = (
            call.request_id or str(uuid.uuid4()),
            call.correlation_id or str(uuid.uuid4()),
        )
        call = call._replace(request_id=request_id, correlation_id=correlation_id)
        token = self.tokens.token()
        answer = self._connection.send(self._request(call, token))
        if answer.status == 401:
            self.tokens.invalidate(token)
            answer = self._connection.send(self._request(call, self.tokens.token()))
        if not answer.is_success:
            raise error_for(answer)
        return answer

    def read(self, call: Call, reader: Callable[[Record], T]) -> T:
        """Carry out a call and read the object that it answers."""
        answer = self.send(call)
        try:
            return reader(parse_record(answer.body))
        except UnreadableError as exc:
            raise unreadable(answer, exc) from exc

    def pages(self, call: Call, reader: Callable[[Record], T], *keys: str) -> Iterator[T]:
        """Read the members of a collection, page after page as they are wanted."""
        seen: set[str] = set()
        following: Call | None = call
        while following is not None:
            try:
                answer = self.send(following)
            except RefusedError as exc:
                if seen and exc.status == 400 and exc.code == PAGING_EXHAUSTED:
                    return
                raise
            seen.add(_identity(following))
            try:
                page = parse_record(answer.body)
                members = [reader(member) for member in items(page, *keys)]
                following = _unseen(self._next(page, call), seen)
            except UnreadableError as exc:
                raise unreadable(answer, exc) from exc
            yield from members

    def close(self) -> None:
        self._connection.close()

    def _request(self, call: Call, token: str) -> Request:
        headers = {
            **call.headers,
            **_STANDING_HEADERS,
            "Authorization": f"Bearer {token}",
            "MS-RequestId": call.request_id,
            "MS-CorrelationId": call.correlation_id,
        }
        if call.content is not None:
            headers["Content-Type"] = "application/json"
        return Request(
            method=call.method,
            url=self._api_url + call.path,
            headers=headers,
            content=call.content,
            timeout=call.timeout,
            secrets=(token,),
        )

    def _next(self, page: Record, call: Call) -> Call | None:
        link = page.record("links").record("next")
        if not (uri := link.text("uri")):
            return None
        headers = {entry.text("key"): entry.text("value") for entry in link.records("headers")}
        if not headers and page.has("continuationToken"):
            headers = {"MS-ContinuationToken": page.text("continuationToken")}
        return call._replace(path=self._link_path(uri), headers=_checked(headers))

    def _link_path(self, uri: str) -> str:
        """The path below /v1 of a link, which comes with and without /v1."""
        try:
            parts, base = urlsplit(uri), urlsplit(self._api_url)
        except ValueError:
            raise UnreadableError("a link is no address") from None
        if (parts.scheme or parts.netloc) and (parts.scheme, parts.netloc) != (base.scheme, base.netloc):
            # Following it would give our token to somebody else.
            raise UnreadableError("a link leads to another server")
        path = parts.path.removeprefix(base.path.removesuffix("/v1"))
        path = re.sub(r"^/*v1(\.0)?(?=/|$)", "", path, flags=re.IGNORECASE)
        path = quote("/" + path.lstrip("/"), safe="/%:@!$&'()*+,;=~", errors="replace")
        query = quote(parts.query, safe="/%:@!$&'()*+,;=~?", errors="replace")
        return f"{path}?{query}" if query else path


def _unseen(call: Call | None, seen: set[str]) -> Call | None:
    if call is not None and (_identity(call) in seen or len(seen) >= MAX_PAGES):
        raise UnreadableError("the pages have no end")
    return call


def _identity(call: Call) -> str:
    return json.dumps([call.path, sorted(call.headers.items())])


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a link asks for, if they are ones that a link may ask for."""
    for name, value in headers.items():
        if not _LINK_HEADER.fullmatch(name) or not _LINK_VALUE.fullmatch(value):
            raise UnreadableError("a link asks for a header that cannot be sent")
    return {name: value for name, value in headers.items() if name.lower() not in _OWN_HEADERS}


def path_of(*segments: str, **query: str | int | None) -> str:
    """A path below /v1 from its segments, which may hold any text, and its query, without what is None.

    :raises RefusedError: if a segment is empty, for the path would mean something else
    """
    for segment in segments:
        if segment.strip() in ("", ".", ".."):
            raise RefusedError(f"/{'/'.join(segments)}: expected an id in every place, got {segment!r}")
    path = "".join("/" + quote(segment, safe=":", errors="replace") for segment in segments)
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given, errors='replace')}" if given else path


def json_content(body: Any) -> bytes:
    return json.dumps(body).encode()
