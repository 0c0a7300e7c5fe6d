"""How long each page of the control panels takes at the server, on a large database.

    python -m benchmarks.panels [--subscriptions 200000] [--database sqlite|postgresql|both]

Requests go straight into the WSGI application, with nothing in between. The floor is a page that asks the
database for nothing but who is signed in, and below it a bare `SELECT 1`.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from sqlalchemy import select, text
from webob import Request

from benchmarks.large_site import LOGINS, PLAN, RESELLER_PLAN, TARGETS, build
from gateway.db import Database
from gateway.migrations import migrate
from gateway.models import Account, Subscription, Upgrade, UpgradeStatus
from gateway.services.paging import encode_keys
from gateway.web import make_app
from tests.databases import postgresql_server, sqlite_url
from tests.unit.web.helpers import Background, Clients, make_settings
from tests.unit.web.panels.helpers import Browser

PAGE_MS, UNCHANGED_MS = 150.0, 5.0
TIMES = 9
PLANS = {
    "provider": "/provider/services/applications/aps-connectors/office-365/instances/{}/service-plans",
    "reseller": "/reseller/customer-cp/office-365/service-plans",
}
SORTS = ("id", "customer", "status", "upgrade_status")


@dataclass(frozen=True)
class Page:
    """One request, and how long it may take."""

    name: str
    url: str
    within_ms: float | None = PAGE_MS
    """None for a download, which takes as long as it has lines."""


class Took(NamedTuple):
    """Milliseconds: by the clock, and of this process alone, whatever else the machine does."""

    wall: float
    cpu: float

    def after(self, since: Took) -> Took:
        return Took(self.wall - since.wall, self.cpu - since.cpu)


def now() -> Took:
    return Took(time.perf_counter() * 1000, time.process_time() * 1000)


@dataclass
class Visitor:
    """Somebody who is signed in."""

    router: Any
    cookie: str

    def ask(self, url: str, **headers: str) -> tuple[Any, Took]:
        """The answer, and what it took until its first byte."""
        request = Request.blank(url, headers={"Cookie": self.cookie, **headers})
        since = now()
        response = request.get_response(self.router)
        body = iter(response.app_iter)
        next(body, b"")
        if response.content_type == "text/csv":
            next(body, b"")  # The first one is the mark of the encoding.
        took = now().after(since)
        if hasattr(response.app_iter, "close"):
            response.app_iter.close()
        return response, took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=200_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    asked = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        if asked.database != "postgresql":
            missed += _measure("SQLite", sqlite_url(Path(name, "gateway.db")), asked.subscriptions)
        if asked.database != "sqlite":
            with postgresql_server() as server, server.empty_database() as url:
                missed += _measure("PostgreSQL", url, asked.subscriptions)
    return 1 if missed else 0


def _measure(label: str, url: str, subscriptions: int) -> int:
    """Print the figures of one database; return how many pages took too long."""
    with _site(url, subscriptions) as (database, batches, visitors):
        print(f"\n{label}, {subscriptions} subscriptions: milliseconds of {TIMES} requests each")
        _print_row("SELECT 1, without a page", _times(lambda: _select_one(database)), None)
        missed = 0
        for area, visitor in visitors.items():
            _measure_page(visitor, area, Page("an account's own page", "/account", None))
            for page in _pages(area, batches, database):
                missed += _measure_page(visitor, area, page)
        return missed


def _measure_page(visitor: Visitor, area: str, page: Page) -> int:
    response, _ = visitor.ask(page.url)
    if response.status_int != 200:
        raise RuntimeError(f"{page.url} answered {response.status}; expected 200")
    headers = {"If-None-Match": response.headers["ETag"]} if page.within_ms == UNCHANGED_MS else {}
    times = _times(lambda: visitor.ask(page.url, **headers)[1])
    return _print_row(f"{area}: {page.name}", times, page.within_ms)


def _times(ask: Callable[[], Took]) -> list[Took]:
    return sorted(ask() for _ in range(TIMES))


def _print_row(name: str, times: list[Took], within: float | None) -> int:
    p95 = times[-1 - len(times) // 20].wall
    median, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    target = "" if within is None else f"  target {within:5.0f}  {'ok' if p95 <= within else 'MISSED'}"
    print(f"{name:58} median {median:7.1f}  p95 {p95:7.1f}  CPU {cpu:6.1f}{target}", flush=True)
    return 0 if within is None or p95 <= within else 1


def _select_one(database: Database) -> Took:
    since = now()
    with database.read() as db:
        db.execute(text("SELECT 1"))
    return now().after(since)


@contextmanager
def _site(
    url: str, subscriptions: int
) -> Iterator[tuple[Database, dict[str, list[int]], dict[str, Visitor]]]:
    database = Database(url)
    settings = make_settings()
    clients = Clients(settings)
    try:
        migrate(database)
        batches = build(database, subscriptions)
        if not database.is_sqlite:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))  # As the server does by itself after a while.
        router = make_app(settings, database=database, background=Background(), clients=clients)
        visitors = {area: _sign_in(router, login) for area, login in LOGINS.items()}
        gc.collect()
        gc.freeze()  # As a worker does once it has loaded: what it has then is no garbage.
        yield database, batches, visitors
    finally:
        clients.close()
        database.close()


def _sign_in(router: Any, login: str) -> Visitor:
    browser = Browser(router, login)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.app.cookies.items())
    return Visitor(router, cookies)


def _pages(area: str, batches: dict[str, list[int]], database: Database) -> Iterator[Page]:
    source = PLAN if area == "provider" else RESELLER_PLAN
    plans = PLANS[area].format(_instance(database))
    plan, target = f"{plans}/{source}", TARGETS[source]
    yield Page("service plans", plans)
    with database.read() as db:
        ids = db.scalars(
            select(Subscription.id).where(Subscription.service_plan_id == source).limit(50)
        ).all()
    yield from _plan_pages(plan, ids)
    yield Page("choose a target, all that match", f"{plan}/upgrade-subscriptions?all=1")
    yield Page("preview, all that match", f"{plan}/upgrade-subscriptions/preview?all=1&target={target}")
    yield from _batch_pages(area, batches[source], database)
    yield from (Page(f"plan, {tab}", f"{plan}/{tab}") for tab in ("general", "prices", "delegation"))
    yield from _administration_pages(area, database)


def _administration_pages(area: str, database: Database) -> Iterator[Page]:
    vendor = f"/{area}/resellers/vendor-0" if area == "provider" else f"/{area}"
    with database.read() as db:
        customer = db.scalar(select(Account.id).where(Account.parent_id == "vendor-0").limit(1))
    yield Page("customers", f"{vendor}/customers")
    for wanted in ("garrick", "zzzz", "a"):
        yield Page(f"customers, text={wanted}", f"{vendor}/customers?text={wanted}")
    yield Page(
        "customers, deep in the list",
        f"{vendor}/customers?{urlencode({'cursor': encode_keys(['account-7'])})}",
    )
    yield Page("customer", f"/{area}/customers/{customer}")
    for name in ("resellers", "users", "api-keys", "audit-log", "audit-log?text=zzzz"):
        yield Page(name.replace("?", ", "), f"/{area}/{name}")
    if area == "provider":
        instance = PLANS[area].format(_instance(database)).rpartition("/")[0]
        yield Page("instance", instance)
        yield Page("service templates", f"{instance}/service-templates")
        yield from (Page(f"reseller, {tab}", f"{vendor}/{tab}") for tab in ("service-plans", "subscriptions"))


def _plan_pages(plan: str, ids: Sequence[str]) -> Iterator[Page]:
    filters: list[dict[str, str]] = [
        {},
        {"text": "zzzz"},
        {"text": "p"},
        {"text": "garrick"},
        {"text": "ashdown bakery"},
        {"text": "onmicrosoft"},
        {"text": "1000"},
        {"text": "garrick", "upgrade_status": "failed", "status": "suspended"},
        {"vendor": "vendor-0"},
        {"vendor": "vendor-199"},
        {"status": "suspended"},
        {"status": "deleted"},
        {"upgrade_status": "none"},
        {"upgrade_status": "failed"},
        {"upgrade_status": "in_progress"},
        {"upgrade_status": "pending", "status": "suspended", "vendor": "vendor-0"},
    ]
    for each in filters:
        yield Page(f"plan, {urlencode(each) or 'all'}", f"{plan}?{urlencode(each)}")
    for sort in SORTS:
        for wanted in ({}, {"upgrade_status": "failed"}, {"text": "garrick"}):
            query = urlencode({**wanted, "sort": f"-{sort}"})
            yield Page(f"plan, {query}", f"{plan}?{query}")
    for sort, keys in (("id", ["1600000"]), ("-customer", ["H", "1600000"])):
        query = urlencode({"sort": sort, "cursor": encode_keys([sort, *keys])})
        yield Page(f"plan, deep in the list by {sort}", f"{plan}?{query}")
    yield Page("plan, CSV", f"{plan}/subscriptions.csv", None)
    rows = urlencode([("row", key) for key in ids])
    yield Page("plan, unchanged poll of 50 rows", f"{plan}/live?{rows}", UNCHANGED_MS)


def _batch_pages(area: str, batches: list[int], database: Database) -> Iterator[Page]:
    yield Page("upgrades", f"/{area}/upgrade-batches")
    batch = f"/{area}/upgrade-batches/{batches[0]}"
    for query in ("", "?upgrade_status=failed", "?upgrade_status=completed", "?upgrade_status=in_progress"):
        yield Page(f"batch{query}", f"{batch}{query}")
    yield Page("batch, CSV", f"{batch}/upgrades.csv", None)
    with database.read() as db:
        failed = Upgrade.batch_id == batches[0], Upgrade.status == UpgradeStatus.FAILED
        upgrade_id = db.scalar(select(Upgrade.id).where(*failed).limit(1))
    yield Page("upgrade", f"/{area}/upgrades/{upgrade_id}")
    yield Page("batch, unchanged poll", f"{batch}/live", UNCHANGED_MS)


def _instance(database: Database) -> str:
    with database.read() as db:
        return str(db.execute(text("SELECT id FROM application_instance")).scalar_one())


if __name__ == "__main__":
    sys.exit(main())
