"""What goes wrong between the client and Microsoft, and what of it was done."""

import pytest

from gateway.partner_center import (
    BusyError,
    SignInError,
    ThrottledError,
    TransitionRequest,
    UnavailableError,
    same_offer,
)
from tests.contract.world import CUSTOMER, NEW_COMMERCE, REQUEST_ID, SEATS, STANDARD


@pytest.fixture
def request_body(client):
    [target] = [
        each
        for each in client.list_transition_eligibilities(CUSTOMER, NEW_COMMERCE)
        if same_offer(each.catalog_item_id, STANDARD)
    ]
    return TransitionRequest(target.catalog_item_id, SEATS, "transition_only")


@pytest.fixture
def create(client, request_body):
    return lambda: client.create_transition(CUSTOMER, NEW_COMMERCE, request_body, REQUEST_ID)


@pytest.mark.parametrize(
    ("fault", "is_done"),
    [
        ({"action": "drop_before"}, False),
        ({"action": "drop_after"}, True),
        ({"action": "status", "status": 500}, False),
        ({"action": "status", "status": 503, "body": "<html>Busy</html>"}, False),
        ({"action": "garbage", "garbage": "html"}, True),
        ({"action": "garbage", "garbage": "truncated"}, True),
        ({"action": "garbage", "garbage": "empty"}, True),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_an_answer_that_is_lost_is_looked_up_before_it_is_repeated(client, control, create, fault, is_done):
    control.fault(**fault, match={"kind": "transition"}, times=1)

    with pytest.raises(UnavailableError) as caught:
        create()

    assert caught.value.may_have_been_done
    assert caught.value.request_id == REQUEST_ID
    assert len(client.list_transitions(CUSTOMER, NEW_COMMERCE)) == is_done
    assert create().quantity == SEATS  # With the same MS-RequestId it is never done twice.
    assert len(control.transitions()) == 1


def test_a_byte_order_mark_is_no_garbage(control, create):
    control.fault("garbage", garbage="bom")

    assert create().quantity == SEATS


def test_throttling_says_how_long(control, create):
    control.fault("throttle", retry_after=7, match={"kind": "transition"}, times=1)

    with pytest.raises(ThrottledError) as caught:
        create()

    assert caught.value.retry_after == 7
    assert control.transitions() == []
    assert create().quantity == SEATS


def test_too_many_calls_a_minute_are_throttled(client, control):
    control.configure(requests_per_minute=2)
    client.check_connection()
    client.check_connection()

    with pytest.raises(ThrottledError) as caught:
        client.check_connection()
    assert 0 < caught.value.retry_after <= 60


def test_a_customer_with_another_change_is_busy(control, create):
    control.fault("customer_busy", times=1)

    with pytest.raises(BusyError):
        create()
    assert create().quantity == SEATS


def test_tokens_that_are_refused_are_renewed_on_the_way(control, create):
    control.fault("expire_tokens", match={"kind": "transition"}, times=1)

    assert create().quantity == SEATS
    first, second = control.calls()
    assert first["request_id"] == second["request_id"] == REQUEST_ID
    assert (first["status"], second["status"]) == (401, 200)


def test_a_token_is_renewed_before_it_ends(client, control, clock):
    control.configure(token_life_seconds=600)
    for _ in range(10):
        client.check_connection()
        clock.sleep(400)

    assert {call["status"] for call in control.calls("GET")} == {200}


def test_the_refresh_token_of_the_last_answer_is_used(client, control, clock):
    for _ in range(3):
        client.check_connection()
        clock.sleep(3600)

    client.check_connection()


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"client_secret": "wrong"}, "clientSecret"),
        ({"client_id": "wrong"}, "clientId"),
        ({"refresh_token": "expired"}, "refreshToken"),
    ],
)
def test_a_refused_sign_in_says_what_to_do(connect, changes, remedy):
    with pytest.raises(SignInError) as caught:
        connect(**changes).check_connection()
    assert remedy in caught.value.description


def test_a_token_for_the_retired_audience_is_refused(connect):
    with pytest.raises(SignInError) as caught:
        connect(audience="https://graph.windows.net").check_connection()
    assert caught.value.code == 900420


def test_a_correlation_id_reaches_microsoft(client, control):
    client.for_correlation("11111111-2222-4333-8444-555555555555").check_connection()

    assert [call["correlation_id"] for call in control.calls("GET")] == [
        "11111111-2222-4333-8444-555555555555"
    ]
