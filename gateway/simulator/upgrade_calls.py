"""Upgrades of legacy subscriptions: answered only when they are done."""

from __future__ import annotations

from typing import Any

from gateway.simulator.customer import Customer
from gateway.simulator.eligibility import Candidate, Obstacle, candidates
from gateway.simulator.messages import (
    Json,
    Request,
    Response,
    ServiceFaultError,
    collection,
    get_field,
    whole_number,
)
from gateway.simulator.offer_calls import present_offer
from gateway.simulator.outcome import check_not_busy, decide
from gateway.simulator.subscription import Subscription
from gateway.simulator.transition import Transition
from gateway.simulator.users import move_event, moving_users, users_of
from gateway.simulator.world import World

PLAIN = "upgrade_only"
WITH_LICENSES = "upgrade_with_license_transfer"
NUMBERS = {PLAIN: 1, WITH_LICENSES: 2}
TYPES = {
    "upgrade_only": PLAIN,
    "upgradeonly": PLAIN,
    "1": PLAIN,
    "upgrade_with_license_transfer": WITH_LICENSES,
    "upgradewithlicensetransfer": WITH_LICENSES,
    "2": WITH_LICENSES,
}


def list_upgrades(world: World, request: Request) -> Response:
    customer = world.get_one_customer(request.params["customer_id"])
    source = customer.get_one_subscription(request.params["subscription_id"])
    if not source.is_legacy:
        return Response(200, collection([]))
    items = []
    for each in candidates(world, request, customer, source):
        items.append(_present(each, PLAIN, each.plain, source.quantity))
        items.append(_present(each, WITH_LICENSES, each.with_licenses, source.quantity))
    return Response(200, collection(items))


def create_upgrade(world: World, request: Request) -> Response:
    customer = world.get_one_customer(request.params["customer_id"])
    source = customer.get_one_subscription(request.params["subscription_id"])
    if not source.is_legacy:
        raise ServiceFaultError(400, 900127, "The operation is not supported for this subscription")
    offer_id, upgrade_type, quantity = _parse(request.json(), source)
    check_not_busy(world, customer.id, source.id)
    candidate = _chosen(offer_id, candidates(world, request, customer, source))
    obstacles = candidate.with_licenses if upgrade_type == WITH_LICENSES else candidate.plain
    if obstacles:
        return Response(200, _result(source.id, None, upgrade_type, obstacles, []))
    transition = _transition(world, request, customer, source, candidate.product.legacy_id)
    transition.transition_type, transition.quantity = upgrade_type, quantity
    transition.moves_licenses = upgrade_type == WITH_LICENSES
    decide(world, request, transition)
    body = _outcome(customer, transition)
    world.start(customer, transition)
    is_endless = transition.finished_at is None
    return Response(200, body, executed=True, ready_at=transition.finished_at, never_ready=is_endless)


def _parse(body: Json, source: Subscription) -> tuple[str, str, int]:
    target = get_field(body, "targetOffer")
    offer_id = get_field(target, "id") if isinstance(target, dict) else None
    if not isinstance(offer_id, str) or not offer_id:
        raise ServiceFaultError(400, 800002, "Invalid request input: targetOffer.id is missing")
    value = get_field(body, "upgradeType")
    upgrade_type = TYPES.get(str(value).lower())
    if upgrade_type is None:
        raise ServiceFaultError(400, 900126, f"Unable to parse enum {value}", [str(value)])
    given = get_field(body, "quantity")
    quantity = source.quantity if given is None else whole_number(given)
    if quantity != source.quantity:
        raise ServiceFaultError(400, 2002, "The quantity must be that of the source: all seats move")
    return offer_id, upgrade_type, source.quantity


def _chosen(offer_id: str, found: list[Candidate]) -> Candidate:
    for candidate in found:
        if candidate.product.legacy_id.lower() == offer_id.lower():
            return candidate
    words = f"Invalid request input: offer {offer_id} is not a target of this subscription"
    raise ServiceFaultError(400, 800002, words, [offer_id])


def _transition(
    world: World, request: Request, customer: Customer, source: Subscription, offer_id: str
) -> Transition:
    return Transition(
        operation_id=world.new_id(),
        kind="upgrade",
        customer_id=customer.id,
        source_id=source.id,
        target_id=world.new_id(),
        from_item=source.offer_id,
        to_item=offer_id,
        quantity=source.quantity,
        transition_type=PLAIN,
        request_id=request.request_id,
        started_at=world.now(),
        conversion_at=None,
        finished_at=None,
    )


def _outcome(customer: Customer, transition: Transition) -> Json:
    """Return the result as it will be at the end; everything about it is decided at the start."""
    if transition.failure_code is not None:
        failure = Obstacle(transition.failure_code, "The upgrade failed")
        return _result(transition.source_id, None, transition.transition_type, [failure], [])
    errors = _license_errors(customer, transition) if transition.licenses_failed else []
    return _result(transition.source_id, transition.target_id, transition.transition_type, [], errors)


def _license_errors(customer: Customer, transition: Transition) -> list[Json]:
    source = customer.get_one_subscription(transition.source_id)
    event = move_event(source.product.sku_id, "", source.id, transition.quantity, transition.licenses_failed)
    failed = moving_users(users_of(customer), event)[-transition.licenses_failed :]
    return [
        {
            "userObjectId": user.id,
            "name": " ".join(user.name),
            "email": user.principal_name,
            "errors": [{"code": 60012, "description": "Out of licences", "data": []}],
            "attributes": {"objectType": "UserLicenseError"},
        }
        for user in failed
    ]


def _result(
    source_id: str,
    target_id: str | None,
    upgrade_type: str,
    obstacles: list[Obstacle],
    license_errors: list[Json],
) -> Json:
    result: dict[str, Any] = {"sourceSubscriptionId": source_id}
    if target_id is not None:
        result["targetSubscriptionId"] = target_id
    return result | {
        "upgradeType": NUMBERS[upgrade_type],
        "upgradeErrors": [_present_obstacle(each) for each in obstacles],
        "licenseErrors": license_errors,
        "attributes": {"objectType": "UpgradeResult"},
    }


def _present(candidate: Candidate, upgrade_type: str, obstacles: list[Obstacle], quantity: int) -> Json:
    return {
        "targetOffer": present_offer(candidate.product),
        "upgradeType": upgrade_type,
        "isEligible": not obstacles,
        "quantity": quantity,
        "upgradeErrors": [_present_obstacle(each) for each in obstacles],
        "attributes": {"objectType": "Upgrade"},
    }


def _present_obstacle(obstacle: Obstacle) -> Json:
    return {
        "code": obstacle.code,
        "description": obstacle.description,
        "additionalDetails": obstacle.details,
        "attributes": {"objectType": "UpgradeError"},
    }
