"""A legacy subscription from the first question to the last."""

import pytest

from gateway.partner_center import SubscriptionStatus, UpgradeType, same_offer
from tests.contract.world import (
    CUSTOMER,
    LEGACY,
    LEGACY_BASIC,
    LEGACY_E3,
    LEGACY_SEATS,
    LEGACY_STANDARD,
    NEW_COMMERCE,
    REQUEST_ID,
    tenant_id,
)

TENANT = tenant_id(1)


def upgrade_to(client, offer, upgrade_type):
    [found] = [
        each
        for each in client.list_upgrades(TENANT, LEGACY)
        if same_offer(each.target_offer_id, offer) and each.upgrade_type == upgrade_type
    ]
    return found


@pytest.mark.parametrize("pascal_case", [False, True])
@pytest.mark.parametrize("upgrade_type", list(UpgradeType))
def test_a_subscription_becomes_another(client, control, upgrade_type, pascal_case):
    control.configure(pascal_case=pascal_case)
    chosen = upgrade_to(client, LEGACY_STANDARD, upgrade_type)
    assert chosen.is_eligible
    assert chosen.quantity == LEGACY_SEATS

    result = client.create_upgrade(TENANT, LEGACY, chosen, REQUEST_ID)

    assert result.is_upgraded
    assert (result.errors, result.license_errors) == ((), ())
    assert (result.source_subscription_id, result.upgrade_type) == (LEGACY, upgrade_type)
    source = client.get_subscription(TENANT, LEGACY)
    target = client.get_subscription(TENANT, result.target_subscription_id)
    assert source.status is SubscriptionStatus.DELETED
    assert same_offer(source.offer_id, LEGACY_BASIC)
    assert same_offer(target.offer_id, LEGACY_STANDARD)
    assert (target.status, target.quantity) == (SubscriptionStatus.ACTIVE, LEGACY_SEATS)
    assert not target.is_new_commerce


def test_the_same_request_again_is_the_same_upgrade(client, control):
    chosen = upgrade_to(client, LEGACY_STANDARD, UpgradeType.ONLY)

    first = client.create_upgrade(TENANT, LEGACY, chosen, REQUEST_ID)
    second = client.create_upgrade(TENANT, LEGACY, chosen, REQUEST_ID)

    assert first == second
    assert len(control.transitions()) == 1


def test_an_application_alone_moves_no_licences(application_client):
    chosen = upgrade_to(application_client, LEGACY_STANDARD, UpgradeType.WITH_LICENSE_TRANSFER)

    assert not chosen.is_eligible
    assert [error.name for error in chosen.errors] == ["user_context_required"]


def test_an_upgrade_that_is_not_possible_is_answered_with_its_reasons(client, control):
    chosen = upgrade_to(client, LEGACY_STANDARD, UpgradeType.ONLY)
    control.fault("ineligible", code=6)

    result = client.create_upgrade(TENANT, LEGACY, chosen, REQUEST_ID)

    assert not result.is_upgraded
    assert [error.name for error in result.errors] == ["subscription_add_ons_present"]
    assert client.get_subscription(TENANT, LEGACY).status is SubscriptionStatus.ACTIVE


def test_an_upgrade_may_fail(client, control):
    control.fault("transition_fails", code=0)

    result = client.create_upgrade(
        TENANT, LEGACY, upgrade_to(client, LEGACY_STANDARD, UpgradeType.ONLY), REQUEST_ID
    )

    assert not result.is_upgraded
    assert [error.name for error in result.errors] == ["other"]


def test_people_whose_licences_do_not_move_are_named(client, control):
    control.fault("license_errors", users=1)
    chosen = upgrade_to(client, LEGACY_STANDARD, UpgradeType.WITH_LICENSE_TRANSFER)

    result = client.create_upgrade(TENANT, LEGACY, chosen, REQUEST_ID)

    assert result.is_upgraded
    [failed] = result.license_errors
    assert "@" in failed.email
    assert failed.user_id in {user.id for user in client.list_users(TENANT)}
    assert [error.code for error in failed.errors] == [60012]


def test_an_offer_without_paths_has_no_upgrades(client):
    assert client.list_upgrades(tenant_id(2), LEGACY_E3) == []


def test_a_new_commerce_subscription_has_no_upgrades(client):
    assert client.list_upgrades(CUSTOMER, NEW_COMMERCE) == []
