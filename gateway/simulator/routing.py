"""Which call a method and path mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.simulator import (
    customer_calls,
    license_calls,
    login,
    offer_calls,
    subscription_calls,
    subscription_update,
    transition_calls,
    upgrade_calls,
)
from gateway.simulator.messages import Request, Response
from gateway.simulator.world import World

Handler = Callable[[World, Request], Response]
VERSIONS = ("v1", "v1.0")


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    segments: tuple[str, ...]
    """In lower case; one in braces takes any text."""
    kind: str
    handler: Handler
    is_login: bool = False

    def match(self, segments: list[str], lowered: list[str]) -> dict[str, str] | None:
        params = {}
        for wanted, raw, lower in zip(self.segments, segments, lowered, strict=True):
            if wanted[0] == "{":
                if not raw:
                    return None
                params[wanted[1:-1]] = raw
            elif wanted != lower:
                return None
        return params


def _route(line: str, kind: str, handler: Handler, is_login: bool = False) -> Route:
    method, path = line.split(" ")
    return Route(method, tuple(path.strip("/").split("/")), kind, handler, is_login)


_CUSTOMER = "/customers/{customer_id}"
_SUBSCRIPTION = _CUSTOMER + "/subscriptions/{subscription_id}"
_USER = _CUSTOMER + "/users/{user_id}"
_SKU = "/products/{product_id}/skus/{sku_id}"

ROUTES = (
    _route("POST /{tenant}/oauth2/v2.0/token", "token", login.issue_token_v2, is_login=True),
    _route("POST /{tenant}/oauth2/token", "token", login.issue_token_v1, is_login=True),
    _route("GET /customers", "customers", customer_calls.list_customers),
    _route(f"GET {_CUSTOMER}", "customer", customer_calls.get_customer),
    _route("HEAD /domains/{domain}", "domain", customer_calls.head_domain),
    _route("GET /validations/checkdomainavailability/{domain}", "domain", customer_calls.check_domain),
    _route(f"GET {_CUSTOMER}/subscriptions", "subscriptions", subscription_calls.list_subscriptions),
    _route(f"GET {_SUBSCRIPTION}", "subscription", subscription_calls.get_subscription),
    _route(f"PATCH {_SUBSCRIPTION}", "subscription_update", subscription_update.update_subscription),
    _route(f"GET {_SUBSCRIPTION}/addons", "addons", subscription_calls.list_addons),
    _route(
        f"GET {_SUBSCRIPTION}/provisioningstatus", "provisioning", subscription_calls.get_provisioning_status
    ),
    _route(f"GET {_SUBSCRIPTION}/upgrades", "upgrades", upgrade_calls.list_upgrades),
    _route(f"POST {_SUBSCRIPTION}/upgrades", "upgrade", upgrade_calls.create_upgrade),
    _route(
        f"GET {_SUBSCRIPTION}/transitioneligibilities", "eligibilities", transition_calls.list_eligibilities
    ),
    _route(f"GET {_SUBSCRIPTION}/transitions", "transitions", transition_calls.list_transitions),
    _route(f"POST {_SUBSCRIPTION}/transitions", "transition", transition_calls.create_transition),
    _route(f"GET {_CUSTOMER}/users", "users", license_calls.list_users),
    _route(f"GET {_USER}", "user", license_calls.get_user),
    _route(f"GET {_USER}/licenses", "licenses", license_calls.list_licenses),
    _route(f"POST {_USER}/licenseupdates", "license_update", license_calls.update_licenses),
    _route(f"GET {_CUSTOMER}/subscribedskus", "subscribed_skus", license_calls.list_subscribed_skus),
    _route("GET /offers", "offers", offer_calls.list_offers),
    _route("GET /offers/{offer_id}", "offer", offer_calls.get_offer),
    *(
        route
        for prefix in ("", _CUSTOMER)
        for route in (
            _route(f"GET {prefix}/products/{{product_id}}", "product", offer_calls.get_product),
            _route(f"GET {prefix}/products/{{product_id}}/skus", "skus", offer_calls.list_skus),
            _route(f"GET {prefix}{_SKU}", "sku", offer_calls.get_sku),
            _route(f"GET {prefix}{_SKU}/availabilities", "availabilities", offer_calls.list_availabilities),
            _route(
                f"GET {prefix}{_SKU}/availabilities/{{availability_id}}",
                "availability",
                offer_calls.get_availability,
            ),
        )
    ),
)
_BY_SHAPE: dict[tuple[str, int], list[Route]] = defaultdict(list)
for _each in ROUTES:
    _BY_SHAPE[_each.method, len(_each.segments)].append(_each)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route and the parts of the path that it names; case does not matter, nor the version."""
    segments = path.rstrip("/").split("/")[1:]
    lowered = [segment.lower() for segment in segments]
    if lowered and lowered[0] in VERSIONS:
        segments, lowered = segments[1:], lowered[1:]
    for route in _BY_SHAPE.get((method, len(segments)), ()):
        params = route.match(segments, lowered)
        if params is not None:
            return route, params
    return None
