"""The right to start a stopped pool from a page.

While no worker can say who asks, a secret has to: whoever stops the pool from a page makes it up, the page
keeps it, and the pool is told its digest. It holds until the pool is started, stopped anew, or ends.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from gateway.pool.messages import ControlRequest
from gateway.pool.unavailable_page import POLICY, STARTING_PAGE

log = logging.getLogger(__name__)

START_AGAIN = "start-again"
"""The command that only works while a permit is out."""
PATH = b"/application-pool/start"
FIELD = "permit"


def digest_of(permit: str) -> str:
    return hashlib.sha256(permit.encode()).hexdigest()


class StartPermit:
    """At most one is out; safe to ask from any thread."""

    def __init__(self, post: Callable[[ControlRequest], None]) -> None:
        """:param post: takes the request to start, once somebody uses the permit"""
        self._post = post
        self._digest: str | None = None
        self._by: Mapping[str, str | None] | None = None

    @property
    def is_given(self) -> bool:
        return self._digest is not None

    def give(self, digest: str | None, by: Mapping[str, str | None] | None = None) -> None:
        """Let whoever has the secret of this digest start the pool, and nobody else any more.

        :param by: who has it; the start is recorded in that name
        """
        self._digest, self._by = digest, by

    def answer(self, request: bytes) -> bytes | None:
        """Start the pool and return the whole answer, if this HTTP request may; else None."""
        digest = self._digest
        if digest is None or not hmac.compare_digest(digest_of(_permit_in(request)), digest):
            return None
        self._post(ControlRequest(START_AGAIN, {"by": self._by}, _heard))
        return _ANSWER


def _heard(answer: dict[str, Any]) -> None:
    log.info("Start asked for on a page: answer=%s", answer)


def _permit_in(request: bytes) -> str:
    """What the form of the page has sent; empty if this is another request."""
    head, _, body = request.partition(b"\r\n\r\n")
    method, _, rest = head.partition(b" ")
    if method != b"POST" or not rest.partition(b" ")[0].endswith(PATH):
        return ""
    return parse_qs(body.decode("ascii", "replace")).get(FIELD, [""])[0]


_ANSWER = (
    "HTTP/1.1 202 Accepted\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    f"Content-Length: {len(STARTING_PAGE)}\r\n"
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    f"Content-Security-Policy: {POLICY}\r\n"
    "Connection: close\r\n\r\n"
).encode("ascii") + STARTING_PAGE
