"""A new-commerce subscription from the first question to the last."""

import pytest

from gateway.partner_center import (
    BusyError,
    RefusedError,
    SubscriptionStatus,
    TransitionRequest,
    TransitionState,
    TransitionType,
    same_offer,
)
from tests.contract.world import (
    BASIC,
    CUSTOMER,
    LATENCY,
    LEGACY,
    LEGACY_E3,
    NEW_COMMERCE,
    REQUEST_ID,
    SEATS,
    STANDARD,
    SUSPENDED,
    tenant_id,
)

SPELLINGS = [
    {},
    {"bom": True},
    {"pascal_case": True},
    {"documented_transition_key": True},
    {"documented_transition_key": True, "pascal_case": True, "bom": True},
    {"trailing_blank_in_status": False},
]


def request_for(client, **changes):
    """What to send to move all seats to Business Standard."""
    [target] = [
        each
        for each in client.list_transition_eligibilities(CUSTOMER, NEW_COMMERCE)
        if same_offer(each.catalog_item_id, STANDARD)
    ]
    values = {
        "to_catalog_item_id": target.catalog_item_id,
        "quantity": SEATS,
        "transition_type": TransitionType.WITH_LICENSE_TRANSFER,
    }
    return TransitionRequest(**(values | changes))


def start(client, request_id=REQUEST_ID, **changes):
    return client.create_transition(CUSTOMER, NEW_COMMERCE, request_for(client, **changes), request_id)


def state_of(client, transition):
    [found] = client.list_transitions(CUSTOMER, NEW_COMMERCE, transition.operation_id)
    return found.state


@pytest.mark.parametrize(
    "spelling", SPELLINGS, ids=lambda spelling: " ".join(spelling) or "as the kit reads it"
)
def test_a_subscription_moves_to_another_offer(client, control, clock, spelling):
    control.configure(**spelling)
    before = client.get_subscription(CUSTOMER, NEW_COMMERCE)
    started_at = clock.now

    transition = start(client)
    assert transition.state is TransitionState.RUNNING
    assert transition.started_at == started_at
    assert (transition.from_subscription_id, transition.quantity) == (NEW_COMMERCE, SEATS)

    clock.sleep(LATENCY / 2)
    assert state_of(client, transition) is TransitionState.RUNNING
    assert same_offer(client.get_subscription(CUSTOMER, NEW_COMMERCE).offer_id, BASIC)

    clock.sleep(LATENCY / 2)
    assert state_of(client, transition) is TransitionState.COMPLETED
    after = client.get_subscription(CUSTOMER, NEW_COMMERCE)
    assert same_offer(after.offer_id, STANDARD)
    assert (after.id, after.quantity, after.status) == (before.id, SEATS, SubscriptionStatus.ACTIVE)
    assert after.commitment_end_at == before.commitment_end_at


def test_a_subscription_is_read_as_it_is(client):
    [found] = client.list_subscriptions(CUSTOMER)

    assert found == client.get_subscription(CUSTOMER, NEW_COMMERCE.upper())
    assert found.is_new_commerce
    assert (found.quantity, found.status, found.term_duration) == (SEATS, SubscriptionStatus.ACTIVE, "P1Y")


def test_a_target_tells_both_types(client):
    request = request_for(client)

    [target] = [
        each
        for each in client.list_transition_eligibilities(CUSTOMER, NEW_COMMERCE)
        if each.catalog_item_id == request.to_catalog_item_id
    ]
    assert target.quantity == SEATS
    assert target.by_type[TransitionType.ONLY].is_eligible
    assert target.by_type[TransitionType.WITH_LICENSE_TRANSFER].is_eligible


def test_what_stands_in_the_way_is_told(client, control):
    control.fault("ineligible", code=13)

    [target, *_] = client.list_transition_eligibilities(CUSTOMER, NEW_COMMERCE)

    is_eligible, errors = target.by_type["transition_only"]
    assert not is_eligible
    assert [error.name for error in errors] == ["insufficient_granular_admin_permissions"]


def test_a_suspended_subscription_may_not_move(client):
    [target, *_] = client.list_transition_eligibilities(tenant_id(3), SUSPENDED)

    assert [error.name for error in target.by_type["transition_only"].errors] == [
        "subscription_status_not_active"
    ]
    assert client.get_subscription(tenant_id(3), SUSPENDED).status is SubscriptionStatus.SUSPENDED


def test_the_same_request_again_is_the_same_transition(client, control):
    first = start(client)
    second = client.create_transition(
        CUSTOMER,
        NEW_COMMERCE,
        TransitionRequest(first.to_catalog_item_id, SEATS, "transition_with_license_transfer"),
        REQUEST_ID,
    )

    assert first.operation_id == second.operation_id
    assert len(control.transitions()) == 1


def test_a_second_transition_waits_for_the_first(client):
    request = request_for(client)
    start(client)

    with pytest.raises(BusyError) as caught:
        client.create_transition(CUSTOMER, NEW_COMMERCE, request, "another")
    assert caught.value.code == 900278
    assert caught.value.retry_after == 3600


def test_a_part_of_the_seats_becomes_a_new_subscription(client, clock):
    transition = start(client, quantity=5, transition_type=TransitionType.ONLY)
    clock.sleep(LATENCY)

    assert transition.to_subscription_id not in ("", NEW_COMMERCE)
    assert state_of(client, transition) is TransitionState.COMPLETED
    assert client.get_subscription(CUSTOMER, NEW_COMMERCE).quantity == SEATS - 5
    assert client.get_subscription(CUSTOMER, transition.to_subscription_id).quantity == 5


def test_more_seats_than_there_are_are_refused(client):
    with pytest.raises(RefusedError) as caught:
        start(client, quantity=SEATS + 1)
    assert caught.value.code == 2002


def test_a_conversion_that_fails_says_why(client, control, clock):
    control.fault("transition_fails", code=9)
    transition = start(client)
    clock.sleep(LATENCY)

    [found] = client.list_transitions(CUSTOMER, NEW_COMMERCE, transition.operation_id)

    assert found.state is TransitionState.FAILED
    assert [error.name for error in found.errors] == ["subscription_not_provisioned"]
    assert same_offer(client.get_subscription(CUSTOMER, NEW_COMMERCE).offer_id, BASIC)


def test_licences_that_do_not_move_are_told(client, control, clock):
    control.fault("license_errors", users=2)
    transition = start(client)
    clock.sleep(LATENCY)

    [found] = client.list_transitions(CUSTOMER, NEW_COMMERCE, transition.operation_id)

    assert found.state is TransitionState.COMPLETED_WITH_LICENSE_ERRORS
    assert [error.code for error in found.errors] == [12]


def test_a_transition_may_never_finish(client, control, clock):
    control.fault("never_finishes")
    transition = start(client)
    clock.sleep(48 * 3600)

    assert state_of(client, transition) is TransitionState.RUNNING


def test_history_may_lag_behind(client, control, clock):
    control.fault("history_lags", seconds=30)
    transition = start(client)

    assert client.list_transitions(CUSTOMER, NEW_COMMERCE) == []
    clock.sleep(30)
    assert [each.operation_id for each in client.list_transitions(CUSTOMER, NEW_COMMERCE)] == [
        transition.operation_id
    ]


@pytest.mark.parametrize(("number", "subscription"), [(1, LEGACY), (2, LEGACY_E3)])
def test_legacy_subscriptions_have_no_transitions(client, number, subscription):
    for call in (client.list_transitions, client.list_transition_eligibilities):
        with pytest.raises(RefusedError) as caught:
            call(tenant_id(number), subscription)
        assert caught.value.code == 900263
