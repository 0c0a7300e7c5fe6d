"""Seek paging, with the continuation token in a header."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from gateway.simulator.messages import Json, Request, Response, ServiceFaultError, collection, link
from gateway.simulator.world import World

Item = TypeVar("Item")
HEADER = "MS-ContinuationToken"


def page(
    world: World, request: Request, path: str, everything: Sequence[Item], present: Callable[[Item], Json]
) -> Response:
    """Answer one page of a list; `path` is where the list is, without the version.

    :raises ServiceFaultError: 400/2000 beyond the end
    """
    size = request.page_size()
    start = _start(request, size)
    if start and start >= len(everything):
        raise ServiceFaultError(400, 2000, "There are no more pages")
    items = [present(item) for item in everything[start : start + size]]
    prefix = "/v1" if world.configuration.next_links_with_v1 else ""
    query: dict[str, Any] = {"size": size}
    if kept := request.query.get("filter"):
        query["filter"] = kept
    links = {"self": link(f"{prefix}{path}?{urlencode(query)}")}
    if start + size >= len(everything):
        return Response(200, collection(items, links=links))
    token = b64encode(start_bytes(start + size)).decode()
    uri = f"{prefix}{path}?{urlencode(query | {'seekOperation': 'Next'})}"
    links["next"] = link(uri, [{"key": HEADER, "value": token}])
    return Response(200, collection(items, links=links, continuationToken=token))


def start_bytes(start: int) -> bytes:
    return start.to_bytes(8, "big")


def _start(request: Request, size: int) -> int:
    operation = request.query.get("seekoperation", "First").lower()
    if operation == "first":
        return 0
    if operation not in ("next", "previous"):
        raise ServiceFaultError(400, 900126, f"Unable to parse enum {operation}")
    try:
        position = int.from_bytes(b64decode(request.headers.get(HEADER, ""), validate=True), "big")
    except Base64Error:
        position = 0
    if not position:
        raise ServiceFaultError(400, 800002, f"Invalid request input: header {HEADER}")
    return position if operation == "next" else max(position - 2 * size, 0)
