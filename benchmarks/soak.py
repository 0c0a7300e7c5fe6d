"""Ten thousand upgrades while Microsoft fails all the time: is each carried out once, and what does it cost?

    python -m benchmarks.soak [--upgrades 10000] [--limits 10,50,200] [--latency 0.5] [--database postgresql]

Real processes: pool, worker, simulator. Each kind of fault hits every fiftieth request; a 429 and the end of
all tokens every thousandth, since the whole account pauses then. An upgrade whose request was lost on the way
ends as `outcome_unknown`, for it is never sent again; every other one has to be completed.
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

from tests.catalogs import STANDARD, catalog, many
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
        for number, fault in enumerate(FAULTS):
            simulator.fault(**{"every": EVERY, "after": number, **fault})
        began = time.monotonic()
        batch = api.schedule([s["id"] for s in subscriptions], STANDARD)["id"]
        worker = int(site.status()["worker_pid"])
        ended = api.wait_for_end(batch, within=3600)
        seconds = time.monotonic() - began
        usage = _usage(worker)
        return _report(limit, seconds, ended, usage, _judge(api, simulator, batch, limit, upgrades))


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield sqlite_url(folder / "gateway.db")
        return
    with postgresql_server() as server, server.migrated_database() as url:
        yield url


def _judge(api: API, simulator: Simulator, batch: str, limit: int, upgrades: int) -> list[str]:
    """What was promised and not kept."""
    found = api.every("upgrades", batch_id=batch)
    times = simulator.upgraded()
    wrong = Counter(
        u["reason_code"]
        for u in found
        if u["upgrade_status"] != "completed" and u["reason_code"] != "outcome_unknown"
    )
    problems = [f"{count} upgrades ended as {code}" for code, count in wrong.items()]
    problems += [f"{s} was upgraded {count} times" for s, count in times.items() if count > 1]
    if len(found) != upgrades:
        problems.append(f"{len(found)} upgrades are known, expected {upgrades}")
    completed = sum(u["upgrade_status"] == "completed" for u in found)
    if not completed <= len(times) <= upgrades:
        problems.append(f"{completed} are completed, Microsoft has {len(times)} transitions")
    at_once = simulator.stats()["max_running"]
    if at_once > limit:
        problems.append(f"{at_once} ran at once, expected at most {limit}")
    return problems


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


def _report(limit: int, seconds: float, ended: Counter[str], usage: str, problems: list[str]) -> bool:
    print(f"limit {limit}: {seconds:.0f} s; {dict(ended)}; {usage}", flush=True)
    for problem in problems:
        print(f"  PROBLEM: {problem}", flush=True)
    return not problems


if __name__ == "__main__":
    sys.exit(main())
