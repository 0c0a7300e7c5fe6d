"""Transitions and their targets as they look on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.simulator.configuration import Configuration
from gateway.simulator.eligibility import Candidate, Obstacle
from gateway.simulator.messages import Json, wire_time
from gateway.simulator.transition import Transition
from gateway.simulator.transition_request import PLAIN, WITH_LICENSES

LICENSES_NOT_MOVED = 12


def present_transition(transition: Transition, configuration: Configuration, now: datetime) -> Json:
    resource: Json = {
        "operationId": transition.operation_id,
        "fromCatalogItemId": transition.from_item,
        "fromSubscriptionId": transition.source_id,
        "toCatalogItemId": transition.to_item,
    }
    if not transition.in_place:
        resource["toSubscriptionId"] = transition.target_id
    resource["quantity"] = transition.quantity
    optional = {
        "termDuration": transition.term,
        "billingCycle": transition.billing_cycle,
        "promotionId": transition.promotion_id,
    }
    resource |= {name: value for name, value in optional.items() if value}
    return resource | {
        "transitionType": transition.transition_type,
        "events": _events(transition, configuration, now),
        "attributes": {"objectType": "Transition"},
    }


def _events(transition: Transition, configuration: Configuration, now: datetime) -> list[Json]:
    started = "Started " if configuration.trailing_blank_in_status else "Started"
    events = [_event("Conversion", started, transition.started_at)]
    conversion_at, finished_at = transition.conversion_at, transition.finished_at
    if conversion_at is None or conversion_at > now:
        return events
    if transition.failure_code is not None:
        error = {"code": transition.failure_code, "description": "The conversion failed."}
        return [*events, _event("Conversion", "Failed", conversion_at, errors=[error])]
    events.append(_event("Conversion", "Completed", conversion_at))
    if not transition.moves_licenses:
        return events
    events.append(_event("LicenseReassignment", started, conversion_at))
    if finished_at is None or finished_at > now:
        return events
    if transition.licenses_failed:
        words = f"Licences of {transition.licenses_failed} users could not be moved."
        error = {"code": LICENSES_NOT_MOVED, "description": words}
        return [*events, _event("LicenseReassignment", "Failed", finished_at, errors=[error])]
    return [*events, _event("LicenseReassignment", "Completed", finished_at)]


def _event(name: str, status: str, at: datetime, **more: Any) -> Json:
    return {
        "name": name,
        "status": status,
        "timestamp": wire_time(at),
        **more,
        "attributes": {"objectType": "TransitionEvent"},
    }


def present_candidate(
    candidate: Candidate, quantity: int, generation: int, operation_id: str, existing: list[Json] | None
) -> Json:
    resource: Json = {
        "operationId": operation_id,
        "catalogItemId": candidate.product.catalog_item(generation),
        "title": candidate.product.title,
        "description": candidate.product.title,
        "quantity": quantity,
        "eligibilities": [
            _present_eligibility(PLAIN, candidate.plain),
            _present_eligibility(WITH_LICENSES, candidate.with_licenses),
        ],
    }
    if existing is not None:
        resource["subscriptionEligibilities"] = existing
    return resource | {"attributes": {"objectType": "TransitionEligibility"}}


def _present_eligibility(transition_type: str, obstacles: list[Obstacle]) -> Json:
    errors = [{"code": each.code, "description": f"{each.description}."} for each in obstacles]
    return {"isEligible": not errors, "transitionType": transition_type, "errors": errors}
