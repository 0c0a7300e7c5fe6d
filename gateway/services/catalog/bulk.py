"""Many rows at a time, in the way that each database takes fastest.

SQLite has no arrays, and runs one prepared statement for every row at no cost. PostgreSQL takes a column of
values as one array; given every value as a parameter, the driver would spend most of the time finding them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Delete,
    Select,
    String,
    Table,
    any_,
    bindparam,
    func,
    select,
)

from gateway.services.upsert import insert_of

VALUES_AT_ONCE = 2_000
"""Values in one query."""

Value = TypeVar("Value")


def chunks(values: Iterable[Value], size: int) -> Iterator[list[Value]]:
    """Cut values into lists of at most `size`."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def run_among(
    connection: Connection,
    statement: Select[*tuple[Any, ...]] | Delete,
    column: ColumnElement[Any],
    values: Iterable[str],
) -> list[Any]:
    """Run a statement for the rows whose column has one of these values, and return what it returns."""
    rows: list[Any] = []
    for some in chunks(values, VALUES_AT_ONCE):
        if not _has_arrays(connection):
            result = connection.execute(statement.where(column.in_(some)))
        else:
            array = bindparam(None, some, type_=ARRAY(String))
            result = connection.execute(statement.where(column == any_(array)))
        if result.returns_rows:
            rows.extend(result)
    return rows


def insert_rows(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    updating: Sequence[str] = (),
) -> None:
    """Insert rows with these columns.

    :param updating: the columns that take the new value where a row with that id exists already
    """
    if not rows:
        return
    if _has_arrays(connection):
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        arrays = [bindparam(name, list(columns[name]), type_=ARRAY(table.c[name].type)) for name in names]
        source = func.unnest(*arrays).table_valued(*names).render_derived()
        insert = insert_of("postgresql", table).from_select(list(names), select(source))
        if updating:
            changes = {name: insert.excluded[name] for name in updating}
            insert = insert.on_conflict_do_update(index_elements=["id"], set_=changes)
        connection.execute(insert)
    else:
        statement = insert_of("sqlite", table)
        if updating:
            changes = {name: statement.excluded[name] for name in updating}
            statement = statement.on_conflict_do_update(index_elements=["id"], set_=changes)
        connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


def _has_arrays(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"
