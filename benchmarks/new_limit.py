"""How soon a saved limit is in force: from the saved file to the first upgrade that is claimed under it.

    python -m benchmarks.new_limit

With a spare worker and without, and where the time goes.
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from gateway.pool.control import ask
from gateway.pool.events import events_file, read_events
from gateway.services.catalog.demonstration import make_catalog
from tests.functional.pool.helpers import eventually
from tests.functional.site import Site

MOST = 8
"""So many limits at most are changed with a spare worker and without."""


def measure_limits(count: int = MOST) -> None:
    for spare in (True, False):
        measure_limit(min(count, MOST), spare=spare)


def measure_limit(count: int, *, spare: bool) -> None:
    """With upgrades that take long, each higher limit lets exactly one more start: when it is claimed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        limit = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"
        site = Site(
            place, f"sqlite:///{place}/gateway.db", **{limit: "1", "SIMULATOR_LATENCY_SECONDS": "3600"}
        )
        site.save_settings()
        if not spare:
            site.pool("set", "processModel.spareWorker", "false")
        catalog = make_catalog(customers=8 * count + 40)
        key = site.install(catalog)
        site.start()
        try:
            schedule_all(site, key)
            print_spans(
                f"saved file to first claim, {'with' if spare else 'without'} spare",
                [one_limit(site, number + 2, spare=spare) for number in range(count)],
            )
        finally:
            kill_everything(site)
            site.close()


def kill_everything(site: Site) -> None:
    """Upgrades of an hour are under way: nobody waits for them."""
    status = site.status()
    site.kill_pool()
    for pid in (status["worker_pid"], status["simulator_pid"], status["spare_pid"], *status["leaving_pids"]):
        with contextlib.suppress(TypeError, ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def schedule_all(site: Site, key: str) -> None:
    api = site.api(key)
    # An upgrade of a legacy offer is one long call; it would be waited for when work is handed over.
    plans = [plan["id"] for plan in api.every("service-plans") if "legacy" not in plan["id"]]
    for plan in plans:
        ids = [each["id"] for each in api.every("subscriptions", service_plan=plan)]
        targets = api.get(f"service-plans/{plan}/upgrade-targets")["items"]
        if ids and targets:
            body = {
                "subscription_ids": ids,
                "target_service_plan_id": targets[0]["id"],
                "only_eligible": True,
            }
            api.post("upgrade-batches", body)
    api.close()
    eventually(lambda: in_progress(site) == 1, what="the first upgrade")


def in_progress(site: Site) -> int:
    with contextlib.closing(sqlite3.connect(site.folder / "gateway.db")) as connection:
        found = connection.execute("SELECT count(*) FROM upgrade WHERE status = 'in_progress'").fetchone()
        return int(found[0])


def one_limit(site: Site, limit: int, *, spare: bool) -> list[float]:
    """Return seconds: to the recycle's begin, to its end, to the claim, in all."""
    eventually(lambda: is_at_rest(ask(site.var, "status")["status"], spare=spare), what="rest", seconds=60)
    time.sleep(1)
    text = site.config.read_text().replace(
        f'SIMULTANEOUS_UPGRADES" value="{limit - 1}"', f'SIMULTANEOUS_UPGRADES" value="{limit}"'
    )
    saved = time.time()
    site.save_text(text)
    eventually(lambda: in_progress(site) == limit, what=f"limit {limit} in force", seconds=30)
    claimed = time.time()
    # On a busy machine the claim may come before the event.
    eventually(lambda: newest_event(site, 9012) > saved, what="the event")
    began, serves = newest_event(site, 5080), newest_event(site, 9012)
    return [began - saved, serves - began, claimed - serves, claimed - saved]


def is_at_rest(status: dict[str, Any], *, spare: bool = True) -> bool:
    """Whether the old workers are gone, and the spare one has imported everything."""
    return not status["leaving_pids"] and not status["starting_pids"] and status["spare_is_warm"] == spare


def newest_event(site: Site, number: int) -> float:
    """Return when it happened."""
    events = read_events(events_file(site.var), 50)
    newest = next(event for event in reversed(events) if event["id"] == number)
    return dt.datetime.fromisoformat(newest["at"]).timestamp()


def print_spans(name: str, rows: list[list[float]]) -> None:
    parts = ("settling and checking", "start, proof, switch", "until claimed", "in all")
    for part, column in zip(parts, zip(*rows, strict=True), strict=True):
        print(f"{name}: {part:<22} median {statistics.median(column):6.3f} s  slowest {max(column):6.3f} s")


if __name__ == "__main__":
    measure_limits()
