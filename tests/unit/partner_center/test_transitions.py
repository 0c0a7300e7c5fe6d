"""New-commerce transitions and legacy upgrades."""

import json
from datetime import UTC, datetime

import pytest

from gateway.partner_center import (
    TRANSITION_REASONS,
    UPGRADE_REASONS,
    Reason,
    TransitionRequest,
    TransitionState,
    TransitionType,
    UnavailableError,
    UpgradeType,
)
from gateway.partner_center.reading import Record, UnreadableError
from gateway.partner_center.upgrades import read_upgrade
from tests.unit.partner_center.helpers import (
    CUSTOMER,
    REQUEST_ID,
    SUBSCRIPTION,
    Server,
    client_answered,
    client_of,
    collection,
    json_answer,
)

TARGET = "CFQ7TTC0LDPB:0001:CFQ7TTC0LGNT"
OPERATION = "7d2e6c7a-0000-4000-8000-000000000050"
REQUEST = TransitionRequest(TARGET, 15, TransitionType.WITH_LICENSE_TRANSFER)
TRANSITION = {
    "operationId": OPERATION,
    "fromCatalogItemId": "CFQ7TTC0LH18:0001:CFQ7TTC0K971",
    "fromSubscriptionId": SUBSCRIPTION,
    "toCatalogItemId": TARGET,
    "quantity": 15,
    "transitionType": "transition_with_license_transfer",
    "events": [{"name": "Conversion", "status": "Started ", "timestamp": "2026-01-08T18:01:14.7488618Z"}],
}


def event(name, status, minute=None, **more):
    timestamp = {} if minute is None else {"timestamp": f"2026-01-08T18:{minute:02}:00Z"}
    return {"name": name, "status": status, **timestamp, **more}


def transition_of(*events, **changes):
    client = client_answered(collection(TRANSITION | {"events": list(events)} | changes))
    return client.list_transitions(CUSTOMER, SUBSCRIPTION)[0]


class TestCreateTransition:
    def test_it_is_asked_for_and_read(self):
        server = Server(json_answer(TRANSITION))

        found = client_of(server).create_transition(CUSTOMER, SUBSCRIPTION, REQUEST, REQUEST_ID)

        assert (server.call.method, server.call.url.path) == (
            "POST",
            f"/v1/customers/{CUSTOMER}/subscriptions/{SUBSCRIPTION}/transitions",
        )
        assert server.call.headers["MS-RequestId"] == REQUEST_ID
        assert server.call.headers["Content-Type"] == "application/json"
        assert json.loads(server.call.content) == {
            "fromSubscriptionId": SUBSCRIPTION,
            "toCatalogItemId": TARGET,
            "quantity": 15,
            "transitionType": "transition_with_license_transfer",
        }
        assert (found.operation_id, found.to_catalog_item_id, found.quantity) == (OPERATION, TARGET, 15)
        assert found.state is TransitionState.RUNNING
        assert found.started_at == datetime(2026, 1, 8, 18, 1, 14, 748861, tzinfo=UTC)

    def test_a_term_and_a_billing_cycle_are_sent_when_given(self):
        server = Server(json_answer(TRANSITION))
        request = TransitionRequest(TARGET, 1, "transition_only", term_duration="P3Y", billing_cycle="annual")

        client_of(server).create_transition(CUSTOMER, SUBSCRIPTION, request, REQUEST_ID)

        sent = json.loads(server.call.content)
        assert (sent["termDuration"], sent["billingCycle"]) == ("P3Y", "annual")

    @pytest.mark.parametrize("status", [200, 201, 202])
    def test_any_success_will_do(self, status):
        client = client_answered(json_answer(TRANSITION, status))

        assert client.create_transition(CUSTOMER, SUBSCRIPTION, REQUEST, REQUEST_ID).operation_id == OPERATION

    def test_an_operation_id_may_be_missing(self):
        body = {name: value for name, value in TRANSITION.items() if name != "operationId"}

        found = client_answered(json_answer(body)).create_transition(
            CUSTOMER, SUBSCRIPTION, REQUEST, REQUEST_ID
        )

        assert found.operation_id is None

    @pytest.mark.parametrize(
        "body", ["", "<html></html>", '{"operationId"', "[]", "{}", '{"events": 5}', "null"]
    )
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    def test_garbage_may_have_been_a_success(self, body, status):
        def answer(request):
            return httpx_text(status, body)

        with pytest.raises(UnavailableError) as caught:
            client_answered(answer).create_transition(CUSTOMER, SUBSCRIPTION, REQUEST, REQUEST_ID)

        assert caught.value.may_have_been_done
        assert caught.value.request_id == REQUEST_ID
        assert caught.value.status == status


def httpx_text(status, body):
    answer = json_answer(None, status)
    return type(answer)(status, text=body)


