"""Moves everything from one database to another, such as from SQLite to PostgreSQL: all of it or nothing."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, event, func, insert, select, text, update
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.db import APPLICATION_NAME, Base, Database
from gateway.errors import GatewayError
from gateway.models import LicenseMove, Upgrade, UpgradeStatus
from gateway.services.planning import one_plan_for_all_rows

BATCH = 5_000
"""Rows that are read and written at once."""

PATIENCE_SECONDS = 2
"""How long a database that should be at rest is waited for."""

Row = dict[str, Any]
Progress = Callable[[str, int, int], None]
"""Called with the name of a table, the rows done, and the rows there are."""


class CopyError(GatewayError):
    code = "copy_refused"


@dataclass(frozen=True, kw_only=True)
class Copied:
    rows: int
    pending: int
    """Upgrades that the gateway starts when it runs on the target."""
    in_progress: int
    """Upgrades that it goes on with."""


def copy_database(source: Database, target: Database, *, now: datetime, progress: Progress) -> Copied:
    """Copy every row, in one transaction of the target. Both have the newest schema.

    Nobody can change the source meanwhile. Upgrades that are not over go on in the target.

    :raises CopyError: if a gateway works on either, or the target holds anything; nothing is written then
    """
    if source.url == target.url:
        raise CopyError(f"{_name(source)} is both source and target")
    with _alone(source) as reading, _alone(target) as writing:
        _refuse_leases(reading, now)
        _refuse_rows(writing)
        with one_plan_for_all_rows(writing):
            rows = sum(_copy_table(each, reading, writing, progress) for each in Base.metadata.sorted_tables)
        _free_upgrades(writing)
        if not target.is_sqlite:
            _set_sequences(writing)
        _compare_counts(reading, writing)
        pending, in_progress = (
            _count_upgrades(writing, each) for each in (UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS)
        )
        writing.commit()
    return Copied(rows=rows, pending=pending, in_progress=in_progress)


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """A transaction on a database that no gateway has open, and that nobody can change until it ends."""
    database.close()  # An idle connection of ours would be in the way.
    try:
        connection = _connect_alone(database)
    except OperationalError as exc:
        raise _in_use(database, str(exc.orig)) from exc
    try:
        with connection:
            yield connection
    finally:
        database.close()


def _connect_alone(database: Database) -> Connection:
    return _have_file_alone(database) if database.is_sqlite else _have_server_alone(database)


def _have_file_alone(database: Database) -> Connection:
    event.listen(database.engine, "connect", _lock_file, insert=True)
    try:
        connection = database.engine.connect()
    finally:
        event.remove(database.engine, "connect", _lock_file)
    return connection.execution_options(gateway_writes=True)


def _lock_file(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    """Before its first look: from then on SQLite shares the file, and an idle gateway is not noticed."""
    connection.execute(f"PRAGMA busy_timeout = {PATIENCE_SECONDS * 1000}")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _have_server_alone(database: Database) -> Connection:
    connection = database.engine.connect().execution_options(isolation_level="REPEATABLE READ")
    try:
        _lock_tables(connection)
        _refuse_gateways(database, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _lock_tables(connection: Connection) -> None:
    quote = connection.dialect.identifier_preparer.format_table
    names = ", ".join(quote(each) for each in Base.metadata.sorted_tables)
    connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE_SECONDS}s'"))
    connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))


def _refuse_gateways(database: Database, connection: Connection) -> None:
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = :name AND pid <> pg_backend_pid()"
    )
    count = connection.scalar(others, {"name": APPLICATION_NAME})
    if count:
        raise _in_use(database, f"{count} connections of gateways are open")


def _refuse_leases(connection: Connection, now: datetime) -> None:
    held = select(Upgrade.lease_owner, func.max(Upgrade.lease_expires_at), func.count()).where(
        Upgrade.status == UpgradeStatus.IN_PROGRESS, Upgrade.lease_expires_at > now
    )
    for owner, until, count in connection.execute(held.group_by(Upgrade.lease_owner)):
        raise CopyError(
            f"{owner} works on {count} upgrades of the source: stop that gateway; if it was killed, its hold"
            f" ends at {until:%H:%M:%S} UTC"
        )


def _refuse_rows(connection: Connection) -> None:
    for table in Base.metadata.sorted_tables:
        count = _count(connection, table)
        if count:
            raise CopyError(f"the target has {count} rows in table {table.name}, expected an empty database")


def _copy_table(table: Table, reading: Connection, writing: Connection, progress: Progress) -> int:
    total, done = _count(reading, table), 0
    found = reading.execute(select(table), execution_options={"yield_per": BATCH}).mappings()
    rows = iter(_parents_first(table, (dict(row) for row in found)))
    while batch := list(islice(rows, BATCH)):
        try:
            writing.execute(insert(table), batch)
        except (DataError, IntegrityError) as exc:
            reason = str(exc.orig).partition("\n")[0]
            raise CopyError(f"table {table.name} does not fit into the target: {reason}") from exc
        done += len(batch)
        progress(table.name, done, total)
    return done


def _parents_first(table: Table, rows: Iterable[Row]) -> Iterable[Row]:
    """The rows in an order in which a row that names another of the same table comes after that one."""
    parent = next((key.parent.name for key in table.foreign_keys if key.column.table is table), None)
    if parent is None:
        return rows
    children: dict[str | None, list[Row]] = defaultdict(list)
    for row in rows:
        children[row[parent]].append(row)
    ordered = level = children[None]
    while level:
        level = [child for row in level for child in children[row["id"]]]
        ordered = ordered + level
    return ordered


def _free_upgrades(connection: Connection) -> None:
    """The workers that held them are gone, so the first one on the target may go on at once."""
    for model in (Upgrade, LicenseMove):
        held = update(model).where(model.lease_owner.is_not(None))
        connection.execute(held.values(lease_owner=None, lease_expires_at=None))


def _set_sequences(connection: Connection) -> None:
    """Where PostgreSQL goes on to count, since rows that bring their ids do not move it."""
    for table in Base.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            after = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
            name = connection.dialect.identifier_preparer.format_table(table)
            sequence = func.pg_get_serial_sequence(name, column.name)
            connection.execute(select(func.setval(sequence, after, False)))


def _compare_counts(reading: Connection, writing: Connection) -> None:
    for table in Base.metadata.sorted_tables:
        expected, found = _count(reading, table), _count(writing, table)
        if found != expected:
            raise CopyError(f"table {table.name} has {found} rows in the target, expected {expected}")


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _count_upgrades(connection: Connection, status: UpgradeStatus) -> int:
    return connection.scalar(select(func.count()).where(Upgrade.status == status)) or 0


def _in_use(database: Database, reason: str) -> CopyError:
    return CopyError(
        f"{_name(database)} is not at rest ({reason}): stop every gateway that works on it, then try again"
    )


def _name(database: Database) -> str:
    return database.url.render_as_string(hide_password=True)
