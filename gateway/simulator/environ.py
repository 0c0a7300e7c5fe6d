"""From WSGI to our messages and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import uuid4

from gateway.simulator.configuration import Configuration
from gateway.simulator.messages import BOM, Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


SERVER_ID = "101021205"
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class Headers(Mapping[str, str]):
    """The request's headers, found whatever the case of their names."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value = self._environ["HTTP_" + name.upper().replace("-", "_")]
        assert isinstance(value, str)
        return value

    def __iter__(self) -> Iterator[str]:
        return (key[5:].replace("_", "-") for key in self._environ if key.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_request(environ: WSGIEnvironment) -> Request:
    headers = Headers(environ)
    gone: Callable[[], bool] = environ.get("waitress.client_disconnected", lambda: False)
    query = environ.get("QUERY_STRING", "")
    return Request(
        method=environ["REQUEST_METHOD"].upper(),
        path=environ.get("PATH_INFO", "/").encode("latin-1", "replace").decode("utf-8", "replace"),
        query={key.lower(): value for key, value in parse_qsl(query, keep_blank_values=True)},
        query_string=query,
        headers=headers,
        body=_read_body(environ),
        remote_address=environ.get("REMOTE_ADDR", "127.0.0.1"),
        client_gone=gone,
        request_id=headers.get("MS-RequestId") or str(uuid4()),
        correlation_id=headers.get("MS-CorrelationId") or str(uuid4()),
    )


def _read_body(environ: WSGIEnvironment) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdigit():
        return bytes(environ["wsgi.input"].read(int(length)))
    return bytes(environ["wsgi.input"].read()) if environ.get("wsgi.input_terminated") else b""


def send(
    response: Response, request: Request, configuration: Configuration, start_response: StartResponse
) -> list[bytes]:
    payload = encode(response.body, configuration)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "MS-RequestId": _clean(request.request_id),
        "MS-CorrelationId": _clean(request.correlation_id),
        "MS-CV": f"{_clean(request.correlation_id).replace('-', '')[:16]}.0",
        "MS-ServerId": SERVER_ID,
        "X-Locale": _clean(request.headers.get("X-Locale", "en-US")),
        "Request-Context": "appId=cid-v1:3c95518e-8c37-41e3-9627-0ca339200f53",
        **response.headers,
        "Content-Length": str(len(payload)),
    }
    if not payload:
        del headers["Content-Type"]
    start_response(status_line(response.status), list(headers.items()))
    return [] if request.method == "HEAD" else [payload]


def encode(body: Any, configuration: Configuration) -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if configuration.pascal_case:
        body = pascal_case(body)
    payload = _ENCODER.encode(body).encode()
    return BOM + payload if configuration.bom else payload


def pascal_case(value: Any) -> Any:
    """Return the same JSON with every property's first letter upper case, as some answers have it."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: pascal_case(inner) for key, inner in value.items()}
    return [pascal_case(inner) for inner in value] if isinstance(value, list) else value


def status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def _clean(value: str) -> str:
    return value.replace("\r", "").replace("\n", "").encode("latin-1", "replace").decode("latin-1")
