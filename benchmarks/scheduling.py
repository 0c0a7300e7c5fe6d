"""How long it takes to schedule very many upgrades in one batch, and whether the panels answer meanwhile.

    python -m benchmarks.scheduling [--upgrades 100000] [--database sqlite|postgresql|both]

The request goes through the REST API into the WSGI application, while somebody else opens pages of a panel in
the same process. Whether it is done within 10 s, and no page takes longer than a second, is what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from webob import Request

from benchmarks.large_site import fill
from benchmarks.panels import PLANS, Visitor
from gateway.db import Database, utcnow
from gateway.migrations import migrate
from gateway.models import Account, AccountType, Subscription, SubscriptionResource, SubscriptionStatus
from gateway.web import make_app
from tests.databases import postgresql_server, sqlite_url
from tests.factories import Factories
from tests.unit.web.helpers import Background, Clients, make_settings
from tests.unit.web.panels.helpers import Browser

WITHIN, PAGE_MS = 10.0, 1000.0
LOGIN, PLAN, TARGET = "provider", "plan", "target"


class World(NamedTuple):
    router: Any
    page: str
    """The address of a page of the panel."""
    key: str
    """Of the API."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrades", type=int, default=100_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    asked = parser.parse_args()
    is_good = True
    with tempfile.TemporaryDirectory() as name:
        if asked.database != "postgresql":
            is_good &= _measure("SQLite", sqlite_url(Path(name, "gateway.db")), asked.upgrades)
        if asked.database != "sqlite":
            with postgresql_server(durable=True) as server, server.empty_database() as url:
                is_good &= _measure("PostgreSQL", url, asked.upgrades)
    return 0 if is_good else 1


def _measure(label: str, url: str, upgrades: int) -> bool:
    with _site(url, upgrades) as world:
        cookies = Browser(world.router, LOGIN).app.cookies
        visitor = Visitor(world.router, "; ".join(f"{name}={value}" for name, value in cookies.items()))
        times: list[float] = []
        done = threading.Event()

        def visit() -> None:
            while not done.is_set():
                response, took = visitor.ask(world.page)
                assert response.status_int == 200
                times.append(took.wall)
                done.wait(0.05)

        visiting = threading.Thread(target=visit)
        visiting.start()
        try:
            seconds = _schedule(world, upgrades)
        finally:
            done.set()
            visiting.join()
        print(
            f"{label}: {upgrades} upgrades scheduled in {seconds:.1f} s (target {WITHIN:g}); meanwhile"
            f" {len(times)} pages, median {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms",
            flush=True,
        )
        return seconds <= WITHIN and max(times) <= PAGE_MS


def _schedule(world: World, upgrades: int) -> float:
    body = {
        "subscription_ids": [f"subscription-{n}" for n in range(upgrades)],
        "target_service_plan_id": TARGET,
    }
    headers = {"Authorization": f"Bearer {world.key}"}
    request = Request.blank(
        "/api/v1/upgrade-batches",
        method="POST",
        headers=headers,
        body=json.dumps(body).encode(),
        content_type="application/json",
    )
    began = time.monotonic()
    response = request.get_response(world.router)
    seconds = time.monotonic() - began
    if response.status_int != 202:
        raise RuntimeError(f"answered {response.status}: {response.text[:300]}; expected 202")
    assert len(response.json["upgrades"]) == upgrades
    return seconds


@contextmanager
def _site(url: str, subscriptions: int) -> Iterator[World]:
    database = Database(url)
    settings = make_settings()
    clients = Clients(settings)
    try:
        migrate(database)
        instance, key = _build(database, subscriptions)
        if not database.is_sqlite:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))  # As the server does by itself after a while.
        router = make_app(settings, database=database, background=Background(), clients=clients)
        yield World(router, f"{PLANS['provider'].format(instance)}/{PLAN}", key)
    finally:
        clients.close()
        database.close()


def _build(database: Database, subscriptions: int) -> tuple[str, str]:
    """Subscriptions of one plan that can all be upgraded; the id of their instance, and a key of the API."""
    numbers = range(subscriptions)
    with database.write() as db:
        factories = Factories(db)
        provider = factories.provider()
        basic, better = factories.resource_type(), factories.resource_type()
        factories.offer_path(str(basic.offer_id), [str(better.offer_id)], read_at=utcnow())
        factories.service_plan([basic], id=PLAN)
        factories.service_plan([better], id=TARGET)
        factories.user(provider, login=LOGIN)
        connection, parent = db.connection(), provider.id
        accounts = (
            {
                "id": f"customer-{n}",
                "type": AccountType.CUSTOMER,
                "name": f"Customer {n}",
                "parent_id": parent,
                "microsoft_tenant_id": str(UUID(int=n)),
            }
            for n in numbers
        )
        of_customers = (
            {
                "id": f"subscription-{n}",
                "account_id": f"customer-{n}",
                "branch_id": parent,
                "service_plan_id": PLAN,
                "status": SubscriptionStatus.ACTIVE,
                "microsoft_subscription_id": str(UUID(int=n)),
                "customer_name": f"Customer {n}",
            }
            for n in numbers
        )
        license_id = basic.id
        resources = (
            {"subscription_id": f"subscription-{n}", "resource_type_id": license_id, "limit": 5, "usage": 4}
            for n in numbers
        )
        fill(connection, Account, accounts)
        fill(connection, Subscription, of_customers)
        fill(connection, SubscriptionResource, resources)
        return basic.service_template.application_instance_id, factories.api_key(provider)[1]


if __name__ == "__main__":
    sys.exit(main())
