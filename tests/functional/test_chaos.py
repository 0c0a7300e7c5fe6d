"""Three nodes that are killed again and again in the middle of their work.

    CHAOS_UPGRADES=1000 pytest tests/functional/test_chaos.py

kills more of them, and others each time.
"""

from __future__ import annotations

import os
import random
import threading
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import func, select

from gateway.db import Database
from gateway.models import LIVE, Upgrade
from tests.catalogs import STANDARD, catalog, many
from tests.functional.site import Site, assert_once_or_unknown, shared_simulator, wait_until

UPGRADES = int(os.environ.get("CHAOS_UPGRADES", "0"))
COUNT = UPGRADES or 60
EVERY = 15
"""Upgrades after which something is killed."""

LIMIT, OTHER_LIMIT = 8, 5
MOST_CRASHES = 3
"""Rapid-fail protection gives a pool up at the fifth within five minutes; one that was killed counts anew."""


class Node:
    """A pool that comes back after each death."""

    def __init__(self, site):
        self.site = site
        self.crashes = 0
        self.limit = LIMIT

    def kill_worker(self):
        if self.crashes == MOST_CRASHES:
            self.kill_all()
            return
        self.crashes += 1
        os.kill(self.worker(), 9)

    def kill_pool(self):
        """The supervisor alone: its worker notices and leaves."""
        self.site.kill_pool()
        self.site.start()
        self.crashes = 0

    def kill_all(self):
        """As a machine dies that loses its power."""
        os.kill(self.worker(), 9)
        self.kill_pool()

    def worker(self):
        """Its process; after a death it takes the pool a moment to start another."""
        return wait_until(lambda: self.site.status()["worker_pid"], within=120, what="a worker")

    def other_limit(self):
        """The nodes differ, until this one is told again."""
        self.limit = OTHER_LIMIT if self.limit == LIMIT else LIMIT
        self.site.save_settings(MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES=str(self.limit))


ACTIONS = (Node.kill_worker, Node.kill_worker, Node.kill_pool, Node.kill_all, Node.other_limit)


@pytest.fixture
def world(tmp_path, postgresql_database_url):
    """Three nodes at work, the database they share, and the simulator that they share."""
    document = catalog(*many(COUNT))
    with ExitStack() as stack:
        simulator = stack.enter_context(shared_simulator(document, tmp_path, latency=0.5))
        sites = [
            stack.enter_context(
                closing(
                    Site(
                        tmp_path / name,
                        postgresql_database_url,
                        simulator_url=simulator.base_url,
                        MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES=str(LIMIT),
                    )
                )
            )
            for name in ("first", "second", "third")
        ]
        key = sites[0].install(document)
        starting = [threading.Thread(target=site.start) for site in sites]
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join(120)
        database = stack.enter_context(closing(Database(postgresql_database_url)))
        yield [Node(site) for site in sites], key, database, simulator


def wait_for(database, left):
    """Until no more upgrades than that are not over."""

    def is_reached():
        with database.read() as db:
            return db.scalar(select(func.count()).where(Upgrade.status.in_(LIVE))) <= left

    wait_until(is_reached, within=120, what=f"no more than {left} upgrades left")


def test_whatever_dies_each_upgrade_is_carried_out_once(world):
    nodes, key, database, simulator = world
    chance = random.Random(None if UPGRADES else 365)
    with closing(nodes[0].site.api(key)) as api:
        batch = api.schedule([s["id"] for s in many(COUNT)], STANDARD)["id"]

    for left in range(COUNT - EVERY, 0, -EVERY):
        wait_for(database, left)
        chance.choice(ACTIONS)(chance.choice(nodes))
    wait_for(database, 0)

    with closing(nodes[0].site.api(key)) as api:
        assert_once_or_unknown(api, simulator, batch, deaths=COUNT // EVERY)
    assert simulator.stats()["max_running"] <= LIMIT
