"""PATCH of a subscription, with the traps that Microsoft documents."""

from __future__ import annotations

from gateway.simulator.customer import Customer
from gateway.simulator.messages import (
    Json,
    Request,
    Response,
    ServiceFaultError,
    get_field,
    has_field,
    whole_number,
)
from gateway.simulator.subscription import Subscription
from gateway.simulator.subscription_views import present
from gateway.simulator.terms import BILLING_MONTHS, CANCELLATION_WINDOW, MONTHS
from gateway.simulator.world import World

INSTRUCTIONS = ("scheduledNextTermInstructions", "nextChargeInstructions")
STATUS_BY_NUMBER = {
    0: "none",
    1: "active",
    2: "suspended",
    3: "deleted",
    4: "expired",
    5: "pending",
    6: "disabled",
}


def update_subscription(world: World, request: Request) -> Response:
    customer = world.get_one_customer(request.params["customer_id"])
    subscription = customer.get_one_subscription(request.params["subscription_id"])
    body = request.json()
    _check_updatable(customer, subscription)
    _check_etag(subscription, request, body)
    _Update(world, customer, subscription, body).apply()
    world.save(customer, subscription)
    if world.configuration.patch_answers_202:
        location = f"/customers/{customer.id}/subscriptions/{subscription.id}"
        return Response(202, headers={"Location": location}, executed=True)
    return Response(200, present(subscription, world.now()), executed=True)


def _check_updatable(customer: Customer, subscription: Subscription) -> None:
    if subscription.status == "deleted":
        raise ServiceFaultError(400, 2011, "A deleted subscription can't be updated")
    if customer.is_busy(subscription.id):
        raise ServiceFaultError(
            409, 900278, "An operation is pending on this subscription, retry after 24 hours"
        )


def _check_etag(subscription: Subscription, request: Request, body: Json) -> None:
    if not subscription.is_legacy:
        return
    attributes = get_field(body, "attributes")
    given = request.headers.get("If-Match") or (
        get_field(attributes, "etag") if isinstance(attributes, dict) else None
    )
    if given and given.strip('"') != subscription.etag:
        raise ServiceFaultError(400, 2055, "The etag is no longer valid")


