"""Statements that run thousands of times a second: written in SQLAlchemy's words, run by the driver itself.

What SQLAlchemy does around each execution costs many times what a small statement costs SQLite. Here a
statement is compiled once for each dialect, and then only its values are converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    Table,
    any_,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ClauseElement, Executable, FromClause
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

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: Dialect) -> _Compiled:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = self._compile(dialect)
        return self._compiled[dialect.name]

    def _compile(self, dialect: Dialect) -> _Compiled:
        assert isinstance(self._statement, ClauseElement)
        compiled = self._statement.compile(dialect=dialect)
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


class among(ColumnElement[bool]):  # noqa: N801 (it reads as a function, such as `any_`)
    """Whether a column has one of the values of a parameter, which is a list."""

    inherit_cache = False

    def __init__(self, column: InstrumentedAttribute[Any], parameter: str) -> None:
        self.column, self.parameter = column, parameter


@compiles(among)
def _among_of_sqlite(element: among, compiler: SQLCompiler, **how: Any) -> str:
    listed = func.json_each(bindparam(element.parameter, type_=JSON)).table_valued("value")
    return compiler.process(element.column.in_(select(listed.c.value)), **how)


@compiles(among, "postgresql")
def _among_of_postgresql(element: among, compiler: SQLCompiler, **how: Any) -> str:
    listed = bindparam(element.parameter, type_=ARRAY(element.column.type))
    return compiler.process(element.column == any_(listed), **how)


class PreparedForMany:
    """An insert of many rows, or an update of many by a key, in one statement."""

    def __init__(
        self, table: FromClause, columns: Sequence[str], *, key: str | None = None, where: Sequence[Any] = ()
    ) -> None:
        """:param columns: those that are given values
        :param key: the column by which rows are updated; without it they are inserted
        :param where: further conditions of an update, whose parameters are the same for all rows
        """
        assert isinstance(table, Table)  # A mapped class says less of what it has.
        self.names = (key, *columns) if key else tuple(columns)
        self._types = {name: table.c[name].type for name in self.names}
        self._statements = {
            dialect: _insert(table, rows) if key is None else _update(table, rows, key, where)
            for dialect, rows in (("sqlite", self._rows_of_sqlite()), ("postgresql", self._unnested()))
        }
        self._to_sqlite: list[Convert | None] = []

    def on(self, dialect: Dialect) -> Prepared:
        return self._statements[dialect.name]

    def values(self, many: Sequence[Mapping[str, Any]], dialect: Dialect) -> dict[str, Any]:
        """The rows as parameters."""
        if dialect.name != "sqlite":
            return {given(name): [row[name] for row in many] for name in self.names}
        if not self._to_sqlite:
            self._to_sqlite = [_to_driver(kind, dialect) for kind in self._types.values()]
        columns = list(zip(self.names, self._to_sqlite, strict=True))
        return {"rows": [[to(row[name]) if to else row[name] for name, to in columns] for row in many]}

    def _rows_of_sqlite(self) -> Select[Any]:
        each = func.json_each(bindparam("rows", type_=JSON)).table_valued("value").c.value
        return select(
            *(
                func.json_extract(each, literal_column(f"'$[{number}]'")).label(name)
                for number, name in enumerate(self.names)
            )
        )

    def _unnested(self) -> Select[Any]:
        return select(
            *(
                func.unnest(bindparam(given(name), type_=ARRAY(kind))).label(name)
                for name, kind in self._types.items()
            )
        )


def given(name: str) -> str:
    """A parameter for a column; the name of the column itself is kept by SQLAlchemy for those it makes."""
    return f"given_{name}"


def _insert(table: Table, rows: Select[Any]) -> Prepared:
    names = list(map(str, rows.selected_columns.keys()))
    return Prepared(insert(table).from_select(names, rows, include_defaults=False))


def _update(table: Table, rows: Select[Any], key: str, where: Sequence[Any]) -> Prepared:
    new = rows.subquery("new")
    values = {column.key: column for column in new.c if column.key != key}
    return Prepared(update(table).where(*where, table.c[key] == new.c[key]).values(values))


def _to_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _from_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)


Command = tuple[Prepared, Mapping[str, Any]]
"""A statement and its values."""

Rows = Sequence[Sequence[Any]]
"""What a statement found."""


class Statements:
    """Runs prepared statements in the transaction of a connection.

    :raises DBAPIError: its children, as SQLAlchemy raises them
    """

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect
        driver: Any = connection.connection.dbapi_connection
        self._driver = driver
        self._errors: type[Exception] = self._dialect.dbapi.Error  # type: ignore[union-attr]

    @property
    def is_sqlite(self) -> bool:
        return self._dialect.name == "sqlite"

    def rows(self, prepared: Prepared, **values: Any) -> list[tuple[Any, ...]]:
        ((rows),) = self.each([(prepared, values)])
        return rows

    def each(self, commands: Sequence[Command]) -> list[list[tuple[Any, ...]]]:
        """The rows of each, all of which are asked for before the first is awaited."""
        asked = [(self._run(*command), command[0]) for command in commands]
        return [self._fetch(cursor, prepared) for cursor, prepared in asked]

    def run(self, prepared: Prepared, **values: Any) -> None:
        """Run it, whatever it finds. Together with others, a failure is known when an answer is awaited."""
        self._run(prepared, values)

    def run_many(self, prepared: PreparedForMany, many: Sequence[Mapping[str, Any]], **values: Any) -> None:
        """The same with many rows.

        :param values: of the parameters that all have in common
        """
        if many:
            self._run(prepared.on(self._dialect), prepared.values(many, self._dialect) | values)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send to a server what is run in here without waiting for each answer."""
        if self.is_sqlite:
            yield
            return
        try:
            with self._driver.pipeline():
                yield
        except self._errors as exc:
            raise self._translated(exc, "one of several statements") from exc

    def say(self, sql: str) -> None:
        """A word of the database's own, such as one that begins a transaction."""
        try:
            self._driver.cursor().execute(sql)
        except self._errors as exc:
            raise self._translated(exc, sql) from exc

    def _run(self, prepared: Prepared, values: Mapping[str, Any]) -> Any:
        compiled = prepared.on(self._dialect)
        cursor = self._driver.cursor()
        try:
            cursor.execute(compiled.sql, compiled.parameters(values))
        except self._errors as exc:
            raise self._translated(exc, compiled.sql) from exc
        return cursor

    def _fetch(self, cursor: Any, prepared: Prepared) -> list[tuple[Any, ...]]:
        compiled = prepared.on(self._dialect)
        try:
            found: list[tuple[Any, ...]] = cursor.fetchall()
        except self._errors as exc:
            raise self._translated(exc, compiled.sql) from exc
        return [_converted(row, compiled.from_driver) for row in found] if compiled.from_driver else found

    def _translated(self, error: Exception, sql: str) -> BaseException:
        return DBAPIError.instance(sql, None, error, self._errors, dialect=self._dialect)


