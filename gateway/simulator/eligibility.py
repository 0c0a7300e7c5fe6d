"""Which offers a subscription may become, and what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from gateway.simulator.customer import Customer
from gateway.simulator.faults import Fault, Stage
from gateway.simulator.messages import Json, Request
from gateway.simulator.products import Product, legacy_targets, new_commerce_targets, two_parts
from gateway.simulator.subscription import Subscription, same_item
from gateway.simulator.terms import MONTHS
from gateway.simulator.world import World


class Problem(IntEnum):
    """Microsoft's codes; both generations share these."""

    OTHER = 0
    STATUS_NOT_ACTIVE = 2
    CONFLICTING_SERVICES = 3
    CONCURRENCY = 4
    USER_CONTEXT_REQUIRED = 5
    ADD_ONS_PRESENT = 6
    NO_PATH = 7
    TARGET_NOT_FOUND = 8


WORDS = {
    Problem.OTHER: "The change is not possible",
    Problem.STATUS_NOT_ACTIVE: "The subscription is not active",
    Problem.CONFLICTING_SERVICES: "Conflicting services exist",
    Problem.CONCURRENCY: "Another operation is running on the subscription",
    Problem.USER_CONTEXT_REQUIRED: "A user context is required",
    Problem.ADD_ONS_PRESENT: "The subscription has add-ons",
    Problem.NO_PATH: "The subscription has no upgrade paths",
    Problem.TARGET_NOT_FOUND: "The target offer was not found",
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    code: int
    description: str
    details: str = ""


@dataclass(slots=True)
class Candidate:
    """One target, and what stands in the way of each kind of upgrade to it."""

    product: Product
    plain: list[Obstacle] = field(default_factory=list)
    with_licenses: list[Obstacle] = field(default_factory=list)


def candidates(world: World, request: Request, customer: Customer, source: Subscription) -> list[Candidate]:
    """Return every target that the product table has for a subscription, with faults applied."""
    targets = legacy_targets(source.product) if source.is_legacy else new_commerce_targets(source.product)
    faults = world.faults.fire(Stage.ELIGIBILITY, request)
    general = _general_obstacles(world, customer, source)
    found = []
    for product in targets:
        mine = [fault for fault in faults if _concerns(fault, product)]
        if any(fault.options["omit"] for fault in mine):
            continue
        plain = [*general, *_seat_obstacles(source, product), *(_injected(fault) for fault in mine)]
        more = _license_obstacles(request, customer, source, product)
        found.append(Candidate(product, plain, [*plain, *more]))
    return found


def _concerns(fault: Fault, product: Product) -> bool:
    target = fault.options["target"]
    return not target or two_parts(str(target)).lower() in (product.item.lower(), product.legacy_id.lower())


def _injected(fault: Fault) -> Obstacle:
    code = fault.options["code"]
    words = WORDS[Problem(code)] if code in set(Problem) else f"Error {code}"
    return Obstacle(code, fault.options["description"] or words)


def _obstacle(problem: Problem, details: str = "") -> Obstacle:
    return Obstacle(int(problem), WORDS[problem], details)


def _general_obstacles(world: World, customer: Customer, source: Subscription) -> list[Obstacle]:
    found = []
    if source.status != "active":
        found.append(_obstacle(Problem.STATUS_NOT_ACTIVE, source.status))
    if customer.is_busy(source.id) and not world.configuration.execute_every_post:
        found.append(_obstacle(Problem.CONCURRENCY))
    if source.is_legacy and any(addon.status != "deleted" for addon in customer.addons_of(source)):
        found.append(_obstacle(Problem.ADD_ONS_PRESENT))
    return found


def _seat_obstacles(source: Subscription, product: Product) -> list[Obstacle]:
    if source.quantity <= product.max_seats:
        return []
    return [
        Obstacle(int(Problem.OTHER), f"{source.quantity} seats are more than the {product.max_seats} allowed")
    ]


def _license_obstacles(
    request: Request, customer: Customer, source: Subscription, product: Product
) -> list[Obstacle]:
    found = []
    if owns_services_of(customer, source, product):
        found.append(_obstacle(Problem.CONFLICTING_SERVICES))
    if source.is_legacy and not request.token.has_user:
        found.append(_obstacle(Problem.USER_CONTEXT_REQUIRED))
    return found


def owns_services_of(customer: Customer, source: Subscription, product: Product) -> bool:
    """Tell whether another subscription in force provides the target's services already."""
    others = (each for each in customer.subscriptions_of_sku(product.sku_id) if each.id != source.id)
    return any(each.status in ("active", "suspended") for each in others)


def existing_targets(customer: Customer, source: Subscription, item: str, now: datetime) -> list[Json]:
    """Return the customer's subscriptions of an item, as candidates for `toSubscriptionId`."""
    own = (each for each in customer.subscriptions.values() if same_item(each.offer_id, item))
    return [
        _present_existing(each, source, now)
        for each in own
        if each.id != source.id and each.status != "deleted"
    ]


def _present_existing(target: Subscription, source: Subscription, now: datetime) -> Json:
    errors = []
    if target.status != "active":
        errors.append({"code": 1, "description": "The subscription is not active."})
    if target.in_cancellation_window(now):
        errors.append({"code": 2, "description": "The subscription is in its cancellation window."})
    if MONTHS[target.term] < MONTHS[source.term]:
        errors.append({"code": 3, "description": "Term shorter than the source's."})
    if target.commitment_end_at(now) < source.commitment_end_at(now):
        errors.append({"code": 4, "description": "Term ends before the source's."})
    return {
        "isEligible": not errors,
        "subscriptionId": target.id,
        "subscriptionFriendlyName": target.friendly_name,
        "subscriptionTermDuration": target.term,
        "subscriptionBillingCycle": target.billing_cycle,
        "errors": errors,
    }
