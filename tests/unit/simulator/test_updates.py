"""PATCH of subscriptions, and licences by hand."""

import pytest

from tests.unit.simulator.helpers import BASIC_SKU, CUSTOMER, STANDARD_SKU, path_of, subscription


class TestQuantity:
    def test_seats_go_up_at_once_and_down_for_seven_days_only(self, client):
        body = client.subscription()
        assert client.patch(path_of(), body | {"quantity": 12}).json["quantity"] == 12
        assert client.patch(path_of(), body | {"quantity": 11}).status == 200
        assert client.subscription()["refundableQuantity"]["totalQuantity"] == 1
        assert client.patch(path_of(), body | {"quantity": 9}).json["code"] == 800090

        client.clock.sleep(7 * 24 * 3600)

        assert client.sign_in().patch(path_of(), body | {"quantity": 10}).json["code"] == 800090

    def test_legacy_seats_go_down_at_any_time(self, legacy):
        assert legacy.patch(path_of(), {"quantity": 5}).json["quantity"] == 5

    @pytest.mark.parametrize("quantity", [0, 301, "5"])
    def test_it_has_limits(self, client, quantity):
        answer = client.patch(path_of(), {"quantity": quantity})

        assert (answer.status, answer.json["code"]) == (400, 2002)

    def test_not_while_suspended(self, start):
        client = start(subscription(0x51, status="suspended", basic=(10, 4)))

        assert client.patch(path_of(), {"quantity": 11}).json["code"] == 2001

    def test_not_while_an_upgrade_runs(self, client):
        client.transition()

        answer = client.patch(path_of(), {"quantity": 11})

        assert (answer.status, answer.json["code"]) == (409, 900278)


class TestTraps:
    def test_a_body_without_auto_renew_switches_it_off(self, client):
        assert client.patch(path_of(), {"friendlyName": "Mine"}).json["autoRenewEnabled"] is False
        assert client.subscription()["friendlyName"] == "Mine"

    def test_legacy_keeps_it(self, legacy):
        assert legacy.patch(path_of(), {"friendlyName": "Mine"}).json["autoRenewEnabled"] is True

    def test_a_schedule_not_repeated_is_gone(self, client):
        schedule = {"quantity": 5, "product": {"productId": "CFQ7TTC0LDPB"}}
        body = {"autoRenewEnabled": True, "scheduledNextTermInstructions": schedule}
        assert client.patch(path_of(), body).json["scheduledNextTermInstructions"] == schedule

        client.patch(path_of(), {"autoRenewEnabled": True})

        assert "scheduledNextTermInstructions" not in client.subscription()

    def test_a_stale_etag_is_refused(self, legacy):
        body = legacy.subscription()
        assert legacy.patch(path_of(), body | {"quantity": 11}).status == 200

        answer = legacy.patch(path_of(), body | {"quantity": 12})

        assert (answer.status, answer.json["code"]) == (400, 2055)

    def test_an_offer_does_not_change_this_way(self, client):
        assert client.patch(path_of(), {"offerId": "CFQ7TTC0LDPB:0001"}).json["code"] == 3000

    def test_a_slow_one_answers_202(self, client):
        client.configure(patch_answers_202=True)

        answer = client.patch(path_of(), {"quantity": 11})

        assert (answer.status, answer.body) == (202, b"")
        assert "/v1" + answer.headers["Location"] == path_of()
        assert client.subscription()["quantity"] == 11


class TestStatus:
    def test_suspending_takes_addons_along_which_come_back_after_it(self, start):
        client = start(subscription(0x51, legacy_basic=(10, 4), archiving=(3, 1)))
        addon = path_of(client.get(path_of() + "/addons").items[0]["id"])

        assert client.patch(path_of(), {"status": "suspended"}).json["status"] == "suspended"

        assert client.get(addon).json["status"] == "suspended"
        refused = client.patch(addon, {"status": "active"})
        assert (refused.status, refused.json["code"]) == (409, 27009)
        client.patch(path_of(), {"status": 1})
        assert client.patch(addon, {"status": "active"}).status == 200

    def test_suspending_in_new_commerce_ends_the_renewal(self, client):
        body = client.patch(path_of(), {"status": "suspended", "autoRenewEnabled": True}).json

        assert body["autoRenewEnabled"] is False

    @pytest.mark.parametrize(
        ("status", "code"), [("deleted", 900117), ("expired", 800040), ("gone", 900126), (77, 900126)]
    )
    def test_other_changes_are_refused(self, client, status, code):
        answer = client.patch(path_of(), {"status": status})

        assert (answer.status, answer.json["code"]) == (400, code)

    def test_a_young_one_is_cancelled_and_then_at_rest(self, client):
        young = client.transition(quantity=4).json["toSubscriptionId"]
        client.clock.sleep(3)

        assert client.patch(path_of(young), {"status": "deleted"}).json["status"] == "deleted"
        assert client.patch(path_of(young), {"friendlyName": "x"}).json["code"] == 2011

    @pytest.mark.parametrize(
        ("change", "code"), [({"termDuration": "P1M"}, 800122), ({"termDuration": "x"}, 800121)]
    )
    def test_terms_get_longer_only(self, client, change, code):
        assert client.patch(path_of(), change).json["code"] == code
        assert client.patch(path_of(), {"termDuration": "P3Y"}).json["termDuration"] == "P3Y"


class TestLicences:
    def users(self, client):
        return client.get(f"/v1/customers/{CUSTOMER}/users").items

    def licences(self, client, user):
        found = client.get(f"/v1/customers/{CUSTOMER}/users/{user['id']}/licenses").items
        return [each["productSku"]["id"] for each in found]

    def test_people_are_always_the_same(self, client):
        first = self.users(client)

        assert first == self.users(client)
        assert len({each["userPrincipalName"] for each in first}) == 4
        assert client.get(f"/v1/customers/{CUSTOMER}/users/{first[0]['id']}").json == first[0]

    def test_they_are_paged(self, client):
        body = client.get(f"/v1/customers/{CUSTOMER}/users?size=3").json

        assert (len(body["items"]), body["totalCount"]) == (3, 3)
        assert "next" in body["links"]

    def test_a_licence_is_exchanged_in_one_call(self, client):
        target = client.transition(quantity=4)
        assert target.status == 200
        client.clock.sleep(3)
        user = self.users(client)[0]
        body = {"licensesToAssign": [{"skuId": STANDARD_SKU.upper()}], "licensesToRemove": [BASIC_SKU]}

        answer = client.post(f"/v1/customers/{CUSTOMER}/users/{user['id']}/licenseupdates", body)

        assert (answer.status, answer.json["licenseWarnings"]) == (201, [])
        assert self.licences(client, user) == [STANDARD_SKU]

    def test_more_than_there_are_is_refused(self, client):
        user = self.users(client)[0]
        body = {"licensesToAssign": [{"skuId": STANDARD_SKU}]}

        answer = client.post(f"/v1/customers/{CUSTOMER}/users/{user['id']}/licenseupdates", body)

        assert (answer.status, answer.json["code"]) == (400, 60012)
        assert answer.json["data"][0].startswith("LicenseQuotaExceededException :")

    def test_an_addon_is_used_by_the_people_of_its_base(self, start):
        client = start(subscription(0x51, legacy_basic=(10, 4), archiving=(3, 1)))

        assert [len(self.licences(client, user)) for user in self.users(client)] == [2, 1, 1, 1]

    def test_somebody_unknown_is_not_found(self, client):
        answer = client.get(f"/v1/customers/{CUSTOMER}/users/nobody/licenses")

        assert (answer.status, answer.json["code"]) == (404, 60002)
