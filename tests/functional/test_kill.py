"""Workers are killed again and again while upgrades run and clients ask.

`KILL_SECONDS=60 pytest tests/functional/test_kill.py` does it for a minute.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress

import pytest

from gateway.pool.availability import PATIENCE_SECONDS
from gateway.pool.control import ask
from gateway.pool.events import events_file, read_events
from tests.catalogs import STANDARD, catalog, many
from tests.functional.site import Site, SteadyLoad, assert_once_or_unknown, wait_until

SECONDS = float(os.environ.get("KILL_SECONDS", "10"))


@pytest.fixture
def site(tmp_path, sqlite_database_url):
    with closing(Site(tmp_path, sqlite_database_url, UPGRADE_LEASE_SECONDS="300")) as site:
        yield site


def status(site):
    return ask(site.var, "status")["status"]


def kill_a_worker(site):
    """Kill the one that serves, or else the one that starts; whether there was one."""
    now = status(site)
    pids = now["worker_pids"] or now["starting_pids"]
    with suppress(ProcessLookupError):
        for pid in pids[:1]:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def begin(site, stack, count):
    subscriptions = many(count)
    key = site.install(catalog(*subscriptions))
    site.start()
    api = stack.enter_context(closing(site.api(key)))
    simulator = stack.enter_context(closing(site.simulator()))
    batch = api.schedule([s["id"] for s in subscriptions], STANDARD)
    return subscriptions, api, simulator, batch


def events_of(site):
    return Counter(event["id"] for event in read_events(events_file(site.var), 10_000))


def test_a_worker_killed_every_second_loses_nothing(site):
    site.pool("set", "failure.rapidFailProtection", "false")
    with ExitStack() as stack:
        subscriptions, api, simulator, batch = begin(site, stack, 80)
        kills, states = 0, set()
        with SteadyLoad(f"{api.base_url}/livez") as load:
            give_up_at = time.monotonic() + SECONDS
            while time.monotonic() < give_up_at:
                kills += kill_a_worker(site)
                states.add(status(site)["state"])
                time.sleep(1)
            wait_until(lambda: status(site)["state"] == "Started", within=90, what="a worker")
            answered = load.answered
            wait_until(lambda: load.answered > answered + 20, within=30, what="answers")

        assert sum(api.wait_for_end(batch["id"], within=120).values()) == len(subscriptions)
        assert_once_or_unknown(api, simulator, batch["id"], deaths=kills)
        assert simulator.stats()["max_running"] <= 10
        assert kills >= 3
        assert states <= {"Starting", "Started"}
        assert status(site)["failures"] == kills
        events = events_of(site)
        assert events[5009] + events[9013] == kills
        assert events[5002] == 0
        # A connection to a worker that died is cut; who comes while there is none waits, or is told so.
        assert {failure.partition(" ")[0].partition("(")[0] for failure in load.failures} <= {
            *("503", "ReadError", "RemoteProtocolError", "ConnectError")
        }
        assert load.longest_wait < PATIENCE_SECONDS + 10


def test_too_many_deaths_stop_the_pool_and_a_person_starts_it_again(site):
    with ExitStack() as stack:
        subscriptions, api, simulator, batch = begin(site, stack, 60)

        def is_stopped():
            kill_a_worker(site)
            return status(site)["state"] == "Stopped"

        wait_until(is_stopped, within=60, what="rapid-fail protection")
        stopped = status(site)
        assert (stopped["failures"], stopped["worker_pids"]) == (5, [])
        assert "rapid-fail protection" in stopped["reason"]
        assert events_of(site)[5002] == 1

        site.pool("start-pool")

        assert sum(api.wait_for_end(batch["id"], within=120).values()) == len(subscriptions)
        assert_once_or_unknown(api, simulator, batch["id"], deaths=5)
