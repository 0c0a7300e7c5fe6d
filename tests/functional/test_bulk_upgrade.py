"""The main job, end to end. What counts is what the simulator saw, not what our own counters say."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from tests.catalogs import SKUS, STANDARD, catalog, many, microsoft_id_of, subscription, tenant_of
from tests.functional.site import Site, SteadyLoad, assert_once_or_unknown, wait_until


@pytest.fixture
def make_site(tmp_path):
    """A gateway with a catalog and the provider's API; it is ended afterwards, whatever happened."""
    opened: list[Any] = []

    def make(database_url, subscriptions, **keys):
        site = Site(tmp_path, database_url, **keys)
        opened.append(site)
        key = site.install(catalog(*subscriptions))
        site.start()
        api, simulator = site.api(key), site.simulator()
        opened.extend((api, simulator))
        return site, api, simulator

    yield make
    for thing in reversed(opened):
        thing.close()


def ids(subscriptions):
    return [s["id"] for s in subscriptions]


class TestABulkUpgrade:
    def test_it_carries_out_each_upgrade_once_and_never_more_than_the_limit(self, make_site, database_url):
        subscriptions = many(60)
        _site, api, simulator = make_site(database_url, subscriptions, SIMULATOR_LATENCY_SECONDS="2")

        batch = api.schedule(ids(subscriptions), STANDARD)

        assert api.wait_for_end(batch["id"], within=60) == {"completed": 60}
        assert simulator.upgraded() == {microsoft_id_of(i): 1 for i in ids(subscriptions)}
        assert simulator.stats()["max_running"] == 10
        assert {s["service_plan_id"] for s in api.every("subscriptions")} == {STANDARD}
        assert holders(simulator, "s0007") == {SKUS[STANDARD]: 2}

    def test_it_survives_the_death_of_its_worker(self, make_site, database_url):
        subscriptions = many(60)
        site, api, simulator = make_site(database_url, subscriptions)
        batch = api.schedule(ids(subscriptions), STANDARD)
        wait_until(lambda: simulator.stats()["transitions"] >= 15, within=30, what="the middle of the batch")

        dead = site.kill_worker()

        api.wait_for_end(batch["id"], within=60)
        assert_once_or_unknown(api, simulator, batch["id"])
        assert simulator.stats()["max_running"] <= 10
        assert site.status()["worker_pid"] != dead

    def test_it_survives_the_death_of_the_pool(self, make_site, sqlite_database_url):
        subscriptions = many(60)
        site, api, simulator = make_site(sqlite_database_url, subscriptions)
        batch = api.schedule(ids(subscriptions), STANDARD)
        wait_until(lambda: simulator.stats()["transitions"] >= 15, within=30, what="the middle of the batch")

        site.kill_pool()
        site.start()

        with closing(site.api(site.create_key("provider"))) as again, closing(site.simulator()) as witness:
            again.wait_for_end(batch["id"], within=60)
            assert_once_or_unknown(again, witness, batch["id"])


class TestTheLimitOfTheSettings:
    def test_it_follows_the_file_without_a_failed_request(self, make_site, sqlite_database_url):
        subscriptions = many(1000)
        site, api, simulator = make_site(sqlite_database_url, subscriptions, SIMULATOR_LATENCY_SECONDS="4")
        batch = api.schedule(ids(subscriptions), STANDARD)
        wait_until(lambda: simulator.stats()["running"] == 10, within=20, what="10 upgrades at once")

        with SteadyLoad(f"{api.base_url}/livez") as load:
            site.save_settings(MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES="3")
            wait_until(lambda: site.status()["recycles"] == 1, within=20, what="the recycle")
            wait_until(lambda: simulator.stats()["running"] == 3, within=20, what="3 upgrades at once")
            lowered = site.status()
            site.save_settings(MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES="25")
            wait_until(lambda: simulator.stats()["running"] == 25, within=20, what="25 upgrades at once")
            raised = site.status()

        assert load.failures == []
        assert load.answered > 100
        assert lowered["last_recycle"]["changed_keys"] == ["MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"]
        assert (lowered["limit"], raised["limit"], raised["recycles"]) == (3, 25, 2)
        rest = api.post("upgrades/cancel", {"batch_id": batch["id"]}).json()["canceled"]
        ended = api.wait_for_end(batch["id"], within=60)
        assert ended == {"completed": 1000 - len(rest), "canceled": len(rest)}
        assert simulator.upgraded().total() == ended["completed"]
        assert simulator.stats()["max_running"] == 25

    @pytest.mark.parametrize(
        "broken",
        [
            pytest.param(lambda text: text.replace('value="10"', 'value="ten"'), id="a word for a number"),
            pytest.param(
                lambda text: text.replace("</appSettings>", "</appSettings"), id="a missing bracket"
            ),
            pytest.param(
                lambda text: text.replace("<configuration>", "<!DOCTYPE configuration><configuration>"),
                id="a DOCTYPE",
            ),
            pytest.param(lambda text: "", id="an empty file"),
        ],
    )
    def test_a_bad_file_is_refused_and_the_old_worker_serves_on(self, make_site, sqlite_database_url, broken):
        site, api, _simulator = make_site(sqlite_database_url, many(1))
        before = site.status()

        site.save_text(broken(site.config.read_text()))

        refused = wait_until(
            lambda: (status := site.status())["config_error"] and status, within=10, what="the refusal"
        )
        assert "Settings.config" in refused["config_error"]
        assert (refused["state"], refused["worker_pid"]) == ("Started", before["worker_pid"])
        assert len(api.every("subscriptions")) == 1
        wait_until(lambda: "Settings.config" in api.health_text(), within=10, what="the refusal in /health")
        site.save_settings()
        wait_until(lambda: site.status()["config_error"] is None, within=10, what="the good file again")
        assert site.status()["worker_pid"] == before["worker_pid"]


