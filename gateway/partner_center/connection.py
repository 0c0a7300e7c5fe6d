"""Sends one HTTP request and gives its answer; everything that can go wrong on the way has one shape."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2

from gateway.partner_center.errors import UnavailableError
from gateway.partner_center.reading import UnreadableError, printable

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 16 * 1024 * 1024

_NOT_SENT = (
    httpx2.ConnectError,  # Also a name that cannot be resolved and a failed TLS handshake.
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)


class Timeouts(NamedTuple):
    """Limits of one call, in seconds."""

    connect: float = 10
    read: float = 60
    """For each piece of the answer, of which the first one takes the longest."""
    write: float = 30
    pool: float = 10
    """Waiting for a free connection."""
    total: float = 300
    """From the request to the last piece of the answer."""

    def with_read(self, seconds: float) -> Timeouts:
        """For a call that is slow by nature."""
        return self._replace(read=max(self.read, seconds))


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)
    timeout: Timeouts | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not come back in a message, even if the server quotes it."""

    @property
    def name(self) -> str:
        """How messages call it: no query, which says little and may be long."""
        return f"{self.method} {urlsplit(self.url).path}"


@dataclass(frozen=True)
class Answer:
    request: Request
    status: int
    headers: httpx2.Headers = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Connection:
    """Connections to Microsoft, shared by all threads."""

    def __init__(
        self, timeouts: Timeouts, max_connections: int, *, transport: httpx2.BaseTransport | None, local: bool
    ):
        self._timeouts = timeouts
        self._http = httpx2.Client(
            transport=transport,
            limits=httpx2.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
            follow_redirects=False,
            # A proxy of the environment is no way to this machine itself.
            trust_env=not local,
            # Cookies would tie threads to each other and calls to one server.
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        )

    def send(self, request: Request) -> Answer:
        """Send a request once.

        :raises UnavailableError: if no whole answer arrived
        """
        if self._http.is_closed:
            raise _unanswered(request, "the client is closed", may_have_been_done=False)
        try:
            return self._exchange(request)
        except UnreadableError as exc:
            raise _unanswered(request, str(exc)) from exc
        except _NOT_SENT as exc:
            raise _unanswered(request, _describe(exc), may_have_been_done=False) from exc
        except (httpx2.HTTPError, RuntimeError, ValueError) as exc:
            # ValueError covers headers that cannot be decoded, RuntimeError a client closed in between.
            raise _unanswered(request, _describe(exc)) from exc

    def _exchange(self, request: Request) -> Answer:
        limits = request.timeout or self._timeouts
        timeout = httpx2.Timeout(
            connect=limits.connect, read=limits.read, write=limits.write, pool=limits.pool
        )
        started = time.monotonic()
        with self._http.stream(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.content,
            timeout=timeout,
        ) as response:
            body = _read(response, started + limits.total)
            log.debug(
                "Answered: call=%s status=%s bytes=%s seconds=%.3f",
                request.name,
                response.status_code,
                len(body),
                time.monotonic() - started,
            )
            return Answer(request, response.status_code, response.headers, body)

    def close(self) -> None:
        self._http.close()


def _read(response: httpx2.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise UnreadableError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            raise UnreadableError("the answer did not end in time")
    return bytes(body)


def _unanswered(request: Request, reason: str, *, may_have_been_done: bool = True) -> UnavailableError:
    return UnavailableError(
        printable(f"{request.name}: {reason}", request.secrets),
        may_have_been_done=may_have_been_done,
        request_id=request.headers.get("MS-RequestId", ""),
        correlation_id=request.headers.get("MS-CorrelationId", ""),
    )


def _describe(exc: Exception) -> str:
    return f"no answer ({type(exc).__name__}: {exc})"


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
