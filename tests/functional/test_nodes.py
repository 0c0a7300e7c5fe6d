"""Several nodes on one PostgreSQL: the same guarantees, and one limit for all of them."""

from __future__ import annotations

from contextlib import ExitStack, closing

from sqlalchemy import select

from gateway.db import Database
from gateway.models import Upgrade, UpgradeStatus
from tests.catalogs import STANDARD, catalog, many
from tests.functional.site import Site, assert_once_or_unknown, shared_simulator, wait_until


def owners(database):
    """The workers that hold an upgrade at this moment."""
    with database.read() as db:
        held = select(Upgrade.lease_owner).where(Upgrade.status == UpgradeStatus.IN_PROGRESS)
        return set(db.scalars(held))


def test_two_nodes_share_the_limit_and_one_survives_the_other(tmp_path, postgresql_database_url):
    subscriptions = many(80)
    document = catalog(*subscriptions)
    with ExitStack() as stack:
        simulator = stack.enter_context(shared_simulator(document, tmp_path, latency=1.0))
        url = simulator.base_url
        first, second = (
            stack.enter_context(closing(Site(tmp_path / name, postgresql_database_url, simulator_url=url)))
            for name in ("first", "second")
        )
        key = first.install(document)
        first.start()
        second.start()
        api = stack.enter_context(closing(second.api(key)))
        batch = api.schedule([s["id"] for s in subscriptions], STANDARD)
        wait_until(lambda: simulator.stats()["transitions"] >= 25, within=60, what="the middle")
        database = stack.enter_context(closing(Database(postgresql_database_url)))
        wait_until(lambda: len(owners(database)) == 2, within=20, what="both nodes at work")

        first.kill_pool()

        api.wait_for_end(batch["id"], within=120)
        assert_once_or_unknown(api, simulator, batch["id"])
        assert simulator.stats()["max_running"] <= 10
