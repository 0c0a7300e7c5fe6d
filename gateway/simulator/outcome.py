"""How an upgrade will go: as planned, or as the faults say."""

from __future__ import annotations

from gateway.simulator.faults import Stage
from gateway.simulator.messages import Request, ServiceFaultError
from gateway.simulator.transition import Transition
from gateway.simulator.world import World


def check_not_busy(world: World, customer_id: str, subscription_id: str) -> None:
    """:raises ServiceFaultError: 409/900278 while another upgrade runs"""
    if world.configuration.execute_every_post:
        return
    customer = world.get_one_customer(customer_id)
    alone = world.configuration.one_transition_per_customer
    if customer.is_busy(subscription_id) or (alone and customer.open_transitions()):
        raise busy()


def busy() -> ServiceFaultError:
    return ServiceFaultError(
        409, 900278, "An operation is pending on this subscription, retry after 24 hours"
    )


def decide(world: World, request: Request, transition: Transition) -> None:
    """Fix the whole course of an upgrade when it starts; afterwards only the clock moves it on."""
    never_finishes = False
    for fault in world.faults.fire(Stage.WORK, request):
        options = fault.options
        if fault.action == "transition_fails":
            transition.failure_code = options["code"]
        elif fault.action == "license_errors":
            transition.licenses_failed = options["users"]
        elif fault.action == "users_left_behind":
            transition.left_behind = options["share"]
        elif fault.action == "licenses_lag":
            transition.license_lag = options["seconds"]
        elif fault.action == "history_lags":
            transition.history_lag = options["seconds"]
        elif fault.action == "offer_lags":
            transition.offer_lag = options["seconds"]
        else:
            never_finishes = True
    if not transition.moves_licenses:
        transition.licenses_failed = 0
    if not never_finishes:
        transition.plan(world.configuration.latency)
