"""A database that goes away in the middle of the work, and comes back."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, contextmanager

import httpx2
import pytest
from sqlalchemy.engine import make_url

from tests.catalogs import STANDARD, catalog, many, microsoft_id_of
from tests.functional.site import QUICK, Site, wait_until

SUBSCRIPTIONS = many(60)
LEASE = float(QUICK["UPGRADE_LEASE_SECONDS"])


@pytest.fixture
def gateway(tmp_path, postgresql_database_url):
    """A running one, its API and its simulator, in the middle of a batch."""
    with ExitStack() as stack:
        site = stack.enter_context(closing(Site(tmp_path, postgresql_database_url)))
        key = site.install(catalog(*SUBSCRIPTIONS))
        site.start()
        api = stack.enter_context(closing(site.api(key)))
        simulator = stack.enter_context(closing(site.simulator()))
        batch = api.schedule([s["id"] for s in SUBSCRIPTIONS], STANDARD)
        wait_for_transitions(simulator, 15)
        yield site, api, simulator, batch


def wait_for_transitions(simulator, count):
    wait_until(lambda: simulator.stats()["transitions"] >= count, within=30, what=f"upgrade {count}")


def each_once(api, simulator, batch):
    """Whether every upgrade was carried out, once, without exceeding the limit."""
    assert api.wait_for_end(batch["id"], within=60) == {"completed": len(SUBSCRIPTIONS)}
    assert simulator.upgraded() == {microsoft_id_of(s["id"]): 1 for s in SUBSCRIPTIONS}
    assert simulator.stats()["max_running"] <= 10


def test_connections_that_are_cut_again_and_again_cost_nothing(gateway, postgresql, postgresql_database_url):
    site, api, simulator, batch = gateway
    worker, name = site.status()["worker_pid"], make_url(postgresql_database_url).database

    for more in (20, 30, 40):
        wait_until(lambda: postgresql.terminate_connections(name), within=10, what="connections")
        wait_for_transitions(simulator, more)

    each_once(api, simulator, batch)
    assert site.status()["worker_pid"] == worker


def test_a_database_that_is_away_longer_than_a_lease_is_waited_for(gateway, postgresql):
    site, api, simulator, batch = gateway
    before = site.status()

    with stopped(postgresql), httpx2.Client(base_url=api.base_url, timeout=30) as visitor:
        wait_until(lambda: visitor.get("/readyz").status_code == 503, within=20, what="not ready")
        assert visitor.get("/livez").status_code == 200
        assert visitor.get("/health").json()["status"] == "fail"
        assert "o365gw_database_up 0.0" in visitor.get("/metrics").text
        refused = api.post("upgrade-batches", {"subscription_ids": [], "target_service_plan_id": STANDARD})
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        assert "Retry-After" in refused.headers
        visitor.cookies["gateway_session"] = "of somebody"
        page = visitor.get("/provider/")
        assert page.status_code == 503
        assert "The database cannot be reached" in page.text
        time.sleep(LEASE)

    each_once(api, simulator, batch)
    wait_until(lambda: httpx2.get(f"{api.base_url}/readyz").status_code == 200, within=20, what="ready")
    after = site.status()
    assert (after["worker_pid"], after["failures"]) == (before["worker_pid"], before["failures"])


@contextmanager
def stopped(postgresql):
    postgresql.stop()
    try:
        yield
    finally:
        postgresql.start()
