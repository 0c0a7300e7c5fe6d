"""One subscription as "Microsoft" keeps it."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from gateway.simulator.catalog import Purchase
from gateway.simulator.products import Product, is_legacy, product_of, two_parts
from gateway.simulator.terms import CANCELLATION_WINDOW, MONTHS, period_end

FIRST_SALE_AT = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Subscription:
    id: str
    customer_id: str
    offer_id: str
    """A GUID, or `product:sku:availability` in new commerce."""
    offer_name: str
    friendly_name: str
    quantity: int
    status: str
    created_at: datetime
    term_start_at: datetime
    """Midnight; its day is 28 at most, so that every month has it."""
    order_id: str
    term: str = "P1Y"
    billing_cycle: str = "monthly"
    auto_renew: bool = True
    parent_id: str = ""
    promotion_id: str = ""
    version: int = 1
    instructions: dict[str, Any] = field(default_factory=dict)
    """Scheduled changes, under their names on the wire."""
    removable: list[tuple[int, float]] = field(default_factory=list)
    """Seats bought of late, each with the end of its window as a time stamp."""

    @property
    def is_legacy(self) -> bool:
        return is_legacy(self.offer_id)

    @property
    def product(self) -> Product:
        return product_of(self.offer_id, self.offer_name)

    @property
    def etag(self) -> str:
        content = json.dumps({"id": self.id.lower(), "version": self.version}, separators=(",", ":"))
        return b64encode(content.encode()).decode()

    def commitment_end_at(self, now: datetime) -> datetime:
        """Return the end of the running term; the day itself is no longer part of it."""
        return period_end(self.term_start_at, MONTHS.get(self.term, 12), now)

    def removable_seats(self, now: datetime) -> list[tuple[int, float]]:
        return [each for each in self.removable if each[1] > now.timestamp()]

    def in_cancellation_window(self, now: datetime) -> bool:
        return now < self.created_at + CANCELLATION_WINDOW

    def to_json(self) -> str:
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> Subscription:
        values = json.loads(text)
        for name in ("created_at", "term_start_at"):
            values[name] = datetime.fromisoformat(values[name])
        return cls(**values)

    def copy(self, **changes: Any) -> Subscription:
        return replace(self, **{"instructions": {}, "removable": [], "version": 1, **changes})


def bought(purchase: Purchase, customer_id: str) -> Subscription:
    """Return the subscription that a purchase of the catalog has led to, always the same one."""
    number = int.from_bytes(blake2b(purchase.id.lower().encode(), digest_size=8).digest(), "big")
    created_at = FIRST_SALE_AT + timedelta(days=number % 300, seconds=number % 86_399)
    product = product_of(purchase.offer_id, purchase.title)
    digits = f"{number:016x}"
    legacy = is_legacy(purchase.offer_id)
    return Subscription(
        id=purchase.id,
        customer_id=customer_id,
        offer_id=purchase.offer_id if legacy else product.catalog_item(),
        offer_name=product.title,
        friendly_name=product.title,
        quantity=purchase.quantity,
        status=purchase.status,
        created_at=created_at,
        term_start_at=midnight(created_at),
        order_id=f"{digits[:8]}-0000-4000-8000-{digits[4:16]}" if legacy else digits[:12],
        parent_id=purchase.parent_id,
        auto_renew=legacy or purchase.status == "active",
    )


def midnight(moment: datetime) -> datetime:
    return moment.replace(day=min(moment.day, 28), hour=0, minute=0, second=0, microsecond=0)


def same_item(first: str, second: str) -> bool:
    """Compare two offers without the availability, which changes over time."""
    return two_parts(first).lower() == two_parts(second).lower()
