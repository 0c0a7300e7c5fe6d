"""What all views have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.request import Request

View = Callable[[Request], Any]


class OfRequest:
    """A view mapper: every view takes the request alone, which Pyramid would find out one by one."""

    def __init__(self, **_: object) -> None:
        """Pyramid says which attribute of a class is meant; ours are functions."""

    def __call__(self, view: View) -> Callable[[object, Request], Any]:
        return lambda _context, request: view(request)