def _converted(row: Sequence[Any], converts: Iterable[tuple[int, Convert]]) -> tuple[Any, ...]:
    values = list(row)
    for index, convert in converts:
        if values[index] is not None:
            values[index] = convert(values[index])
    return tuple(values)


class StatementWriter:
    """Transactions that follow each other closely, on one connection that is kept. One at a time."""

    def __init__(self, database: Database, *, waits_for_disk: bool = True) -> None:
        """:param waits_for_disk: otherwise a power failure, and nothing less, may undo what was committed;
        the next transaction of another writer, who waits, has all earlier ones written too
        """
        self._database = database
        self._waits_for_disk = waits_for_disk
        self._connection: Connection | None = None
        self._statements: Statements | None = None

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        """What commits at the end of the block, or not at all; with an error the connection goes too."""
        with self._database.line:
            statements = self._open()
            try:
                with statements.together():
                    statements.say("BEGIN IMMEDIATE" if statements.is_sqlite else "BEGIN")
                    yield statements
                    statements.say("COMMIT")
            except BaseException:
                if statements.is_sqlite:
                    # A traceback holds cursors, and they would keep the file locked after the connection.
                    with suppress(DBAPIError):
                        statements.say("ROLLBACK")
                self.close()
                raise

    def _open(self) -> Statements:
        if self._statements is None:
            self._connection = self._database.engine.connect()
            if not self._database.is_sqlite:  # We say ourselves when a transaction begins.
                self._connection.execution_options(isolation_level="AUTOCOMMIT")
            self._statements = Statements(self._connection)
            is_sqlite = self._database.is_sqlite
            for setting in OF_SQLITE if is_sqlite else OF_POSTGRESQL:
                self._statements.say(setting)
            if not self._waits_for_disk:
                self._statements.say(
                    "PRAGMA synchronous=NORMAL" if is_sqlite else "SET synchronous_commit = off"
                )
        return self._statements

    def close(self) -> None:
        connection = self._connection
        self._connection = self._statements = None
        if connection is None:
            return
        # With these settings nobody else shall have it.
        connection.invalidate()
        connection.close()


OF_SQLITE = (
    # Pages of the log after which a commit also moves them into the file; before, others do that.
    "PRAGMA wal_autocheckpoint=16000",
)
OF_POSTGRESQL = (
    # A statement is planned once, for whatever values. All of them find few rows by an index; a plan made
    # while a table was small must not read all of it later on.
    "SET plan_cache_mode = force_generic_plan",
    *(f"SET enable_{way} = off" for way in ("seqscan", "hashjoin", "mergejoin")),
)
