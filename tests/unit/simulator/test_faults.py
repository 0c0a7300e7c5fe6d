import pytest

from gateway.simulator import ConnectionCutError
from tests.unit.simulator.helpers import (
    BASIC_SKU,
    CUSTOMER,
    E3,
    OTHER_SUBSCRIPTION,
    STANDARD_ITEM,
    STANDARD_SKU,
    SUBSCRIPTION,
    path_of,
    subscription,
)


def events(client):
    return [(each["name"], each["status"].strip()) for each in client.history()[0]["events"]]


class TestSchedule:
    def statuses(self, client, count):
        return [client.get("/v1/customers").status for _ in range(count)]

    def test_it_hits_a_number_of_times(self, client):
        client.fault("status", status=503, times=2)

        assert self.statuses(client, 4) == [503, 503, 200, 200]

    def test_it_lets_some_pass_first(self, client):
        client.fault("status", status=503, times=1, after=2)

        assert self.statuses(client, 4) == [200, 200, 503, 200]

    def test_it_hits_each_nth(self, client):
        client.fault("status", status=503, every=3)

        assert self.statuses(client, 6) == [200, 200, 503, 200, 200, 503]

    def test_counts_are_listed_and_all_can_be_cleared(self, client):
        client.fault("status", {"kind": "customers"}, status=503, every=2)
        self.statuses(client, 3)

        (listed,) = client.get("/_control/faults").items
        assert (listed["action"], listed["seen"], listed["fired"]) == ("status", 3, 1)

        client.call("DELETE", "/_control/faults")
        assert self.statuses(client, 2) == [200, 200]


class TestMatch:
    @pytest.mark.parametrize(
        "match",
        [
            {"method": "get"},
            {"path": "/v1/customers"},
            {"path": r"subscriptions/[^/]+$"},
            {"kind": "subscription"},
            {"subscription_id": SUBSCRIPTION.upper()},
        ],
    )
    def test_a_request_is_told_by_each_of_them(self, client, match):
        client.fault("status", match, status=503)

        assert client.get(path_of()).status == 503

    @pytest.mark.parametrize(
        "match",
        [{"method": "POST"}, {"path": "/offers"}, {"kind": "users"}, {"subscription_id": OTHER_SUBSCRIPTION}],
    )
    def test_others_are_left_alone(self, client, match):
        client.fault("status", match, status=503)

        assert client.get(path_of()).status == 200

    @pytest.mark.parametrize(
        "fault",
        [
            {"action": "explode"},
            {"action": "status", "seconds": 3},
            {"action": "status", "match": {"host": "x"}},
            {"action": "status", "match": {"path": "("}},
            {"action": "status", "every": 0},
            {"action": "status", "times": "2"},
            {"action": "garbage", "garbage": "zip"},
        ],
    )
    def test_a_wrong_one_is_refused_as_it_is_set(self, client, fault):
        answer = client.post("/_control/faults", fault)

        assert answer.status == 400
        assert answer.json["error"]


class TestAnswers:
    def test_a_status_has_code_text_and_headers(self, client):
        client.fault(
            "status", status=500, code=900192, description="Odd", headers={"X-A": "b"}, retry_after=5, times=1
        )

        answer = client.get("/v1/customers")

        assert (answer.status, answer.json["code"], answer.json["description"]) == (500, 900192, "Odd")
        assert (answer.headers["X-A"], answer.headers["Retry-After"]) == ("b", "5")

    @pytest.mark.parametrize(("body", "expected"), [("<html>", b"<html>"), ({"a": 1}, b'{"a":1}')])
    def test_a_status_may_have_any_body(self, client, body, expected):
        client.fault("status", status=502, body=body)

        assert client.get("/v1/customers").body == expected

    def test_throttling_has_the_other_shape(self, client):
        client.fault("throttle", retry_after=7)

        answer = client.transition()

        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert answer.json == {
            "statusCode": 429,
            "message": "Rate limit is exceeded. Try again in 7 seconds.",
        }
        assert (client.stats()["throttled"], client.stats()["transitions"]) == (1, 0)

    def test_a_busy_customer(self, client):
        client.fault("customer_busy", times=1)

        assert client.get(path_of()).status == 200
        assert client.transition().json["code"] == 900278
        assert client.transition().status == 200

    def test_tokens_can_expire_all_at_once(self, client):
        client.fault("expire_tokens", times=1)

        assert client.get("/v1/customers").status == 401
        assert client.get("/v1/customers").status == 401
        assert client.sign_in().get("/v1/customers").status == 200

    def test_the_login_host_can_fail_too(self, client):
        client.fault("status", {"kind": "token"}, status=503)

        assert client.login().status == 503

    @pytest.mark.parametrize(
        ("how", "check"),
        [
            ("html", lambda body: body.startswith(b"<html>")),
            ("truncated", lambda body: body.startswith(b"{") and not body.endswith(b"}")),
            ("bom", lambda body: body.startswith(b"\xef\xbb\xbf{")),
            ("empty", lambda body: body == b""),
        ],
    )
    def test_garbage_comes_after_the_work(self, client, how, check):
        client.fault("garbage", {"kind": "transition"}, garbage=how)

        answer = client.transition()

        assert answer.status == 200
        assert check(answer.body)
        assert client.stats()["transitions"] == 1


