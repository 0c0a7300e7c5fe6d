"""Statements that run thousands of times a second: written in SQLAlchemy's words, run by the driver itself.

What SQLAlchemy does around each execution costs many times what a small statement costs SQLite. Here a
statement is compiled once for each dialect, and then only its values are converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement, Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from gateway.db import Database

Convert = Callable[[Any], Any]


class _Compiled(NamedTuple):
    sql: str
    names: tuple[str, ...]
    """Of the parameters, in the order of the statement; one may occur twice."""
    is_positional: bool
    to_driver: Mapping[str, Convert]
    fixed: Mapping[str, Any]
    """Values that stand in the statement."""
    from_driver: tuple[tuple[int, Convert], ...]
    """Which columns of a row are to be converted, and how."""

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """What the driver wants: a sequence or a mapping."""
        convert = self.to_driver
        if self.fixed:
            values = {**self.fixed, **values}
        if self.is_positional:
            return [convert[n](values[n]) if n in convert else values[n] for n in self.names]
        return {n: convert[n](values[n]) if n in convert else values[n] for n in self.names}


class Prepared:
    """A statement all of whose values are given by name when it runs.

    Words that never change stand in it as literals, since an index over some rows is not chosen for a
    parameter.
    """

    def __init__(self, statement: Executable, *, columns: Iterable[str] | None = None) -> None:
        """:param columns: of an insert or an update, those that are given values"""
        self._statement = statement
        self._columns = None if columns is None else list(columns)
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: Dialect) -> _Compiled:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = self._compile(dialect)
        return self._compiled[dialect.name]

    def _compile(self, dialect: Dialect) -> _Compiled:
        assert isinstance(self._statement, ClauseElement)
        compiled = self._statement.compile(dialect=dialect, column_keys=self._columns)
        assert isinstance(compiled, SQLCompiler)
        is_positional = compiled.positiontup is not None
        names = tuple(compiled.positiontup or compiled.binds)
        returned: Iterable[Any] = getattr(self._statement, "exported_columns", ())
        types = [column.type for column in returned]
        return _Compiled(
            str(compiled),
            names,
            is_positional,
            {n: f for n in names if (f := _to_driver(compiled.binds[n].type, dialect))},
            {n: b.value for n, b in compiled.binds.items() if not b.required},
            tuple((i, f) for i, t in enumerate(types) if (f := _from_driver(t, dialect))),
        )


def _to_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _from_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)


Command = tuple[Prepared, Mapping[str, Any]]
"""A statement and its values."""


class Statements:
    """Runs prepared statements in the transaction of a connection.

    :raises DBAPIError: its children, as SQLAlchemy raises them
    """

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect
        driver: Any = connection.connection.dbapi_connection
        self._driver = driver
        self._cursor = driver.cursor()
        self._errors: type[Exception] = self._dialect.dbapi.Error  # type: ignore[union-attr]

    @property
    def is_sqlite(self) -> bool:
        return self._dialect.name == "sqlite"

    def rows(self, prepared: Prepared, **values: Any) -> list[tuple[Any, ...]]:
        return self._answer(self._cursor, prepared, values)

    def each(self, commands: Sequence[Command]) -> list[list[tuple[Any, ...]]]:
        """Run them all; the rows of each, or one row with the number of rows that it changed.

        To a server they are sent together, so that they cost one way there and back.
        """
        if self.is_sqlite or len(commands) < 2:
            return [self._answer(self._cursor, *command) for command in commands]
        try:
            with self._driver.pipeline() as pipeline:
                cursors = [self._driver.cursor() for _ in commands]
                for cursor, (prepared, values) in zip(cursors, commands, strict=True):
                    compiled = prepared.on(self._dialect)
                    cursor.execute(compiled.sql, compiled.parameters(values))
                pipeline.sync()
                return [self._fetch(c, command[0]) for c, command in zip(cursors, commands, strict=True)]
        except self._errors as exc:
            raise self._translated(exc, "; ".join(p.on(self._dialect).sql for p, _ in commands)) from exc

    def run_many(self, prepared: Prepared, many: Sequence[Mapping[str, Any]]) -> None:
        if not many:
            return
        compiled = prepared.on(self._dialect)
        try:
            self._cursor.executemany(compiled.sql, [compiled.parameters(values) for values in many])
        except self._errors as exc:
            raise self._translated(exc, compiled.sql) from exc

    def say(self, sql: str) -> None:
        """A word of the database's own, such as one that begins a transaction."""
        try:
            self._cursor.execute(sql)
        except self._errors as exc:
            raise self._translated(exc, sql) from exc

    def close(self) -> None:
        self._cursor.close()

    def _answer(self, cursor: Any, prepared: Prepared, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        compiled = prepared.on(self._dialect)
        try:
            cursor.execute(compiled.sql, compiled.parameters(values))
            return self._fetch(cursor, prepared)
        except self._errors as exc:
            raise self._translated(exc, compiled.sql) from exc

    def _fetch(self, cursor: Any, prepared: Prepared) -> list[tuple[Any, ...]]:
        if cursor.description is None:
            return [(cursor.rowcount,)]
        found: list[tuple[Any, ...]] = cursor.fetchall()
        converts = prepared.on(self._dialect).from_driver
        return [_converted(row, converts) for row in found] if converts else found

    def _translated(self, error: Exception, sql: str) -> BaseException:
        return DBAPIError.instance(sql, None, error, self._errors, dialect=self._dialect)


def _converted(row: Sequence[Any], converts: Iterable[tuple[int, Convert]]) -> tuple[Any, ...]:
    values = list(row)
    for index, convert in converts:
        values[index] = convert(values[index])
    return tuple(values)


class StatementWriter:
    """Transactions that follow each other closely, on one connection that is kept. One at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._statements: Statements | None = None

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        """What commits at the end of the block, or not at all; with an error the connection goes too."""
        with self._database.line:
            statements = self._open()
            try:
                if statements.is_sqlite:
                    statements.say("BEGIN IMMEDIATE")
                yield statements
                statements.say("COMMIT")
            except BaseException:
                self.close(broken=True)
                raise

    def _open(self) -> Statements:
        if self._statements is None:
            self._connection = self._database.engine.connect()
            self._statements = Statements(self._connection)
            if self._statements.is_sqlite:
                self._statements.say(f"PRAGMA wal_autocheckpoint={LONGEST_LOG}")
        return self._statements

    def close(self, *, broken: bool = False) -> None:
        connection, statements = self._connection, self._statements
        self._connection = self._statements = None
        if connection is None:
            return
        if statements is not None:
            statements.close()  # SQLite keeps its lock while a cursor stands in a transaction.
        if broken:
            connection.invalidate()
        connection.close()


LONGEST_LOG = 16_000
"""Pages of SQLite's log after which a commit also moves them into the file; before, others do that."""
