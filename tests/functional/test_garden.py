"""A web garden carries out upgrades: one limit for all its workers, and no lease is waited for."""

from __future__ import annotations

from contextlib import ExitStack, closing

from sqlalchemy import select

from gateway.db import Database
from gateway.models import Upgrade, UpgradeStatus
from tests.catalogs import STANDARD, catalog, many
from tests.functional.site import Site, assert_once_or_unknown, wait_until

LEASE = 300
"""In seconds: longer than the test may take."""


def nodes_at_work(database):
    """The names in which leases are held at this moment."""
    with database.read() as db:
        held = select(Upgrade.lease_owner).where(Upgrade.status == UpgradeStatus.IN_PROGRESS)
        return {owner.partition(":")[0] for owner in db.scalars(held) if owner}


def test_two_workers_share_the_limit_and_a_successor_takes_over_at_once(tmp_path, sqlite_database_url):
    subscriptions = many(80)
    with ExitStack() as stack:
        site = stack.enter_context(
            closing(
                Site(
                    tmp_path,
                    sqlite_database_url,
                    SIMULATOR_LATENCY_SECONDS="1.5",
                    UPGRADE_LEASE_SECONDS=str(LEASE),
                )
            )
        )
        site.pool("set", "processModel.maxProcesses", "2")
        key = site.install(catalog(*subscriptions))
        site.start()
        wait_until(lambda: len(site.status()["worker_pids"]) == 2, within=60, what="two workers")
        api = stack.enter_context(closing(site.api(key)))
        simulator = stack.enter_context(closing(site.simulator()))
        batch = api.schedule([s["id"] for s in subscriptions], STANDARD)
        database = stack.enter_context(closing(Database(sqlite_database_url)))
        wait_until(lambda: len(nodes_at_work(database)) == 2, within=60, what="both at work")

        dead = site.kill_worker()

        assert sum(api.wait_for_end(batch["id"], within=120).values()) == 80
        assert_once_or_unknown(api, simulator, batch["id"])
        assert simulator.stats()["max_running"] <= 10
        status = site.status()
        assert (status["failures"], status["state"]) == (1, "Started")
        assert dead not in status["worker_pids"]
