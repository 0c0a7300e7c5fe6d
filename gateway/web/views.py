"""An address and what it answers to each method: one view of Pyramid does for all of them.

A view for each method of each address would take Pyramid as long to register as all else it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden, HTTPNotFound
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request
from pyramid.response import Response

from gateway.web.addresses import AddressRoute, AddressTable
from gateway.web.registry import METHODS
from gateway.web.security import Permission

View = Callable[[Request], Response]


class Method(NamedTuple):
    """What one method of an address does, and what it needs."""

    view: View
    permission: Permission | None
    """None for what needs nobody to have signed in."""


class Address:
    """The context of every request that comes to one route."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods

    def __call__(self, _request: Request) -> Address:
        """Be the route's factory."""
        return self

    def method(self, name: str) -> Method | None:
        return self._methods.get("GET" if name == "HEAD" else name)


def add_address(config: Configurator, route: str, path: str, methods: Mapping[str, Method]) -> None:
    """Add a route that answers to these methods, and to HEAD where it answers to GET."""
    config.registry[METHODS][route] = [
        each for name in methods for each in (("GET", "HEAD") if name == "GET" else (name,))
    ]
    config.get_routes_mapper().add(AddressRoute(route, path, Address(methods)))


def answer(address: Address, request: Request) -> Response:
    """Have the method's view answer.

    :raises HTTPNotFound: if the address does not know the method; the answer to that tells which it knows
    :raises HTTPForbidden: if the caller may not do that
    """
    method = address.method(request.method)
    if method is None:
        raise HTTPNotFound
    if method.permission is not None and not request.has_permission(method.permission):
        raise HTTPForbidden
    return method.view(request)


def includeme(config: Configurator) -> None:
    config.registry.registerUtility(AddressTable(), IRoutesMapper)
    config.add_view(answer, context=Address)
