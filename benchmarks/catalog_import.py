"""How long the import of a large catalog takes, beside what the disk and SQLite allow.

    python -m benchmarks.catalog_import [--customers 77000]

Prints seconds for SQLite and for PostgreSQL: a new catalog, the same again, and the bare limit, which is the
same rows written by the driver of SQLite with nothing in between.
"""

from __future__ import annotations

import argparse
import gc
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.db import Database, utcnow
from gateway.migrations import migrate
from gateway.services.catalog import import_catalog, read_catalog
from gateway.services.catalog.demonstration import make_catalog
from tests.databases import postgresql_server, sqlite_url

CUSTOMERS = 77_000
"""They have close to 100,000 subscriptions."""

TABLES = (
    "application_instance",
    "account",
    "service_template",
    "resource_type",
    "service_plan",
    "subscription",
    "subscription_resource",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    customers = parser.parse_args().customers
    gc.disable()  # As the command for it does.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "catalog.json"
        subscriptions = _write_catalog(file, customers)
        print(f"{subscriptions} subscriptions, {customers} customers, {file.stat().st_size / 1e6:.0f} MB")
        source = folder / "gateway.db"
        _measure("SQLite", sqlite_url(source), file)
        _print("SQLite, bare executemany", _bare_limit(source, folder / "bare.db"))
        with postgresql_server() as server, server.migrated_database() as url:
            _measure("PostgreSQL", url, file)


def _write_catalog(file: Path, customers: int) -> int:
    document = make_catalog(customers)
    file.write_text(json.dumps(document))
    return len(document["subscriptions"])


def _measure(label: str, url: str, file: Path) -> None:
    with _migrated(url) as database:
        _print(f"{label}, new catalog", _seconds(lambda: _import(database, file)))
        _print(f"{label}, the same again", _seconds(lambda: _import(database, file)))


@contextmanager
def _migrated(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        migrate(database)
        yield database
    finally:
        database.close()


def _import(database: Database, file: Path) -> None:
    """Everything from the file to the commit."""
    document = read_catalog(file)
    with database.write() as session:
        import_catalog(session, document, now=utcnow())


def _bare_limit(source: Path, target: Path) -> float:
    """Seconds for the rows of one database to be written into another of the same schema."""
    with _migrated(sqlite_url(target)):
        pass
    with closing(sqlite3.connect(source)) as connection:
        rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        return _seconds(lambda: _insert(connection, rows))


def _insert(connection: sqlite3.Connection, rows: dict[str, list[tuple[object, ...]]]) -> None:
    with connection:
        for table, values in rows.items():
            places = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", values)


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _print(label: str, seconds: float) -> None:
    print(f"{label:30} {seconds:8.1f} s")


if __name__ == "__main__":
    main()
