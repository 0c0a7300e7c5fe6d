"""The database: what every table shares, and how a transaction begins."""

from __future__ import annotations

import enum
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry

log = logging.getLogger(__name__)

SQLITE_ARGUMENTS = {"timeout": 60}
"""Seconds that a transaction waits for another process to finish writing."""

APPLICATION_NAME = "office365-gateway"
"""What PostgreSQL shows our connections as."""

POSTGRESQL_ARGUMENTS: dict[str, str | int] = {
    "application_name": APPLICATION_NAME,
    # A plan made while a table was small, and kept, would read all of it later on.
    "options": "-c plan_cache_mode=force_custom_plan",
    # A server that vanished without a word is given up in half a minute, not in TCP's quarter of an hour.
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Parameters of libpq; what the URL gives wins."""

MONEY_SCALE = Decimal(10_000)
"""Prices are kept as whole ten-thousandths, since SQLite has no decimal numbers."""

SMALLEST_JUMP = 1.0
"""Seconds by which a clock may be out before it counts as set by somebody."""

DATABASE_AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
"""What a database raises that cannot be reached, is full, or has no connection to spare: try again later.

An internal error is what a PostgreSQL says that only reads, since another one has become the primary.
"""


class UTCDateTime(TypeDecorator[datetime]):
    """An aware time in UTC, also where the database forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        # SQLAlchemy's own way to write times out, and to read them, takes longer than SQLite does for a row.
        return _text_of if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        return _time_of if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone; expected an aware time")
    return value.astimezone(UTC)


@lru_cache(maxsize=256)  # Many columns and rows have one moment in common.
def _text_of(value: datetime | None) -> str | None:
    """As SQLAlchemy writes it for SQLite: `2026-11-23 06:01:02.345678`."""
    return None if value is None else _in_utc(value).isoformat(" ", "microseconds")[:26]


def _time_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text + "+00:00")


class Money(TypeDecorator[Decimal]):
    """An exact price with up to four digits after the point."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value * MONEY_SCALE)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value) / MONEY_SCALE


class Base(DeclarativeBase):
    """Constraints have names, so that a migration can speak of them; enums are stored by value."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it so)
        datetime: UTCDateTime,
        Decimal: Money,
        dict[str, Any]: JSON,
        list[str]: JSON,
        enum.Enum: Enum(
            enum.Enum,
            native_enum=False,
            length=40,
            values_callable=lambda members: [member.value for member in members],
        ),
    }


def utcnow() -> datetime:
    return datetime.now(UTC)


class DatabaseClock:
    """The time as the database has it, so that nodes agree on it whatever their own clocks say.

    Between two looks it goes on by itself, steadily, when the clock of the machine is set.
    """

    def __init__(self, ask: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic) -> None:
        """:param ask: the time of the database; it may take its time, and fail"""
        self._ask = ask
        self._monotonic = monotonic
        self._anchor: tuple[datetime, float] | None = None
        self._jumped = float("-inf")

    def __call__(self) -> datetime:
        anchor = self._anchor
        return utcnow() if anchor is None else anchor[0] + timedelta(seconds=self._monotonic() - anchor[1])

    def synchronise(self) -> None:
        """Look again; threads may go on asking meanwhile.

        :raises sqlalchemy.exc.SQLAlchemyError: if the database does not answer; the old look holds then
        """
        before = self._monotonic()
        found = self._ask()
        after = self._monotonic()
        expected, known = self(), self._anchor is not None
        self._anchor = found, (before + after) / 2
        jump = (self() - expected).total_seconds()
        if known and abs(jump) > SMALLEST_JUMP + (after - before):
            log.warning("The clock of the database jumped: seconds=%.3f", jump)
            self._jumped = after

    def is_steady_for(self, duration: timedelta) -> bool:
        """Whether it has not jumped for so long."""
        return self._monotonic() - self._jumped >= duration.total_seconds()


class Database:
    """One database and its connections. Threads share it; each opens its own transactions."""

    def __init__(self, url: str, *, connections: int = 20) -> None:
        """:param connections: how many stay open; ten more are opened while there is need."""
        self.url: URL = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine: Engine = create_engine(
            self.url,
            pool_size=connections,
            max_overflow=10,
            pool_timeout=60,
            pool_pre_ping=not self.is_sqlite,
            connect_args=SQLITE_ARGUMENTS if self.is_sqlite else _unless_given(self.url),
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self.clock = DatabaseClock(self._ask_time)
        self._writing = self.engine.execution_options(gateway_writes=True)
        # Threads that wait for SQLite's lock look for it again and again; here they stand in line.
        self.line: AbstractContextManager[object] = threading.Lock() if self.is_sqlite else nullcontext()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that commits at the end of the block, or not at all."""
        with self.line, self.write_session() as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only looks; nothing that is changed here is kept.

        On SQLite all of it sees one moment, on PostgreSQL each statement its own.
        """
        with self.read_session() as session:
            yield session

    def write_session(self) -> Session:
        """A session whose transactions take the write lock at once, so that none waits half done."""
        return Session(self._writing, expire_on_commit=False)

    def read_session(self) -> Session:
        return Session(self.engine, expire_on_commit=False)

    def close(self) -> None:
        self.engine.dispose()

    def _ask_time(self) -> datetime:
        """SQLite is where we are; a server has a clock of its own."""
        if self.is_sqlite:
            return utcnow()
        with self.engine.connect() as connection:
            found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            return found.astimezone(UTC)


def _unless_given(url: URL) -> dict[str, str | int]:
    return {name: value for name, value in POSTGRESQL_ARGUMENTS.items() if name not in url.query}


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # Transactions begin when we say so, not when the driver guesses.
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    # What a connection keeps in memory the system keeps too, once for all of them.
    for pragma in ("foreign_keys=ON", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-500"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Of two processes that open a new file at once, SQLite lets one fail here instead of wait."""
    deadline = time.monotonic() + SQLITE_ARGUMENTS["timeout"]
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("gateway_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
