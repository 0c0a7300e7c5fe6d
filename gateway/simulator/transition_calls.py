"""Upgrades in new commerce."""

from __future__ import annotations

from gateway.simulator.customer import Customer
from gateway.simulator.eligibility import Candidate, candidates, existing_targets, owns_services_of
from gateway.simulator.messages import Request, Response, ServiceFaultError, collection
from gateway.simulator.outcome import check_not_busy, decide
from gateway.simulator.products import two_parts
from gateway.simulator.subscription import Subscription
from gateway.simulator.transition import Transition
from gateway.simulator.transition_request import (
    WITH_LICENSES,
    TransitionRequest,
    check_source,
    check_target,
    check_terms,
)
from gateway.simulator.transition_views import present_candidate, present_transition
from gateway.simulator.world import World


def _find(world: World, request: Request) -> tuple[Customer, Subscription]:
    customer = world.get_one_customer(request.params["customer_id"])
    subscription = customer.get_one_subscription(request.params["subscription_id"])
    if subscription.is_legacy:
        check_source(subscription)
    return customer, subscription


def list_eligibilities(world: World, request: Request) -> Response:
    customer, source = _find(world, request)
    when = request.query.get("eligibilitytype", "immediate").lower()
    if when not in ("immediate", "scheduled"):
        raise ServiceFaultError(400, 900126, f"Unable to parse enum {when}", [when])
    generation, operation_id, now = world.configuration.availability_generation, world.new_id(), world.now()
    items = []
    for each in candidates(world, request, customer, source):
        existing = existing_targets(customer, source, each.product.item, now) if when == "immediate" else None
        items.append(present_candidate(each, source.quantity, generation, operation_id, existing))
    return Response(200, collection(items))


def list_transitions(world: World, request: Request) -> Response:
    customer, source = _find(world, request)
    wanted = (request.query.get("operationid") or request.query.get("operation-id") or "").lower()
    now, configuration = world.now(), world.configuration
    items = [
        present_transition(each, configuration, now)
        for each in customer.transitions
        if each.source_id == source.id and each.is_visible(now) and wanted in ("", each.operation_id)
    ]
    if configuration.documented_transition_key:
        return Response(200, {"transition": items, "attributes": {"objectType": "Collection"}})
    return Response(200, collection(items))


def create_transition(world: World, request: Request) -> Response:
    customer, source = _find(world, request)
    asked = TransitionRequest.parse(request.json())
    check_not_busy(world, customer.id, source.id)
    check_source(source)
    candidate = _chosen(world, asked, candidates(world, request, customer, source))
    check_terms(asked, source, candidate.product)
    if asked.target_id:
        check_target(asked, source, customer, world.now())
    _check_eligible(asked, candidate)
    transition = _transition(world, request, customer, source, asked)
    transition.moves_licenses = _moves_licenses(asked, customer, source, candidate)
    decide(world, request, transition)
    world.start(customer, transition)
    return Response(200, present_transition(transition, world.configuration, world.now()), executed=True)


def _chosen(world: World, asked: TransitionRequest, found: list[Candidate]) -> Candidate:
    for candidate in found:
        if candidate.product.item.lower() == two_parts(asked.item).lower():
            current = candidate.product.catalog_item(world.configuration.availability_generation)
            if asked.item.lower() != current.lower():
                raise ServiceFaultError(404, 400019, f"Availability of {asked.item} not found", [asked.item])
            return candidate
    words = f"Invalid request input: {asked.item} is not a target of this subscription"
    raise ServiceFaultError(400, 800002, words, [asked.item])


def _check_eligible(asked: TransitionRequest, candidate: Candidate) -> None:
    obstacles = candidate.with_licenses if asked.transition_type == WITH_LICENSES else candidate.plain
    if obstacles:
        data = [f"{each.code}: {each.description}" for each in obstacles]
        raise ServiceFaultError(400, 800002, "Invalid request input: the transition is not eligible", data)


def _moves_licenses(
    asked: TransitionRequest, customer: Customer, source: Subscription, candidate: Candidate
) -> bool:
    """Whole subscriptions take their people along; parts of one leave that to the administrator."""
    if asked.quantity < source.quantity:
        return False
    if asked.target_id:
        return asked.transition_type == WITH_LICENSES
    return not owns_services_of(customer, source, candidate.product)


def _transition(
    world: World, request: Request, customer: Customer, source: Subscription, asked: TransitionRequest
) -> Transition:
    whole = asked.quantity == source.quantity
    target_id = asked.target_id or (source.id if whole else world.new_id())
    if asked.target_id:
        target_id = customer.get_one_subscription(asked.target_id).id
    return Transition(
        operation_id=world.new_id(),
        kind="transition",
        customer_id=customer.id,
        source_id=source.id,
        target_id=target_id,
        from_item=source.offer_id,
        to_item=asked.item,
        quantity=asked.quantity,
        transition_type=asked.transition_type,
        request_id=request.request_id,
        started_at=world.now(),
        conversion_at=None,
        finished_at=None,
        into_existing=bool(asked.target_id),
        term=asked.term,
        billing_cycle=asked.billing_cycle,
        promotion_id=asked.promotion_id,
    )
