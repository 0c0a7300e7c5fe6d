"""The control path: journal, figures, settings, reset."""

import pytest

from tests.unit.simulator.helpers import (
    CUSTOMER,
    E3_ITEM,
    OTHER_SUBSCRIPTION,
    STANDARD_ITEM,
    SUBSCRIPTION,
    guid,
    path_of,
    subscription,
)


class TestAccess:
    @pytest.mark.parametrize("remote", ["192.0.2.1", "", "localhost"])
    def test_others_are_kept_out(self, client, remote):
        assert client.call("GET", "/_control/stats", remote=remote).status == 403

    @pytest.mark.parametrize("remote", ["127.0.0.1", "127.1.2.3", "::1"])
    def test_this_machine_is_let_in(self, client, remote):
        assert client.call("GET", "/_control/stats", remote=remote).status == 200

    def test_an_unknown_action_names_those_there_are(self, client):
        answer = client.get("/_control/other")

        assert answer.status == 404
        assert "GET /_control/journal" in answer.json["error"]


class TestJournal:
    def test_every_request_is_in_it(self, client):
        client.transition(ms_requestid="r-1")
        client.get("/v1/customers?size=2", ms_correlationid="c-1")

        token, transition, customers = client.journal()

        assert (token["kind"], token["method"], token["path"]) == (
            "token",
            "POST",
            "/partner/oauth2/v2.0/token",
        )
        assert (transition["kind"], transition["request_id"]) == ("transition", "r-1")
        assert (transition["subscription_id"], transition["executed"]) == (SUBSCRIPTION, True)
        assert (customers["query"], customers["correlation_id"], customers["status"]) == (
            "size=2",
            "c-1",
            200,
        )
        assert token["seq"] < transition["seq"] < customers["seq"]

    def test_it_is_read_in_pieces(self, client):
        for _ in range(3):
            client.get("/v1/customers")

        first = client.journal("limit=2")
        rest = client.journal(f"after={first[-1]['seq']}&limit=10")

        assert [len(first), len(rest)] == [2, 2]

    def test_ids_are_as_stored(self, client):
        client.get(path_of(SUBSCRIPTION.upper()))
        client.get(path_of(guid(0xAB)))

        assert [each["subscription_id"] for each in client.journal()[-2:]] == [SUBSCRIPTION, guid(0xAB)]

    def test_reads_can_be_left_out(self, client):
        client.configure(journal_reads=False)
        client.get("/v1/customers")

        assert [each["method"] for each in client.journal()] == ["POST"]
        assert client.stats()["requests"] == 2

    def test_a_wrong_number_is_refused(self, client):
        assert client.get("/_control/journal?after=x").status == 400


class TestFigures:
    @pytest.fixture
    def client(self, start):
        return start(
            subscription(0x51, basic=(10, 4)),
            subscription(0x52, e1=(10, 4)),
            subscription(0x53, "c2", basic=(10, 4)),
        )

    def test_running_and_the_most_that_ever_ran(self, client):
        client.transition()
        client.clock.sleep(2)
        client.transition(OTHER_SUBSCRIPTION, E3_ITEM)
        client.clock.sleep(2)

        stats = client.stats()
        assert (stats["transitions"], stats["running"], stats["max_running"]) == (2, 1, 2)
        assert stats["max_running_per_customer"] == 2
        client.clock.sleep(1)
        assert client.stats()["running"] == 0

    def test_one_after_the_other_is_one_at_once(self, client):
        for _ in range(2):
            client.transition() if not client.history() else client.transition(item=E3_ITEM)
            client.clock.sleep(3)

        assert client.stats()["max_running"] == 1

    def test_a_failed_conversion_runs_shorter(self, client):
        client.fault("transition_fails", times=1)
        client.transition()
        client.clock.sleep(2.5)

        assert client.stats()["running"] == 0

    def test_legacy_upgrades_count_as_long_as_they_take(self, legacy):
        legacy.upgrade()

        (entry,) = legacy.get("/_control/transitions").items
        assert (entry["kind"], entry["outcome"]) == ("upgrade", "completed")
        assert legacy.stats()["max_running"] == 1

    def test_transitions_are_listed_with_their_times(self, client):
        client.transition(ms_requestid="r-1")
        client.transition(OTHER_SUBSCRIPTION, E3_ITEM)
        client.clock.sleep(1)

        first, second = client.get("/_control/transitions").items

        assert (first["subscription_id"], first["customer_id"]) == (SUBSCRIPTION, CUSTOMER)
        assert (first["from"].split(":")[0], first["to"]) == ("CFQ7TTC0LH18", STANDARD_ITEM)
        assert (first["request_id"], first["outcome"]) == ("r-1", "running")
        assert first["started_at"] < first["finished_at"]
        assert client.get(f"/_control/transitions?after={first['seq']}&limit=1").items == [second]


class TestSettings:
    def test_latency_changes_for_what_starts_afterwards(self, client):
        client.configure(latency=0.0)

        client.transition()

        assert client.subscription()["offerId"] == STANDARD_ITEM

    @pytest.mark.parametrize(
        "values", [{"speed": 1}, {"latency": "1"}, {"latency": -1}, {"bom": 1}, {"legacy_source_status": "x"}]
    )
    def test_a_wrong_one_changes_nothing(self, client, values):
        before = client.get("/_control/configure").json

        answer = client.configure(**values)

        assert answer.status == 400
        assert next(iter(values)) in answer.json["error"]
        assert client.get("/_control/configure").json == before

    def test_the_response_delay_holds_for_every_answer(self, client):
        client.configure(response_delay=2)
        before = client.clock.now()

        client.get("/v1/customers")

        assert (client.clock.now() - before).total_seconds() == 2


class TestReset:
    def test_everything_is_as_the_catalog_says(self, client):
        client.transition(ms_requestid="r-1")
        client.clock.sleep(3)

        client.post("/_control/reset")

        assert client.subscription()["offerName"] == "Microsoft 365 Business Basic"
        assert client.stats()["transitions"] == 0
        assert client.stats()["max_running"] == 0
        assert [each["kind"] for each in client.journal()] == ["subscription"]
        assert client.transition(ms_requestid="r-1").json["events"][-1]["name"] == "Conversion"

    def test_faults_and_settings_stay_unless_named(self, client):
        client.fault("delay", seconds=1)
        client.configure(latency=7.0)

        client.post("/_control/reset")
        assert len(client.get("/_control/faults").items) == 1
        assert client.get("/_control/configure").json["latency"] == 7

        client.post("/_control/reset", {"faults": True, "configuration": True})
        assert client.get("/_control/faults").items == []
        assert client.get("/_control/configure").json["latency"] == 3
