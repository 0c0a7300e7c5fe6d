"""People of a customer and their licences, worked out from the catalog and from what has happened since."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from gateway.simulator.customer import Customer
from gateway.simulator.products import product_of

FIRST_NAMES = (
    "Ada",
    "Bo",
    "Chen",
    "Dana",
    "Emil",
    "Farah",
    "Goran",
    "Hana",
    "Ivo",
    "June",
    "Kofi",
    "Lena",
    "Mira",
)
LAST_NAMES = (
    "Adler",
    "Brandt",
    "Costa",
    "Duarte",
    "Eriksen",
    "Fischer",
    "Green",
    "Holm",
    "Ito",
    "Jansen",
    "Keller",
)
_NAMESPACE = UUID("8f3c2d5e-7a11-4c59-9c1e-5f4f0d6b2a10")


@dataclass(slots=True)
class User:
    id: str
    name: tuple[str, str]
    principal_name: str
    origin: str
    """The subscription, in lower case, that the person was given a seat of first."""
    sku_ids: list[str] = field(default_factory=list)
    disabled: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the service plans that are switched off, by SKU."""


def users_of(customer: Customer) -> list[User]:
    """Return everybody, with the licences held now; worked out again only after a change."""
    if customer.users_as_of != len(customer.license_events):
        users = _first_users(customer)
        for event in customer.license_events:
            _apply(event, users)
        customer.users, customer.users_as_of = users, len(customer.license_events)
    return customer.users


def holders(customer: Customer, sku_id: str) -> list[User]:
    return [user for user in users_of(customer) if sku_id in user.sku_ids]


def moving_users(users: list[User], event: dict[str, Any]) -> list[User]:
    """Return who is to change from one SKU to the other: the subscription's own people come first."""
    candidates = [user for user in users if event["from"] in user.sku_ids]
    candidates.sort(key=lambda user: user.origin != event["origin"])
    return candidates[: event["seats"]]


def move_event(from_sku: str, to_sku: str, origin: str, seats: int, failed: int) -> dict[str, Any]:
    return {"from": from_sku, "to": to_sku, "origin": origin.lower(), "seats": seats, "failed": failed}


def update_event(user_id: str, assign: dict[str, list[str]], remove: list[str]) -> dict[str, Any]:
    """:param assign: the SKUs, each with the service plans that are to be switched off"""
    return {"user": user_id, "assign": assign, "remove": remove}


def _apply(event: dict[str, Any], users: list[User]) -> None:
    if "user" in event:
        changed = (user for user in users if user.id == event["user"])
        for user in changed:
            _exchange(user, event["remove"], _assigned(event))
        return
    moving = moving_users(users, event)
    for user in moving[: len(moving) - event["failed"]] if event["failed"] else moving:
        _exchange(user, [event["from"]], {event["to"]: user.disabled.get(event["from"], [])})


def _assigned(event: dict[str, Any]) -> dict[str, list[str]]:
    """An event of an earlier state file has the SKUs alone."""
    assign = event["assign"]
    return assign if isinstance(assign, dict) else {sku: [] for sku in assign}


def _exchange(user: User, remove: list[str], assign: dict[str, list[str]]) -> None:
    kept = [sku for sku in user.sku_ids if sku not in remove and sku not in assign]
    user.sku_ids = [*kept, *assign]
    user.disabled = {sku: plans for sku, plans in user.disabled.items() if sku in kept} | {
        sku: plans for sku, plans in assign.items() if plans
    }


def _first_users(customer: Customer) -> list[User]:
    users: list[User] = []
    by_origin: dict[str, list[User]] = {}
    for purchase in customer.purchases:
        sku_id = product_of(purchase.offer_id, purchase.title).sku_id
        if purchase.base_id:
            for user in by_origin.get(purchase.base_id.lower(), [])[: purchase.users]:
                user.sku_ids.append(sku_id)
            continue
        origin = purchase.id.lower()
        new = [_user(customer, origin, index, len(users) + index, sku_id) for index in range(purchase.users)]
        by_origin[origin] = new
        users += new
    return users


def _user(customer: Customer, origin: str, index: int, number: int, sku_id: str) -> User:
    first = FIRST_NAMES[number % len(FIRST_NAMES)]
    last = LAST_NAMES[(number // len(FIRST_NAMES)) % len(LAST_NAMES)]
    address = f"{first}.{last}{number + 1}@{customer.account.domain}".lower()
    return User(str(uuid5(_NAMESPACE, f"{origin}/{index}")), (first, last), address, origin, [sku_id])
