"""The same answers as the pool's test application, for servers that are compared with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

BIG = b"x" * 20_000_000


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = BIG if environ["PATH_INFO"] == "/big" else str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
