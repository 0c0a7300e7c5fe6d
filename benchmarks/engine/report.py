"""The whole report: each workload on each store and engine, the median of several runs."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.engine.driving import WORKLOADS, Engine
from tests.databases import postgresql_server

PEERS = ("huey", "dramatiq")
PEERS_FILE = Path(__file__).with_name("peers.py")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--peers", metavar="PYTHON", help="of an environment with Huey and Dramatiq")
    parser.add_argument("--engines", help="such as gateway,bare,huey; when not given all but bare")
    asked = parser.parse_args()
    engines = asked.engines.split(",") if asked.engines else ["gateway", *(PEERS if asked.peers else ())]
    for database in asked.databases.split(","):
        for workload in asked.workloads.split(","):
            for name in engines:
                _report(_engine(name, asked.peers), database, workload, asked.runs)
    return 0


def _engine(name: str, python: str | None) -> Engine:
    if name == "gateway":
        return Engine(name)
    if name == "bare":
        return Engine(name, command=(sys.executable, "-m", "benchmarks.engine.bare"))
    if python is None:
        raise SystemExit(f"{name} needs --peers PYTHON")
    return Engine(name, command=(python, str(PEERS_FILE), name))


def _report(engine: Engine, database: str, workload: str, runs: int) -> None:
    results = []
    for _ in range(runs):
        with _store(database) as surroundings, tempfile.TemporaryDirectory() as folder:
            results.append(WORKLOADS[workload](engine.within(surroundings), Path(folder)))
    medians = {key: statistics.median(r[key] for r in results) for key in results[0]}
    words = ", ".join(f"{k} {v:.4g}" for k, v in medians.items())
    print(f"{database} {workload} {engine.name}: {words}", flush=True)
    if runs > 1:
        first = next(iter(medians))
        print(f"    {first}: " + " ".join(f"{r[first]:.4g}" for r in results), flush=True)


@contextmanager
def _store(database: str) -> Iterator[dict[str, str]]:
    """What the processes are told of the database."""
    if database == "sqlite":
        yield {}
        return
    with postgresql_server(durable=True) as server, server.empty_database() as url:
        yield {"BENCH_PG_DSN": url.replace("postgresql+psycopg://", "postgresql://")}
