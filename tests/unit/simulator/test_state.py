"""What a restart must not lose, and what a changed catalog brings."""

import json
import os

import pytest

from tests.unit.simulator.helpers import (
    BASIC_SKU,
    CUSTOMER,
    LEGACY_STANDARD,
    OTHER_SUBSCRIPTION,
    STANDARD_ITEM,
    SUBSCRIPTION,
    customer,
    make_client,
    path_of,
    subscription,
    write_catalog,
)


class TestRestart:
    @pytest.fixture
    def state(self, tmp_path):
        return tmp_path / "state" / "simulator.db"

    @pytest.fixture
    def restart(self, start, state):
        """Return a function that ends the simulator and starts it again with the same token."""

        def restart(old):
            old.simulator.close()
            new = start(state=state, signed_in=False)
            new.token = old.token
            return new

        return restart

    @pytest.fixture
    def client(self, start, state):
        return start(subscription(0x51, basic=(10, 4)), state=state)

    def test_a_running_upgrade_goes_on(self, client, restart):
        client.transition()
        client.clock.sleep(2)

        client = restart(client)

        assert client.history()[0]["events"][-1]["status"] == "Started "
        assert client.stats()["running"] == 1
        client.clock.sleep(1)
        assert client.subscription()["offerId"] == STANDARD_ITEM

    def test_an_upgrade_done_stays_done(self, client, restart):
        client.transition()
        client.clock.sleep(3)
        skus = client.get(f"/v1/customers/{CUSTOMER}/subscribedskus").items

        client = restart(client)

        assert client.subscription()["offerId"] == STANDARD_ITEM
        assert client.get(f"/v1/customers/{CUSTOMER}/subscribedskus").items == skus

    def test_what_fell_due_meanwhile_is_done(self, client, restart):
        client.transition()
        client.clock.sleep(3)

        client = restart(client)

        assert client.subscription()["offerId"] == STANDARD_ITEM
        sku = client.get(f"/v1/customers/{CUSTOMER}/subscribedskus").items[0]["productSku"]["id"]
        assert sku != BASIC_SKU

    def test_a_repeated_request_is_known(self, client, restart):
        first = client.transition(ms_requestid="r-1").json
        client.clock.sleep(5)

        client = restart(client)

        assert client.transition(ms_requestid="r-1").json == first
        assert client.stats()["transitions"] == 1

    def test_figures_journal_settings_and_faults_are_kept(self, client, restart):
        client.configure(latency=9.0)
        client.fault("history_lags", seconds=1, times=1)
        client.transition()
        before, journal = client.stats(), client.journal()

        client = restart(client)

        assert client.stats() == before
        assert client.journal() == journal
        assert client.get("/_control/configure").json["latency"] == 9
        assert client.get("/_control/faults").items[0]["fired"] == 1
        client.get("/v1/customers")
        assert client.journal()[-1]["seq"] > journal[-1]["seq"]

    def test_a_legacy_upgrade_is_kept(self, start, state, restart):
        client = start(subscription(0x51, legacy_basic=(10, 4)), state=state)
        target = client.upgrade().json["targetSubscriptionId"]

        client = restart(client)

        assert client.subscription(target)["offerId"] == LEGACY_STANDARD
        assert client.subscription()["status"] == "deleted"


class TestCatalog:
    def rewrite(self, path, clock, *subscriptions, **more):
        write_catalog(path, *subscriptions, **more)
        later = path.stat().st_mtime_ns + 1_000_000_000
        os.utime(path, ns=(later, later))
        clock.sleep(1)

    def test_new_subscriptions_appear(self, client, tmp_path, clock):
        client.get(path_of())

        self.rewrite(
            tmp_path / "catalog.json", clock, subscription(0x51, basic=(10, 4)), subscription(0x52, e1=(3, 1))
        )

        assert client.subscription(OTHER_SUBSCRIPTION)["quantity"] == 3

    def test_what_was_upgraded_keeps_its_state(self, client, tmp_path, clock):
        client.transition()
        clock.sleep(3)
        client.subscription()

        self.rewrite(tmp_path / "catalog.json", clock, subscription(0x51, basic=(12, 4)))

        assert (client.subscription()["offerId"], client.subscription()["quantity"]) == (STANDARD_ITEM, 10)

    def test_a_running_upgrade_survives_it(self, client, tmp_path, clock):
        client.transition()

        self.rewrite(tmp_path / "catalog.json", clock, subscription(0x51, basic=(10, 4)), customers=3)
        clock.sleep(2)

        assert client.subscription()["offerId"] == STANDARD_ITEM

    def test_it_is_looked_at_once_a_second_only(self, client, tmp_path, clock):
        client.get(path_of())
        write_catalog(
            tmp_path / "catalog.json", subscription(0x52, e1=(3, 1)), subscription(0x51, basic=(10, 4))
        )

        assert client.get(path_of(OTHER_SUBSCRIPTION)).status == 404
        clock.sleep(1)
        assert client.get(path_of(OTHER_SUBSCRIPTION)).status == 200

    def test_a_broken_file_leaves_what_was_known(self, client, tmp_path, clock, caplog):
        (tmp_path / "catalog.json").write_text('{"accounts": [')
        clock.sleep(1)

        assert client.get(path_of()).status == 200
        assert "Catalog file not read" in caplog.text

    def test_a_folder_may_come_later_and_its_files_belong_together(self, tmp_path, clock):
        folder = tmp_path / "catalogs"
        client = make_client(folder, clock).sign_in()
        assert client.get("/v1/customers").items == []

        folder.mkdir()
        write_catalog(folder / "a.json", subscription(0x51, basic=(10, 4)))
        more = {"accounts": [customer(9)], "subscriptions": []}
        (folder / "b.json").write_text(json.dumps(more))
        clock.sleep(1)

        assert len(client.get("/v1/customers").items) == 3
        assert client.subscription()["id"] == SUBSCRIPTION
        client.simulator.close()

    def test_an_empty_file_is_no_catalog_yet(self, tmp_path, clock, caplog):
        (tmp_path / "empty.json").touch()
        client = make_client(tmp_path / "empty.json", clock).sign_in()

        assert client.get("/v1/customers").items == []
        client.simulator.close()


def test_a_defect_leaves_nothing_half_done(client, monkeypatch, caplog):
    def broken(*_arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr(client.simulator.world.store, "save_reply", broken)

    answer = client.transition()

    assert (answer.status, answer.json["code"]) == (500, 800003)
    assert "Request failed" in caplog.text
    monkeypatch.undo()
    assert client.stats()["transitions"] == 0
    assert client.transition().status == 200