class TestListTransitions:
    def test_pascal_case_and_the_documented_key_are_read(self):
        body = {
            "transition": [
                {
                    "OperationId": OPERATION,
                    "FromCatalogItemId": "A:1:B",
                    "ToCatalogItemId": TARGET,
                    "Quantity": "15",
                    "TransitionType": "TransitionOnly",
                    "Events": [{"Name": "Conversion", "Status": "Completed"}],
                }
            ]
        }

        [found] = client_answered(json_answer(body)).list_transitions(CUSTOMER, SUBSCRIPTION)

        assert (found.from_catalog_item_id, found.quantity) == ("A:1:B", 15)
        assert found.transition_type == TransitionType.ONLY
        assert found.state is TransitionState.COMPLETED

    def test_one_operation_can_be_asked_for(self):
        server = Server(collection(TRANSITION, TRANSITION | {"operationId": "another"}))

        found = client_of(server).list_transitions(CUSTOMER, SUBSCRIPTION, OPERATION.upper())

        assert server.call.url.params["operationId"] == OPERATION.upper()
        assert [one.operation_id for one in found] == [OPERATION]

    def test_none_are_none(self):
        assert client_answered(collection()).list_transitions(CUSTOMER, SUBSCRIPTION) == []

    @pytest.mark.parametrize("body", [{}, {"items": None}, {"items": ["x"]}, {"items": [{}]}, []])
    def test_garbage_is_not_taken_for_none(self, body):
        with pytest.raises(UnavailableError):
            client_answered(json_answer(body)).list_transitions(CUSTOMER, SUBSCRIPTION)


class TestState:
    @pytest.mark.parametrize(
        ("events", "state"),
        [
            ([], "running"),
            ([event("Conversion", "Started", 1)], "running"),
            ([event("Conversion", "InProgress", 1)], "running"),
            ([event("Conversion", "Something new", 1)], "running"),
            ([event("SomethingNew", "Completed", 1)], "running"),
            ([event("Conversion", "Started", 1), event("Conversion", "Completed", 2)], "completed"),
            ([event("Conversion", "Completed", 2), event("Conversion", "Started", 1)], "completed"),
            ([event("Conversion", "Completed", 1), event("Conversion", "Started", 1)], "completed"),
            ([event("Conversion", "Started"), event("Conversion", "Completed")], "completed"),
            ([event("Conversion", "Started", 1), event("Conversion", "Failed", 2)], "failed"),
            ([event("Conversion", "Failed", 1), event("Conversion", "Completed", 2)], "completed"),
            ([event("conversion ", " COMPLETED ", 1), event("LicenseReassignment", "Started", 2)], "running"),
            ([event("Conversion", "Completed", 1), event("SeatReassignment", "InProgress", 2)], "running"),
            (
                [event("Conversion", "Completed", 1), event("LicenseReassignment", "Completed", 2)],
                "completed",
            ),
            (
                [event("Conversion", "Completed", 1), event("LicenseReassignment", "Failed", 2)],
                "completed_with_license_errors",
            ),
            ([event("LicenseReassignment", "Failed", 1), event("Conversion", "Failed", 2)], "failed"),
            ([event("LicenseReassignment", "Completed", 1)], "running"),
        ],
    )
    def test_the_newest_event_of_each_stage_decides(self, events, state):
        assert transition_of(*events).state is TransitionState(state)

    def test_errors_of_all_events_are_told(self):
        errors = [{"code": 12, "description": "Licences of 2 users could not be moved."}]

        found = transition_of(
            event("Conversion", "Completed", 1),
            event("LicenseReassignment", "Failed", 2, errors=errors),
        )

        assert found.errors == (Reason(12, "user_license_error", "Licences of 2 users could not be moved."),)


class TestEligibilities:
    def test_they_are_read_by_type(self):
        server = Server(
            collection(
                {
                    "catalogItemId": TARGET,
                    "title": "Microsoft 365 Business Standard",
                    "quantity": 15,
                    "eligibilities": [
                        {"isEligible": True, "transitionType": "transition_only", "errors": []},
                        {
                            "isEligible": False,
                            "transitionType": "TransitionWithLicenseTransfer",
                            "errors": [{"code": "13", "description": "No role"}],
                        },
                    ],
                }
            )
        )

        [found] = client_of(server).list_transition_eligibilities(CUSTOMER, SUBSCRIPTION)

        assert server.call.url.path.endswith(f"{SUBSCRIPTION}/transitionEligibilities")
        assert server.call.url.params["eligibilityType"] == "immediate"
        assert (found.catalog_item_id, found.quantity) == (TARGET, 15)
        assert found.by_type["transition_only"] == (True, ())
        assert found.by_type[TransitionType.WITH_LICENSE_TRANSFER].errors == (
            Reason(13, "insufficient_granular_admin_permissions", "No role"),
        )

    def test_the_two_lists_of_codes_differ(self):
        assert UPGRADE_REASONS[11] == TRANSITION_REASONS[13] == "insufficient_granular_admin_permissions"
        assert TRANSITION_REASONS[11] == "conversions_not_found"
        assert all(UPGRADE_REASONS[code] == TRANSITION_REASONS[code] for code in range(11))


