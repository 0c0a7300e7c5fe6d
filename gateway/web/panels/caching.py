"""Style sheet, scripts and pictures under addresses that change when they do."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from pyramid.request import Request
from pyramid.static import QueryStringCacheBuster


class HashedNames(QueryStringCacheBuster):  # type: ignore[misc]
    """Puts a hash of the file behind its address, so that browsers may keep it for ever."""

    def tokenize(self, _request: Request, subpath: str, _kw: dict[str, Any]) -> str:
        return _hash(subpath)


@cache
def _hash(subpath: str) -> str:
    contents = files("gateway.web.panels").joinpath("assets", subpath).read_bytes()
    return hashlib.sha256(contents).hexdigest()[:12]
