"""A web garden carries out upgrades: one limit for all its workers, and no lease is waited for."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, closing

from sqlalchemy import select

from gateway.db import Database
from gateway.models import Upgrade, UpgradeStatus
from tests.catalogs import STANDARD, catalog, many
from tests.functional.site import Site, assert_once_or_unknown, wait_until

LEASE = 300
"""In seconds: longer than the test may take."""


def is_limit_reached(database):
    """Whether leases are held for as many as may run; one worker may hold them all."""
    with database.read() as db:
        held = select(Upgrade.lease_owner).where(Upgrade.status == UpgradeStatus.IN_PROGRESS)
        return sum(owner is not None for owner in db.scalars(held)) == 10


def test_two_workers_share_the_limit_and_successors_take_over_at_once(tmp_path, sqlite_database_url):
    subscriptions = many(40)
    with ExitStack() as stack:
        site = stack.enter_context(
            closing(
                Site(
                    tmp_path,
                    sqlite_database_url,
                    SIMULATOR_LATENCY_SECONDS="1",
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
        wait_until(lambda: is_limit_reached(database), within=60, what="ten at work")

        dead = site.status()["worker_pids"]
        for pid in dead:
            os.kill(pid, signal.SIGKILL)

        assert sum(api.wait_for_end(batch["id"], within=120).values()) == 40
        assert_once_or_unknown(api, simulator, batch["id"], deaths=2)
        assert simulator.stats()["max_running"] <= 10
        status = site.status()
        assert (status["failures"], status["state"]) == (2, "Started")
        assert not {*dead} & {*status["worker_pids"]}
