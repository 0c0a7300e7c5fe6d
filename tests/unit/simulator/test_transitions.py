"""Upgrades in new commerce."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.simulator.helpers import (
    BASIC_SKU,
    CUSTOMER,
    E3_ITEM,
    LEGACY_STANDARD,
    OTHER_SUBSCRIPTION,
    STANDARD_ITEM,
    STANDARD_SKU,
    SUBSCRIPTION,
    guid,
    path_of,
    subscription,
)


def eligibilities(client):
    return {each["title"]: each for each in client.get(path_of() + "/transitionEligibilities").items}


def skus(client):
    found = client.get(f"/v1/customers/{CUSTOMER}/subscribedskus").items
    return {each["productSku"]["id"]: each["consumedUnits"] for each in found}


class TestEligibilities:
    def test_every_target_has_both_types(self, client):
        item = eligibilities(client)["Microsoft 365 Business Standard"]

        assert (item["catalogItemId"], item["quantity"]) == (STANDARD_ITEM, 10)
        assert {each["transitionType"]: each["isEligible"] for each in item["eligibilities"]} == {
            "transition_only": True,
            "transition_with_license_transfer": True,
        }

    def test_a_suspended_source_is_not_eligible(self, start):
        client = start(subscription(0x51, status="suspended", basic=(10, 4)))

        errors = eligibilities(client)["Office 365 E3"]["eligibilities"][0]["errors"]

        assert [each["code"] for each in errors] == [2]

    def test_services_owned_already_forbid_the_licence_transfer_only(self, start):
        client = start(subscription(0x51, basic=(10, 4)), subscription(0x52, standard=(5, 0)))

        item = eligibilities(client)["Microsoft 365 Business Standard"]

        assert [each["isEligible"] for each in item["eligibilities"]] == [True, False]
        assert item["eligibilities"][1]["errors"][0]["code"] == 3
        assert [each["subscriptionId"] for each in item["subscriptionEligibilities"]] == [OTHER_SUBSCRIPTION]

    def test_there_is_no_way_down(self, start):
        client = start(subscription(0x51, e3=(10, 4)))

        assert not {"Office 365 E1", "Microsoft 365 Business Standard"} & eligibilities(client).keys()

    def test_a_scheduled_change_names_no_subscriptions(self, client):
        found = client.get(path_of() + "/transitionEligibilities?eligibilityType=scheduled").items

        assert found
        assert "subscriptionEligibilities" not in found[0]


class TestFullTransition:
    def test_the_answer_echoes_the_request_and_has_started(self, client):
        answer = client.transition(termDuration="P1Y", billingCycle="Monthly")

        assert answer.status == 200
        body = answer.json
        assert (body["toCatalogItemId"], body["quantity"], body["billingCycle"]) == (
            STANDARD_ITEM,
            10,
            "Monthly",
        )
        assert [(each["name"], each["status"]) for each in body["events"]] == [("Conversion", "Started ")]
        assert "toSubscriptionId" not in body

    def test_its_stages_follow_the_clock_exactly(self, client):
        client.transition()
        seen = []
        for _ in range(4):
            seen.append([(each["name"], each["status"].strip()) for each in client.history()[0]["events"]])
            client.clock.sleep(1.2)

        started = [("Conversion", "Started")]
        converted = [*started, ("Conversion", "Completed"), ("LicenseReassignment", "Started")]
        assert seen == [started, started, converted, [*converted, ("LicenseReassignment", "Completed")]]

    def test_the_same_subscription_has_the_new_offer_when_it_is_done(self, client):
        client.transition()
        client.clock.sleep(2.3)
        assert client.subscription()["offerName"] == "Microsoft 365 Business Basic"

        client.clock.sleep(0.7)

        body = client.subscription()
        assert (body["id"], body["offerId"], body["quantity"]) == (SUBSCRIPTION, STANDARD_ITEM, 10)
        assert body["friendlyName"] == "Microsoft 365 Business Standard"

    @pytest.mark.parametrize("transition_type", ["transition_only", "transition_with_license_transfer"])
    def test_peoples_licences_follow(self, client, transition_type):
        assert skus(client) == {BASIC_SKU: 4}

        client.transition(transitionType=transition_type)
        client.clock.sleep(3)

        assert skus(client) == {STANDARD_SKU: 4}

    def test_licences_stay_where_the_target_is_owned_already(self, start):
        client = start(subscription(0x51, basic=(10, 4)), subscription(0x52, standard=(5, 0)))

        client.transition(transitionType="transition_only")
        client.clock.sleep(3)

        assert [each["name"] for each in client.history()[0]["events"]] == ["Conversion", "Conversion"]
        assert client.subscription()["offerId"] == STANDARD_ITEM

    def test_it_is_found_by_its_operation(self, client):
        operation = client.transition().json["operationId"]

        for name in ("operationId", "operation-id"):
            assert len(client.get(f"{path_of()}/transitions?{name}={operation}").items) == 1
            assert client.get(f"{path_of()}/transitions?{name}={guid(7)}").items == []

    def test_the_documented_key_can_be_had(self, client):
        client.transition()
        client.configure(documented_transition_key=True, trailing_blank_in_status=False)

        body = client.get(path_of() + "/transitions").json

        assert "totalCount" not in body
        assert body["transition"][0]["events"][0]["status"] == "Started"

    def test_a_chain_of_two_is_two_transitions(self, client):
        client.transition()
        client.clock.sleep(3)

        assert client.transition(item=E3_ITEM).status == 200
        client.clock.sleep(3)

        assert client.subscription()["offerId"] == E3_ITEM
        assert client.stats()["transitions_by_subscription_over_one"] == {SUBSCRIPTION: 2}


class TestPartialTransition:
    def test_it_splits_the_subscription(self, client):
        target = client.transition(quantity=4).json["toSubscriptionId"]
        client.clock.sleep(3)

        source, new = client.subscription(), client.subscription(target)
        assert (source["quantity"], source["offerName"]) == (6, "Microsoft 365 Business Basic")
        assert (new["quantity"], new["offerId"]) == (4, STANDARD_ITEM)
        assert new["commitmentEndDate"] == source["commitmentEndDate"]
        assert skus(client) == {BASIC_SKU: 4, STANDARD_SKU: 0}


class TestTransitionIntoAnother:
    @pytest.fixture
    def client(self, start):
        return start(
            subscription(0x51, basic=(10, 4)),
            subscription(0x52, standard=(5, 2)),
            subscription(0x53, standard=(5, 2), status="suspended"),
            subscription(0x54, e3=(5, 2)),
        )

    def into(self, client, target, **changes):
        return client.transition(toSubscriptionId=target, transitionType="transition_only", **changes)

    def test_the_target_gets_the_seats_and_the_source_ends(self, client):
        new = client.transition(quantity=4, transitionType="transition_only").json["toSubscriptionId"]
        client.clock.sleep(3)

        answer = self.into(client, new, quantity=6)
        client.clock.sleep(3)

        assert answer.json["toSubscriptionId"] == new
        assert client.subscription()["status"] == "deleted"
        assert client.subscription(new)["quantity"] == 10

    def test_a_target_that_ends_earlier_is_refused(self, client):
        client.patch(path_of(), {"termDuration": "P3Y"})

        answer = self.into(client, OTHER_SUBSCRIPTION)

        assert (answer.status, answer.json["code"]) == (400, 900236)

    def test_a_target_in_an_upgrade_is_not_ready(self, client):
        new = client.transition(quantity=4, transitionType="transition_only").json["toSubscriptionId"]
        client.clock.sleep(3)
        client.transition(new, E3_ITEM, quantity=1, transitionType="transition_only")

        answer = self.into(client, new, quantity=6)

        assert (answer.status, answer.json["code"]) == (400, 900261)

    @pytest.mark.parametrize(
        ("target", "status", "code"),
        [
            (SUBSCRIPTION.upper(), 400, 900259),
            (guid(0x53), 400, 900258),
            (guid(0x54), 400, 900260),
            (guid(0x99), 404, 20003),
        ],
    )
    def test_a_wrong_target_is_refused(self, client, target, status, code):
        answer = self.into(client, target)

        assert (answer.status, answer.json["code"]) == (status, code)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "status", "code"),
        [
            ({"item": "CFQ7TTC0LH18:0001:CFQ7TTC0K971"}, 400, 800002),
            ({"item": "CFQ7TTC0LDPB:0001:OLD"}, 404, 400019),
            ({"item": "CFQ7TTC0LDPB:0001"}, 400, 800002),
            ({"item": LEGACY_STANDARD}, 400, 800002),
            ({"quantity": 0}, 400, 2002),
            ({"quantity": 11}, 400, 2002),
            ({"quantity": "10"}, 400, 2002),
            ({"quantity": True}, 400, 2002),
            ({"transitionType": None}, 400, 800002),
            ({"transitionType": "other"}, 400, 900126),
            ({"termDuration": "P2Y"}, 400, 900268),
            ({"termDuration": "P1M"}, 400, 900267),
            ({"billingCycle": "weekly"}, 400, 900269),
            ({"billingCycle": "triennial"}, 400, 900270),
        ],
    )
    def test_a_wrong_request_is_refused(self, client, changes, status, code):
        answer = client.transition(**changes)

        assert (answer.status, answer.json["code"]) == (status, code)
        assert client.stats()["transitions"] == 0

    def test_a_second_one_is_refused_while_one_runs(self, client):
        client.transition()

        answer = client.transition()

        assert (answer.status, answer.json["code"]) == (409, 900278)

    def test_customers_can_be_limited_to_one(self, start):
        client = start(subscription(0x51, basic=(10, 4)), subscription(0x52, e1=(10, 4)))
        client.configure(one_transition_per_customer=True)
        client.transition()

        assert client.transition(OTHER_SUBSCRIPTION, E3_ITEM).status == 409
        client.clock.sleep(3)
        assert client.transition(OTHER_SUBSCRIPTION, E3_ITEM).status == 200

    def test_a_suspended_source_is_refused(self, start):
        answer = start(subscription(0x51, status="suspended", basic=(10, 4))).transition()

        assert (answer.status, answer.json["code"]) == (400, 800012)

    def test_a_licence_transfer_that_conflicts_is_refused(self, start):
        client = start(subscription(0x51, basic=(10, 4)), subscription(0x52, standard=(5, 0)))

        answer = client.transition()

        assert (answer.status, answer.json["code"]) == (400, 800002)
        assert answer.json["data"] == ["3: Conflicting services exist"]

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_legacy_subscriptions_are_refused(self, legacy, method):
        answer = legacy.call(method, path_of() + "/transitions", {} if method == "POST" else None)

        assert (answer.status, answer.json["code"]) == (403, 900263)

    def test_a_changed_availability_makes_the_old_one_stale(self, client):
        client.configure(availability_generation=1)

        assert client.transition().json["code"] == 400019
        current = eligibilities(client)["Microsoft 365 Business Standard"]["catalogItemId"]
        assert client.transition(item=current).status == 200

    @pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
    def test_a_body_that_is_no_object_is_refused(self, client, body):
        answer = client.post(path_of() + "/transitions", body)

        assert (answer.status, answer.json["code"]) == (400, 800002)


class TestRepeatedRequest:
    def test_the_same_request_id_replays_the_answer(self, client):
        first = client.transition(ms_requestid="r-1")
        client.clock.sleep(10)

        second = client.transition(ms_requestid="r-1")

        assert second.json == first.json
        assert client.stats()["transitions"] == 1
        assert [each["replayed"] for each in client.journal() if each["kind"] == "transition"] == [
            False,
            True,
        ]

    def test_a_refusal_is_not_stored(self, client):
        assert client.transition(quantity=11, ms_requestid="r-1").status == 400

        assert client.transition(ms_requestid="r-1").status == 200

    def test_without_replay_every_request_is_judged_anew(self, client):
        client.configure(replay_request_ids=False)
        client.transition(ms_requestid="r-1")

        assert client.transition(ms_requestid="r-1").status == 409


class TestAtTheSameTime:
    def post(self, client, request_ids):
        with ThreadPoolExecutor(16) as threads:
            return list(threads.map(lambda each: client.transition(ms_requestid=each), request_ids))

    def test_one_request_id_is_carried_out_once(self, client):
        answers = self.post(client, ["r-1"] * 32)

        assert {answer.body for answer in answers} == {answers[0].body}
        assert client.stats()["transitions"] == 1

    def test_of_many_requests_one_wins(self, client):
        answers = self.post(client, [f"r-{number}" for number in range(32)])

        assert sorted(answer.status for answer in answers) == [200] + [409] * 31
        assert client.stats()["max_running"] == 1
