"""Upgrades of legacy subscriptions."""

import pytest

from tests.unit.simulator.helpers import (
    BASIC_SKU,
    CUSTOMER,
    LEGACY_E3,
    LEGACY_STANDARD,
    STANDARD_SKU,
    SUBSCRIPTION,
    path_of,
    subscription,
)


def offered(client):
    found = client.get(path_of() + "/upgrades").items
    return {(each["targetOffer"]["id"], each["upgradeType"]): each for each in found}


class TestListUpgrades:
    def test_each_target_is_there_in_both_types(self, legacy):
        found = offered(legacy)

        assert found[LEGACY_STANDARD, "upgrade_only"]["isEligible"]
        assert found[LEGACY_E3, "upgrade_with_license_transfer"]["quantity"] == 10

    @pytest.mark.parametrize("offer", ["legacy_e3", "basic"])
    def test_without_paths_the_list_is_empty(self, start, offer):
        client = start(subscription(0x51, "c1", "active", **{offer: (10, 4)}))

        assert client.get(path_of() + "/upgrades").json["totalCount"] == 0

    def test_addons_stand_in_the_way(self, start):
        client = start(subscription(0x51, legacy_basic=(10, 4), archiving=(3, 1)))

        entry = offered(client)[LEGACY_STANDARD, "upgrade_only"]

        assert not entry["isEligible"]
        assert [each["code"] for each in entry["upgradeErrors"]] == [6]

    def test_a_licence_transfer_needs_a_user(self, legacy):
        legacy.sign_in(grant_type="client_credentials")

        entry = offered(legacy)[LEGACY_STANDARD, "upgrade_with_license_transfer"]

        assert [each["code"] for each in entry["upgradeErrors"]] == [5]


class TestCreateUpgrade:
    def test_it_answers_when_it_is_done(self, legacy):
        before = legacy.clock.now()

        answer = legacy.upgrade()

        assert (legacy.clock.now() - before).total_seconds() == pytest.approx(3)
        assert (answer.json["upgradeErrors"], answer.json["licenseErrors"]) == ([], [])
        assert (answer.json["sourceSubscriptionId"], answer.json["upgradeType"]) == (SUBSCRIPTION, 2)

    def test_a_new_subscription_takes_the_place_of_the_source(self, legacy):
        target = legacy.upgrade().json["targetSubscriptionId"]

        new = legacy.subscription(target)
        assert (new["offerId"], new["quantity"], new["status"]) == (LEGACY_STANDARD, 10, "active")
        assert legacy.subscription()["status"] == "deleted"

    @pytest.mark.parametrize(("upgrade_type", "sku"), [("UpgradeOnly", BASIC_SKU), (2, STANDARD_SKU)])
    def test_licences_move_if_asked_for(self, legacy, upgrade_type, sku):
        legacy.upgrade(upgrade_type=upgrade_type)

        found = legacy.get(f"/v1/customers/{CUSTOMER}/subscribedskus").items
        assert {each["productSku"]["id"] for each in found if each["consumedUnits"] == 4} == {sku}

    def test_a_wrong_target_is_refused(self, legacy):
        answer = legacy.upgrade("2828BE95-46BA-4F91-B2FD-0BEF192ECF60")

        assert (answer.status, answer.json["code"]) == (400, 800002)

    def test_a_business_failure_is_in_the_result(self, start):
        client = start(subscription(0x51, status="suspended", legacy_basic=(10, 4)))

        answer = client.upgrade()

        assert answer.status == 200
        assert [each["code"] for each in answer.json["upgradeErrors"]] == [2]
        assert answer.json["upgradeErrors"][0]["additionalDetails"] == "suspended"
        assert client.stats()["transitions"] == 0

    def test_it_is_repeated_by_its_request_id_only(self, legacy):
        first = legacy.upgrade(ms_requestid="r-1")

        assert legacy.upgrade(ms_requestid="r-1").json == first.json
        again = legacy.upgrade(ms_requestid="r-2").json
        assert again["upgradeErrors"][0]["additionalDetails"] == "deleted"

    def test_new_commerce_is_refused(self, client):
        assert client.upgrade().json["code"] == 900127

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({}, 800002),
            ({"targetOffer": {"id": LEGACY_STANDARD}, "upgradeType": 9}, 900126),
            ({"targetOffer": {"id": LEGACY_STANDARD}, "upgradeType": 1, "quantity": 3}, 2002),
        ],
    )
    def test_a_wrong_body_is_refused(self, legacy, body, code):
        answer = legacy.post(path_of() + "/upgrades", body)

        assert (answer.status, answer.json["code"]) == (400, code)

    def test_the_source_can_be_left_suspended(self, legacy):
        legacy.configure(legacy_source_status="suspended")
        legacy.upgrade()

        assert legacy.subscription()["status"] == "suspended"