class TestARefusal:
    def test_it_names_every_reason_and_schedules_nothing(self, make_site, sqlite_database_url):
        bad = {
            "two-licenses": subscription("two-licenses", basic=5, standard=2),
            "add-on": subscription("add-on", basic=5, archiving=3),
            "no-license": subscription("no-license", basic=0),
            "suspended": subscription("suspended", status="suspended"),
        }
        good = many(2)
        _site, api, simulator = make_site(sqlite_database_url, [*bad.values(), *good])
        everything = [*bad, *ids(good)]

        answer = api.post(
            "upgrade-batches", {"subscription_ids": everything, "target_service_plan_id": STANDARD}
        )

        assert answer.status_code == 422
        violations = answer.json()["violations"]
        assert {v["subscription_id"]: v["code"] for v in violations} == {
            "two-licenses": "additional_license_not_zero",
            "add-on": "addon_not_zero",
            "no-license": "license_missing",
            "suspended": "subscription_not_active",
        }
        assert all(v["detail"] and v["remedy"] for v in violations)
        assert api.every("upgrades") == []
        batch = api.schedule(everything, STANDARD, only_eligible=True)
        assert {r["subscription_id"] for r in batch["refused"]} == set(bad)
        assert api.wait_for_end(batch["id"], within=30) == {"completed": 2}
        assert simulator.upgraded() == {microsoft_id_of(i): 1 for i in ids(good)}


class TestCancelling:
    def test_what_was_cancelled_never_reaches_microsoft(self, make_site, database_url):
        subscriptions = many(1000)
        _site, api, simulator = make_site(database_url, subscriptions)
        batch = api.schedule(ids(subscriptions), STANDARD)
        wait_until(lambda: simulator.stats()["running"] == 10, within=20, what="the engine at work")

        chosen = [u["id"] for u in batch["upgrades"][::2]]
        answer = api.post("upgrades/cancel", {"upgrade_ids": chosen}).json()

        canceled = set(answer["canceled"])
        assert len(canceled) > 400
        assert canceled | {u["upgrade_id"] for u in answer["not_canceled"]} == set(chosen)
        rest = api.post("upgrades/cancel", {"batch_id": batch["id"]}).json()["canceled"]
        ended = api.wait_for_end(batch["id"], within=30)
        assert ended == {"canceled": len(canceled) + len(rest), "completed": 1000 - len(canceled) - len(rest)}
        never = {u["subscription_id"] for u in batch["upgrades"] if u["id"] in canceled | set(rest)}
        assert not {microsoft_id_of(i) for i in never} & set(simulator.upgraded())


class TestARepeatedRequest:
    def test_it_gets_the_same_answer_and_does_nothing(self, make_site, sqlite_database_url):
        _site, api, simulator = make_site(sqlite_database_url, many(3))
        body = {"subscription_ids": ["s0000", "s0001"], "target_service_plan_id": STANDARD}

        first = api.post("upgrade-batches", body, **{"Idempotency-Key": "friday"})
        second = api.post("upgrade-batches", body, **{"Idempotency-Key": "friday"})
        other = api.post(
            "upgrade-batches", {**body, "subscription_ids": ["s0002"]}, **{"Idempotency-Key": "friday"}
        )

        assert first.status_code == second.status_code == 202
        assert first.json() == second.json()
        assert first.headers["Location"] == second.headers["Location"]
        assert other.status_code == 422
        assert api.wait_for_end(first.json()["id"], within=30) == {"completed": 2}
        assert simulator.upgraded().total() == 2


def holders(simulator, name):
    """How many users of a customer hold each license, as Microsoft tells."""
    token = simulator.client.post(
        "/simulated-partner.onmicrosoft.com/oauth2/v2.0/token",
        data={
            "grant_type": "refresh_token",
            "client_id": "simulated-client",
            "client_secret": "simulated-secret",
            "refresh_token": "simulated-refresh-token",
            "scope": "https://api.partnercenter.microsoft.com/.default",
        },
    ).json()["access_token"]
    skus = simulator.client.get(
        f"/v1/customers/{tenant_of(name)}/subscribedskus", headers={"Authorization": f"Bearer {token}"}
    ).json()["items"]
    return {s["productSku"]["id"].casefold(): s["consumedUnits"] for s in skus if s["consumedUnits"]}