class TestConnection:
    def test_dropped_before_nothing_is_done(self, client):
        client.fault("drop_before", {"kind": "transition"}, times=1)

        with pytest.raises(ConnectionCutError):
            client.transition()

        entry = client.journal()[-1]
        assert (entry["status"], entry["cut"], entry["executed"]) == (None, True, False)
        assert client.transition().status == 200

    def test_dropped_after_the_work_is_done(self, client):
        client.fault("drop_after", {"kind": "transition"}, times=1)

        with pytest.raises(ConnectionCutError):
            client.transition(ms_requestid="r-1")

        assert client.stats()["transitions"] == 1
        entry = client.journal()[-1]
        assert (entry["status"], entry["cut"], entry["executed"]) == (200, True, True)
        assert client.transition(ms_requestid="r-1").status == 200
        assert client.stats()["transitions"] == 1

    def test_a_hang_after_the_work_answers_late(self, client):
        client.fault("hang_after", seconds=30, times=1)
        before = client.clock.now()

        assert client.transition().status == 200
        assert (client.clock.now() - before).total_seconds() == 30

    def test_a_hang_before_ends_without_work(self, client):
        client.fault("hang_before", seconds=30, times=1)

        with pytest.raises(ConnectionCutError):
            client.transition()

        assert client.stats()["transitions"] == 0

    def test_a_delay_is_only_that(self, client):
        client.fault("delay", seconds=5, times=1)
        before = client.clock.now()

        assert client.get(path_of()).status == 200
        assert (client.clock.now() - before).total_seconds() == 5


class TestUpgradesThatGoWrong:
    def test_a_conversion_fails_and_may_be_tried_again(self, client):
        client.fault("transition_fails", code=10, times=1)
        client.transition()
        client.clock.sleep(3)

        assert events(client) == [("Conversion", "Started"), ("Conversion", "Failed")]
        assert client.history()[0]["events"][1]["errors"][0]["code"] == 10
        assert client.subscription()["offerName"] == "Microsoft 365 Business Basic"
        assert client.transition().status == 200
        assert client.stats()["transitions_by_subscription_over_one"] == {}

    def test_licences_of_some_are_not_moved(self, client):
        client.fault("license_errors", users=3)
        client.transition()
        client.clock.sleep(3)

        assert events(client)[-1] == ("LicenseReassignment", "Failed")
        assert client.history()[0]["events"][-1]["errors"][0]["code"] == 12
        assert held_by_each(client) == [STANDARD_SKU, BASIC_SKU, BASIC_SKU, BASIC_SKU]

    def test_a_share_of_the_people_is_left_behind_and_microsoft_does_not_say_so(self, client):
        client.fault("users_left_behind", share=0.5)
        client.transition()
        client.clock.sleep(3)

        assert events(client)[-1] == ("LicenseReassignment", "Completed")
        assert held_by_each(client) == [STANDARD_SKU, STANDARD_SKU, BASIC_SKU, BASIC_SKU]
        units = {
            each["productSku"]["id"]: (each["activeUnits"], each["consumedUnits"])
            for each in client.get(f"/v1/customers/{CUSTOMER}/subscribedskus").items
        }
        assert units == {STANDARD_SKU: (10, 2), BASIC_SKU: (0, 2)}

    def test_licences_follow_later_than_microsoft_says(self, client):
        client.fault("licenses_lag", seconds=10)
        client.transition()
        client.clock.sleep(3)

        assert events(client)[-1] == ("LicenseReassignment", "Completed")
        assert set(held_by_each(client)) == {BASIC_SKU}
        client.clock.sleep(10)
        assert set(held_by_each(client)) == {STANDARD_SKU}

    def test_it_never_finishes(self, client):
        client.fault("never_finishes")
        client.transition()
        client.clock.sleep(1_000_000)

        client.sign_in()
        assert events(client) == [("Conversion", "Started")]
        assert client.stats()["running"] == 1
        assert client.transition().status == 409

    def test_history_lags(self, client):
        client.fault("history_lags", seconds=10)
        client.transition()

        assert client.history() == []
        client.clock.sleep(10)
        assert len(client.history()) == 1

    def test_the_offer_lags_and_nothing_else_may_start(self, client):
        client.fault("offer_lags", seconds=10, times=1)
        client.transition()
        client.clock.sleep(3)

        assert events(client)[-1] == ("LicenseReassignment", "Completed")
        assert client.subscription()["offerName"] == "Microsoft 365 Business Basic"
        assert client.transition().status == 409
        client.clock.sleep(10)
        assert client.subscription()["offerId"] == STANDARD_ITEM

    def test_ineligible_with_a_code(self, client):
        client.fault("ineligible", code=13, description="No right")

        item = client.get(path_of() + "/transitionEligibilities").items[0]

        assert item["eligibilities"][0] == {
            "isEligible": False,
            "transitionType": "transition_only",
            "errors": [{"code": 13, "description": "No right."}],
        }
        assert client.transition().json["data"] == ["13: No right"]

    def test_a_target_is_left_out(self, client):
        client.fault("ineligible", omit=True, target=E3)

        titles = [each["title"] for each in client.get(path_of() + "/transitionEligibilities").items]

        assert "Office 365 E3" not in titles
        assert "Office 365 E5" in titles