UPGRADE = {
    "targetOffer": {"id": "796B6B5F", "name": "Office 365 E3", "unknown": {"Ü": [1, None, "x"]}},
    "upgradeType": "upgrade_only",
    "isEligible": True,
    "quantity": 12,
    "upgradeErrors": [],
}


class TestUpgrades:
    def test_they_are_read(self):
        errors = [{"code": "SubscriptionAddOnsPresent", "description": "Add-ons", "additionalDetails": "2"}]
        refused = UPGRADE | {"upgradeType": 2, "isEligible": False, "upgradeErrors": errors}
        server = Server(collection(UPGRADE, refused))

        first, second = client_of(server).list_upgrades(CUSTOMER, SUBSCRIPTION)

        assert server.call.url.path.endswith(f"{SUBSCRIPTION}/upgrades")
        assert (first.target_offer_id, first.upgrade_type, first.is_eligible) == (
            "796B6B5F",
            "upgrade_only",
            True,
        )
        assert second.upgrade_type == UpgradeType.WITH_LICENSE_TRANSFER
        assert second.errors == (Reason(6, "subscription_add_ons_present", "Add-ons", "2"),)

    @pytest.mark.parametrize(
        ("code", "number", "name"),
        [
            (11, 11, "insufficient_granular_admin_permissions"),
            ("subscription_not_provisioned", 9, "subscription_not_provisioned"),
            (
                "SubscriptionDoesNotHaveAnyTransitionedPaths",
                7,
                "subscription_does_not_have_any_upgrade_paths",
            ),
            (77, 77, "other"),
            ("SomethingNew", None, "other"),
            (None, None, "other"),
        ],
    )
    def test_a_code_is_a_number_or_a_name(self, code, number, name):
        entry = UPGRADE | {"upgradeErrors": [{"code": code}]}

        [found] = client_answered(collection(entry)).list_upgrades(CUSTOMER, SUBSCRIPTION)

        assert (found.errors[0].code, found.errors[0].name) == (number, name)

    def test_an_entry_without_a_target_is_not_eligible(self):
        entry = {"isEligible": True, "upgradeErrors": [{"code": 7}]}

        [found] = client_answered(collection(entry)).list_upgrades(CUSTOMER, SUBSCRIPTION)

        assert not found.is_eligible

    def test_the_whole_entry_is_sent_back(self):
        server = Server(collection(UPGRADE), json_answer({"targetSubscriptionId": "new", "upgradeType": 1}))
        client = client_of(server)
        [upgrade] = client.list_upgrades(CUSTOMER, SUBSCRIPTION)

        result = client.create_upgrade(CUSTOMER, SUBSCRIPTION, upgrade, REQUEST_ID)

        assert json.loads(server.call.content) == UPGRADE
        assert server.call.headers["MS-RequestId"] == REQUEST_ID
        assert server.call.extensions["timeout"]["read"] == 180
        assert result.is_upgraded
        assert (result.target_subscription_id, result.upgrade_type) == ("new", "upgrade_only")

    def test_an_entry_too_deep_to_send_back_is_unreadable(self):
        deep: dict[str, object] = {}
        for _ in range(100_000):
            deep = {"a": deep}

        with pytest.raises(UnreadableError):
            read_upgrade(Record(deep))

    def test_a_result_tells_whose_licences_did_not_move(self):
        body = {
            "sourceSubscriptionId": SUBSCRIPTION,
            "targetSubscriptionId": "new",
            "upgradeErrors": [],
            "licenseErrors": [
                {
                    "userObjectId": "bo",
                    "name": "Bo Demo",
                    "email": "bo@fabrikam.onmicrosoft.com",
                    "errors": [{"code": 60012, "description": "Out of licences", "data": []}],
                }
            ],
        }

        [error] = self.result_of(json_answer(body)).license_errors

        assert (error.user_id, error.name) == ("bo", "Bo Demo")
        assert error.errors == (Reason(60012, "other", "Out of licences"),)

    def test_a_result_may_be_a_refusal(self):
        result = self.result_of(
            json_answer({"upgradeErrors": [{"code": 2, "additionalDetails": "suspended"}]})
        )

        assert not result.is_upgraded
        assert result.errors == (Reason(2, "subscription_status_not_active", "", "suspended"),)

    def test_a_result_that_says_neither_is_unreadable(self):
        with pytest.raises(UnavailableError) as caught:
            self.result_of(json_answer({"sourceSubscriptionId": SUBSCRIPTION, "upgradeErrors": []}))
        assert caught.value.may_have_been_done

    def result_of(self, answer):
        client = client_answered(collection(UPGRADE), answer)
        [upgrade] = client.list_upgrades(CUSTOMER, SUBSCRIPTION)
        return client.create_upgrade(CUSTOMER, SUBSCRIPTION, upgrade, REQUEST_ID)
