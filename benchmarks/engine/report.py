"""The whole report: each workload on each store, the median of several runs."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.engine.driving import WORKLOADS, Engine
from tests.databases import postgresql_server


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--databases", default="sqlite,postgresql")
    asked = parser.parse_args()
    for database in asked.databases.split(","):
        for workload in asked.workloads.split(","):
            _report(database, workload, asked.runs)
    return 0


def _report(database: str, workload: str, runs: int) -> None:
    results = []
    for _ in range(runs):
        with _engine(database) as engine, tempfile.TemporaryDirectory() as folder:
            results.append(WORKLOADS[workload](engine, Path(folder)))
    medians = {key: statistics.median(r[key] for r in results) for key in results[0]}
    print(f"{database} {workload}: " + ", ".join(f"{k} {v:.4g}" for k, v in medians.items()), flush=True)
    if runs > 1:
        first = next(iter(medians))
        print(f"    {first}: " + " ".join(f"{r[first]:.4g}" for r in results), flush=True)


@contextmanager
def _engine(database: str) -> Iterator[Engine]:
    if database == "sqlite":
        yield Engine("gateway, SQLite")
        return
    with postgresql_server(durable=True) as server, server.empty_database() as url:
        dsn = url.replace("postgresql+psycopg://", "postgresql://")
        yield Engine("gateway, PostgreSQL", environment={"BENCH_PG_DSN": dsn})