class TestLegacyUpgradesThatGoWrong:
    def test_a_failure_is_in_the_result(self, legacy):
        legacy.fault("transition_fails", code=4)

        body = legacy.upgrade().json

        assert [each["code"] for each in body["upgradeErrors"]] == [4]
        assert "targetSubscriptionId" not in body
        assert legacy.subscription()["status"] == "active"

    def test_people_without_licences_are_named(self, legacy):
        legacy.fault("license_errors", users=2)

        errors = legacy.upgrade().json["licenseErrors"]

        names = [each["email"] for each in errors]
        users = legacy.get(f"/v1/customers/{CUSTOMER}/users").items
        assert names == [user["userPrincipalName"] for user in users[2:]]
        assert errors[0]["errors"][0]["code"] == 60012
        held = [
            legacy.get(f"/v1/customers/{CUSTOMER}/users/{user['id']}/licenses").items[0] for user in users
        ]
        assert [each["productSku"]["id"] for each in held] == [STANDARD_SKU] * 2 + [BASIC_SKU] * 2

    def test_one_that_never_finishes_never_answers(self, legacy):
        legacy.fault("never_finishes")

        with pytest.raises(ConnectionCutError):
            legacy.upgrade()

        assert legacy.stats()["running"] == 1

    def test_a_lost_answer_is_had_by_the_same_request_id(self, legacy):
        legacy.fault("drop_after", times=1)
        with pytest.raises(ConnectionCutError):
            legacy.upgrade(ms_requestid="r-1")

        target = legacy.upgrade(ms_requestid="r-1").json["targetSubscriptionId"]

        assert legacy.subscription(target)["status"] == "active"
        assert legacy.stats()["transitions"] == 1


class TestThrottling:
    def test_a_minute_has_so_many_requests(self, client):
        client.configure(requests_per_minute=2)
        assert [client.get("/v1/customers").status for _ in range(3)] == [200, 200, 429]
        client.clock.sleep(30)

        answer = client.get("/v1/customers")
        assert (answer.status, answer.headers["Retry-After"]) == (429, "30")

        client.clock.sleep(30)
        assert client.get("/v1/customers").status == 200

    def test_nothing_is_limited_by_default(self, client):
        assert {client.get("/v1/customers").status for _ in range(50)} == {200}


def test_several_faults_hit_one_request(start):
    client = start(subscription(0x51, basic=(10, 4)))
    client.fault("delay", seconds=5)
    client.fault("status", status=503)
    before = client.clock.now()

    assert client.get("/v1/customers").status == 503
    assert (client.clock.now() - before).total_seconds() == 5


def held_by_each(client):
    users = client.get(f"/v1/customers/{CUSTOMER}/users").items
    found = [client.get(f"/v1/customers/{CUSTOMER}/users/{user['id']}/licenses").items for user in users]
    return [licenses[0]["productSku"]["id"] for licenses in found]