class _Update:
    """Judges the whole change before anything of it is made."""

    def __init__(self, world: World, customer: Customer, subscription: Subscription, body: Json) -> None:
        self._world = world
        self._customer = customer
        self._subscription = subscription
        self._body = body
        self._now = world.now()

    def apply(self) -> None:
        status, quantity = self._status(), self._quantity()
        term, billing_cycle = self._term(), self._billing_cycle()
        auto_renew = self._auto_renew(status)
        name = get_field(self._body, "friendlyName")
        if (
            has_field(self._body, "offerId")
            and get_field(self._body, "offerId") != self._subscription.offer_id
        ):
            raise ServiceFaultError(400, 3000, "Invalid property offerId: it changes by an upgrade only")
        subscription = self._subscription
        self._set_quantity(quantity)
        subscription.term, subscription.billing_cycle = term, billing_cycle
        subscription.auto_renew = auto_renew
        self._set_instructions(status)
        self._set_status(status)
        if isinstance(name, str):
            subscription.friendly_name = name

    def _status(self) -> str:
        value = get_field(self._body, "status")
        old = self._subscription.status
        new = STATUS_BY_NUMBER.get(value, value) if isinstance(value, int) else value
        if new is None:
            return old
        if not isinstance(new, str) or new.lower() not in STATUS_BY_NUMBER.values():
            raise ServiceFaultError(400, 900126, f"Unable to parse enum {value}", [str(value)])
        new = new.lower()
        if new != old:
            self._check_status(old, new)
        return new

    def _check_status(self, old: str, new: str) -> None:
        legacy = self._subscription.is_legacy
        if new not in ("active", "suspended", "deleted") or (new == "deleted" and legacy):
            raise ServiceFaultError(400, 800040, f"The status can't change to {new} from {old}", [new, old])
        if new == "deleted" and not self._subscription.in_cancellation_window(self._now):
            raise ServiceFaultError(400, 900117, "The cancellation window of 7 days is over", ["7"])
        if new == "active" and self._subscription.parent_id:
            parent = self._customer.get_one_subscription(self._subscription.parent_id)
            if parent.status != "active":
                raise ServiceFaultError(
                    409, 27009, "The add-on can't be enabled while its parent is not active"
                )

    def _quantity(self) -> int:
        subscription = self._subscription
        if not has_field(self._body, "quantity"):
            return subscription.quantity
        quantity = whole_number(get_field(self._body, "quantity"))
        if quantity is None or not 1 <= quantity <= subscription.product.max_seats:
            raise ServiceFaultError(400, 2002, "The quantity is outside the offer's minimum and maximum")
        if quantity != subscription.quantity and subscription.status != "active":
            raise ServiceFaultError(
                400, 2001, "The quantity can't change while the subscription is suspended"
            )
        fewer = subscription.quantity - quantity
        removable = sum(seats for seats, _ in subscription.removable_seats(self._now))
        if not subscription.is_legacy and fewer > removable:
            raise ServiceFaultError(400, 800090, "Subscription quantity can't be decreased")
        return quantity

    def _set_quantity(self, quantity: int) -> None:
        subscription = self._subscription
        more = quantity - subscription.quantity
        subscription.quantity = quantity
        if subscription.is_legacy:
            return
        removable = subscription.removable_seats(self._now)
        if more > 0:
            removable.append((more, (self._now + CANCELLATION_WINDOW).timestamp()))
        while more < 0:
            seats, until = removable.pop()
            if seats + more > 0:
                removable.append((seats + more, until))
            more = min(more + seats, 0)
        subscription.removable = removable

    def _term(self) -> str:
        old, new = self._subscription.term, get_field(self._body, "termDuration")
        if new in (None, old):
            return old
        if new not in MONTHS:
            raise ServiceFaultError(400, 800121, f"The term {new} is invalid")
        if MONTHS[new] < MONTHS[old]:
            raise ServiceFaultError(400, 800122, f"The term {new} is shorter than {old}")
        return str(new)

    def _billing_cycle(self) -> str:
        old, new = self._subscription.billing_cycle, get_field(self._body, "billingCycle")
        if not isinstance(new, str) or new.lower() == old:
            return old
        if self._subscription.is_legacy:
            raise ServiceFaultError(
                400, 2054, "The billing cycle can't be changed by updating the subscription"
            )
        if new.lower() not in BILLING_MONTHS:
            raise ServiceFaultError(400, 800097, f"The billing cycle can't be changed to {new}")
        return new.lower()

    def _auto_renew(self, status: str) -> bool:
        """In new commerce a body that does not mention it switches it off, and so does a suspension."""
        subscription = self._subscription
        if not subscription.is_legacy and status == "suspended":
            return False
        default = subscription.auto_renew if subscription.is_legacy else False
        value = (
            get_field(self._body, "autoRenewEnabled")
            if has_field(self._body, "autoRenewEnabled")
            else default
        )
        if not isinstance(value, bool):
            raise ServiceFaultError(400, 3000, "Invalid property autoRenewEnabled")
        return value

    def _set_instructions(self, status: str) -> None:
        """In new commerce a body that does not repeat them deletes them."""
        if self._subscription.is_legacy:
            return
        given = {name: get_field(self._body, name) for name in INSTRUCTIONS}
        if status != "active" or not self._subscription.auto_renew:
            given["scheduledNextTermInstructions"] = None
        self._subscription.instructions = {name: value for name, value in given.items() if value}

    def _set_status(self, status: str) -> None:
        self._subscription.status = status
        if status != "suspended":
            return
        for addon in self._customer.addons_of(self._subscription):
            if addon.status == "active":
                addon.status = "suspended"
                self._world.save(self._customer, addon)
