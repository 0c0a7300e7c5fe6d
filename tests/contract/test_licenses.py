"""People and their licences."""

import pytest

from gateway.partner_center import (
    ProvisioningState,
    RefusedError,
    SignInError,
    TransitionRequest,
    TransitionState,
    TransitionType,
    same_offer,
)
from tests.contract.world import (
    BASIC_SKU,
    CUSTOMER,
    LATENCY,
    NEW_COMMERCE,
    REQUEST_ID,
    SEATS,
    STANDARD,
    STANDARD_SKU,
    USERS,
)

TEAMS = "57ff2da0-773e-42df-b2af-ffb7a2317929"


def units(client):
    return {
        each.sku_id: (each.active_units, each.consumed_units)
        for each in client.list_subscribed_skus(CUSTOMER)
    }


def test_people_have_the_licences_of_the_subscription(client):
    people = list(client.list_users(CUSTOMER))

    assert len(people) == USERS
    assert all("@" in user.user_principal_name and user.usage_location == "US" for user in people)
    [license_held] = client.list_licenses(CUSTOMER, people[0].id)
    assert (license_held.sku_id, license_held.part_number) == (BASIC_SKU, "O365_BUSINESS_ESSENTIALS")
    assert units(client) == {BASIC_SKU: (SEATS, USERS)}


def upgrade_to_standard(client):
    [target] = [
        each
        for each in client.list_transition_eligibilities(CUSTOMER, NEW_COMMERCE)
        if same_offer(each.catalog_item_id, STANDARD)
    ]
    request = TransitionRequest(target.catalog_item_id, SEATS, TransitionType.WITH_LICENSE_TRANSFER)
    client.create_transition(CUSTOMER, NEW_COMMERCE, request, REQUEST_ID)


def test_a_transition_takes_the_people_along(client, clock):
    upgrade_to_standard(client)
    clock.sleep(LATENCY)

    [transition] = client.list_transitions(CUSTOMER, NEW_COMMERCE)
    assert transition.state is TransitionState.COMPLETED
    assert units(client) == {STANDARD_SKU: (SEATS, USERS)}
    status = client.get_provisioning_status(CUSTOMER, NEW_COMMERCE)
    assert (status.status, status.quantity) == (ProvisioningState.SUCCESS, SEATS)


def test_a_licence_can_be_taken_and_given_back(client):
    [person, *_] = client.list_users(CUSTOMER)

    assert client.update_licenses(CUSTOMER, person.id, [], [BASIC_SKU], REQUEST_ID) == []
    assert client.list_licenses(CUSTOMER, person.id) == []
    assert client.update_licenses(CUSTOMER, person.id, [BASIC_SKU], [], "another") == []
    assert [each.sku_id for each in client.list_licenses(CUSTOMER, person.id)] == [BASIC_SKU]


def test_services_that_are_switched_off_are_seen_and_kept(client, clock):
    [sku] = client.list_subscribed_skus(CUSTOMER)
    [person, *_] = client.list_users(CUSTOMER)
    assert TEAMS in sku.service_plan_ids

    client.update_licenses(
        CUSTOMER, person.id, [BASIC_SKU], [BASIC_SKU], REQUEST_ID, excluded_plan_ids=[TEAMS]
    )
    assert [each.disabled_plan_ids for each in client.list_licenses(CUSTOMER, person.id)] == [{TEAMS}]

    upgrade_to_standard(client)
    clock.sleep(LATENCY)
    [moved] = client.list_licenses(CUSTOMER, person.id)
    assert (moved.sku_id, moved.disabled_plan_ids) == (STANDARD_SKU, {TEAMS})


def test_people_who_are_left_behind_keep_a_licence_without_a_seat(client, clock, control):
    control.fault("users_left_behind", share=0.5)

    upgrade_to_standard(client)
    clock.sleep(LATENCY)

    [transition] = client.list_transitions(CUSTOMER, NEW_COMMERCE)
    assert transition.state is TransitionState.COMPLETED
    assert units(client) == {STANDARD_SKU: (SEATS, 1), BASIC_SKU: (0, 2)}
    *_, last = client.list_users(CUSTOMER)
    assert client.update_licenses(CUSTOMER, last.id, [STANDARD_SKU], [BASIC_SKU], REQUEST_ID) == []
    assert units(client) == {STANDARD_SKU: (SEATS, 2), BASIC_SKU: (0, 1)}


def test_a_licence_that_there_is_none_left_of_is_refused(client):
    [person, *_] = client.list_users(CUSTOMER)

    with pytest.raises(RefusedError) as caught:
        client.update_licenses(CUSTOMER, person.id, [STANDARD_SKU], [BASIC_SKU], REQUEST_ID)
    assert caught.value.code == 60012


def test_an_application_alone_may_not_ask(application_client):
    assert not application_client.supports_users

    with pytest.raises(SignInError, match="900329"):
        list(application_client.list_users(CUSTOMER))
