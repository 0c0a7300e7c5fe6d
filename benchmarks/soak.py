"""Ten thousand upgrades while Microsoft fails all the time: is each carried out once, and what does it cost?

    python -m benchmarks.soak [--upgrades 10000] [--limits 10,50,200] [--latency 0.5] [--database postgresql]

Real processes: pool, worker, simulator. Each kind of fault hits every fiftieth request; a 429 and the end of
all tokens every thousandth, since the whole account pauses then. An upgrade whose request was lost on the way
ends as `outcome_unknown`, for it is never sent again by itself; every other one has to be completed. In the
end somebody schedules the unknown ones again, as the panel offers it, until there is a transition for each.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests.catalogs import STANDARD, catalog, many, microsoft_id_of
from tests.databases import postgresql_server, sqlite_url
from tests.functional.site import API, Simulator, Site

EVERY = 50
"""Two in a hundred."""

FAULTS: tuple[dict[str, Any], ...] = (
    {"action": "status", "status": 503},
    {"action": "status", "status": 500},
    {"action": "throttle", "retry_after": 1, "every": 1000},
    {"action": "drop_before"},
    {"action": "drop_after"},
    {"action": "delay", "seconds": 0.5},
    {"action": "garbage", "garbage": "html"},
    {"action": "history_lags", "seconds": 2.0},
    {"action": "offer_lags", "seconds": 2.0},
    {"action": "expire_tokens", "every": 1000},
)
ALLOWED = ("outcome_unknown", "licenses_not_verified")
"""What may become of an upgrade here besides its completion. Licenses are looked at four times, no more."""

LOOK = 2.0
"""Seconds between two looks at the batch, which cost the worker something too."""
ROUNDS = 10

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--upgrades", type=int, default=10_000)
    parser.add_argument("--limits", default="10,50,200", help="upgrades at once, one run for each")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds that Microsoft takes for one")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    passed = [
        _soak(asked.upgrades, int(limit), asked.latency, asked.database) for limit in asked.limits.split(",")
    ]
    return 0 if all(passed) else 1


def _soak(upgrades: int, limit: int, latency: float, kind: str) -> bool:
    with tempfile.TemporaryDirectory() as name, _database(kind, Path(name)) as url, ExitStack() as stack:
        site = stack.enter_context(
            closing(
                Site(
                    Path(name),
                    url,
                    MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES=str(limit),
                    SIMULATOR_LATENCY_SECONDS=str(latency),
                    UPGRADE_MAX_ATTEMPTS="20",
                    UPGRADE_LOOK_UP_SECONDS="4",
                    LOG_LEVEL="ERROR",
                )
            )
        )
        subscriptions = many(upgrades)
        key = site.install(catalog(*subscriptions))
        site.start()
        api = stack.enter_context(closing(site.api(key)))
        simulator = stack.enter_context(closing(site.simulator()))
        for number, fault in enumerate(FAULTS):  # Five that fail one after the other would be an outage.
            simulator.fault(**{"every": EVERY, "after": number * EVERY // len(FAULTS), **fault})
        worker = int(site.status()["worker_pid"])
        return _report(limit, worker, _carry_out(api, simulator, [s["id"] for s in subscriptions], limit))


def _carry_out(api: API, simulator: Simulator, subscription_ids: list[str], limit: int) -> Iterator[str]:
    """Upgrade them all, and tell how it goes; what was promised and not kept begins with PROBLEM."""
    wanted = subscription_ids
    for number in range(1, ROUNDS + 1):
        began = time.monotonic()
        batch = api.schedule(wanted, STANDARD)["id"]
        ended = api.wait_for_end(batch, within=7200, look_every=LOOK)
        yield f"round {number}: {time.monotonic() - began:.0f} s; {dict(ended)}"
        found = api.every("upgrades", batch_id=batch)
        unknown = [u["subscription_id"] for u in found if u["reason_code"] == "outcome_unknown"]
        yield from _judge(found, unknown, simulator, len(wanted))
        wanted = unknown
        if not wanted:
            break
    transitions = simulator.upgraded()
    if transitions != {microsoft_id_of(each): 1 for each in subscription_ids}:
        yield f"PROBLEM: there is not one transition for each of {len(subscription_ids)}"
    at_once = simulator.stats()["max_running"]
    yield f"{sum(transitions.values())} transitions, {at_once} at once"
    if at_once > limit:
        yield f"PROBLEM: {at_once} ran at once, expected at most {limit}"


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield sqlite_url(folder / "gateway.db")
        return
    with postgresql_server() as server, server.migrated_database() as url:
        yield url


def _judge(
    found: list[dict[str, Any]], unknown: list[str], simulator: Simulator, upgrades: int
) -> Iterator[str]:
    others = Counter(
        f"{u['upgrade_status']} {u['reason_code']}"
        for u in found
        if u["upgrade_status"] != "completed" and u["reason_code"] not in ALLOWED
    )
    yield from (f"PROBLEM: {count} upgrades are {what}" for what, count in others.items())
    if len(found) != upgrades:
        yield f"PROBLEM: {len(found)} upgrades are known, expected {upgrades}"
    transitions = simulator.upgraded()
    yield from (f"PROBLEM: {s} was upgraded {count} times" for s, count in transitions.items() if count > 1)
    arrived = [each for each in unknown if transitions[microsoft_id_of(each)]]
    if arrived:
        yield f"PROBLEM: {len(arrived)} unknown ones are at Microsoft, such as {arrived[0]}"


def _usage(pid: int) -> str:
    """Processor time and memory of the worker, where the system tells them."""
    place = Path("/proc", str(pid))
    if not place.exists():
        return "worker's usage unknown"
    fields = place.joinpath("stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / TICKS
    status = dict(
        line.split(":", 1) for line in place.joinpath("status").read_text().splitlines() if ":" in line
    )
    return f"worker: {seconds:.1f} s of processor, {int(status['VmHWM'].split()[0]) / 1024:.0f} MB at most"


def _report(limit: int, worker: int, told: Iterator[str]) -> bool:
    is_good = True
    for line in told:
        print(f"limit {limit}: {line}; {_usage(worker)}", flush=True)
        is_good &= not line.startswith("PROBLEM")
    return is_good


if __name__ == "__main__":
    sys.exit(main())
