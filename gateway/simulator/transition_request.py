"""What a POST to transitions asks for, and whether it may be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.simulator.customer import Customer
from gateway.simulator.messages import Json, ServiceFaultError, get_field, whole_number
from gateway.simulator.products import Product
from gateway.simulator.subscription import Subscription, same_item
from gateway.simulator.terms import BILLING_MONTHS, MONTHS

PLAIN = "transition_only"
WITH_LICENSES = "transition_with_license_transfer"
TYPES = {
    "transition_only": PLAIN,
    "transitiononly": PLAIN,
    "1": PLAIN,
    "transition_with_license_transfer": WITH_LICENSES,
    "transitionwithlicensetransfer": WITH_LICENSES,
    "2": WITH_LICENSES,
}


@dataclass(frozen=True, slots=True)
class TransitionRequest:
    item: str
    quantity: int
    transition_type: str
    target_id: str
    term: str
    billing_cycle: str
    """As it was sent: Microsoft echoes its spelling."""
    promotion_id: str

    @classmethod
    def parse(cls, body: Json) -> TransitionRequest:
        """:raises ServiceFaultError: 400 if something is missing or not understood"""
        item = get_field(body, "toCatalogItemId")
        if not isinstance(item, str) or item.count(":") != 2:
            raise ServiceFaultError(400, 800002, f"Invalid request input: toCatalogItemId {item}")
        quantity = whole_number(get_field(body, "quantity"))
        if quantity is None or quantity < 1:
            raise ServiceFaultError(400, 2002, "The quantity is outside the offer's minimum and maximum")
        return cls(
            item,
            quantity,
            _transition_type(get_field(body, "transitionType")),
            str(get_field(body, "toSubscriptionId") or ""),
            *_term_and_billing(body),
            str(get_field(body, "promotionId") or ""),
        )


def _transition_type(value: Any) -> str:
    if value is None:
        raise ServiceFaultError(400, 800002, "Invalid request input: transitionType is missing")
    known = TYPES.get(str(value).lower())
    if known is None:
        raise ServiceFaultError(400, 900126, f"Unable to parse enum {value}", [str(value)])
    return known


def _term_and_billing(body: Json) -> tuple[str, str]:
    term = str(get_field(body, "termDuration") or "")
    billing_cycle = str(get_field(body, "billingCycle") or "")
    if term and term not in MONTHS:
        raise ServiceFaultError(400, 900268, f"The term {term} is invalid")
    if billing_cycle and billing_cycle.lower() not in BILLING_MONTHS:
        raise ServiceFaultError(400, 900269, f"The billing cycle {billing_cycle} is invalid")
    return term, billing_cycle


def check_source(source: Subscription) -> None:
    """:raises ServiceFaultError: if nothing can be made of the source"""
    if source.is_legacy:
        raise ServiceFaultError(403, 900263, "The API method is not supported for legacy subscriptions")
    if source.status != "active":
        raise ServiceFaultError(
            400, 800012, "The subscription is not an active subscription", [source.status]
        )


def check_terms(asked: TransitionRequest, source: Subscription, product: Product) -> None:
    """:raises ServiceFaultError: if quantity, term or billing don't fit"""
    if asked.quantity > source.quantity or asked.quantity > product.max_seats:
        raise ServiceFaultError(400, 2002, "The quantity is outside the offer's minimum and maximum")
    term = asked.term or source.term
    if MONTHS[term] < MONTHS[source.term]:
        raise ServiceFaultError(
            400, 900267, f"The target term {term} is shorter than the source term {source.term}"
        )
    billing_cycle = (asked.billing_cycle or source.billing_cycle).lower()
    if BILLING_MONTHS[billing_cycle] > MONTHS[term]:
        raise ServiceFaultError(
            400, 900270, f"The billing cycle {billing_cycle} is longer than the term {term}"
        )


def check_target(
    asked: TransitionRequest, source: Subscription, customer: Customer, now: datetime
) -> Subscription:
    """Return the existing subscription that is to take the seats.

    :raises ServiceFaultError: if it can't
    """
    if asked.target_id.lower() == source.id.lower():
        raise ServiceFaultError(400, 900259, "The target subscription is the source subscription")
    target = customer.get_one_subscription(asked.target_id)
    if not same_item(target.offer_id, asked.item):
        raise ServiceFaultError(
            400, 900260, "The target subscription has another catalog item than the request"
        )
    if target.status != "active":
        raise ServiceFaultError(400, 900258, "The target subscription must be active")
    if customer.is_busy(target.id):
        raise ServiceFaultError(
            400, 900261, "The target subscription is not ready to be upgraded, retry later"
        )
    if target.commitment_end_at(now) < source.commitment_end_at(now):
        raise ServiceFaultError(400, 900236, "The target's commitment must not end before the source's")
    return target
