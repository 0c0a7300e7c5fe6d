"""Rows of a catalog in the database: what is there, and how to make it what it should be.

Rows are tuples of columns rather than objects of the ORM, since a catalog has half a million of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, FromClause, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from gateway.db import Base
from gateway.services.catalog.known import IDS_AT_ONCE, chunks

Row = tuple[Any, ...]
Rows = dict[str, Row]
"""Rows by id."""
Children = dict[str, frozenset[Row]]
"""What hangs on each parent, by its id; parents without children may be missing."""

_UPSERTS: dict[str, Callable[[Table], postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


@dataclass(frozen=True, slots=True)
class MainTable:
    """A table whose rows have ids of the caller and know when they were made and changed."""

    table: Table
    columns: tuple[str, ...]
    """The id comes first; the times are not among them."""

    def fetch(self, connection: Connection, ids: Collection[str]) -> Rows:
        query = select(*[self.table.c[name] for name in self.columns])
        found: Rows = {}
        for some in chunks(ids, IDS_AT_ONCE):
            for row in connection.execute(query.where(self.table.c.id.in_(some))):
                found[row[0]] = tuple(row)
        return found

    def write(self, connection: Connection, rows: Iterable[Row], now: datetime) -> None:
        """Insert rows, or update those whose id exists."""
        times = {"created_at": now, "updated_at": now}
        values = [dict(zip(self.columns, row, strict=True)) | times for row in rows]
        if not values:
            return
        statement = _UPSERTS[connection.dialect.name](self.table)
        changing = [*self.columns[1:], "updated_at"]
        changes = {name: statement.excluded[name] for name in changing}
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes), values)


@dataclass(frozen=True, slots=True)
class ChildTable:
    """A table whose rows belong to a parent, and come and go with what the catalog says of it."""

    table: Table
    parent: str
    columns: tuple[str, ...]
    """Without the parent."""

    def fetch(self, connection: Connection, parents: Collection[str]) -> Children:
        column = self.table.c[self.parent]
        query = select(column, *[self.table.c[name] for name in self.columns])
        found: dict[str, list[Row]] = {}
        for some in chunks(parents, IDS_AT_ONCE):
            for parent, *row in connection.execute(query.where(column.in_(some))):
                found.setdefault(parent, []).append(tuple(row))
        return {parent: frozenset(rows) for parent, rows in found.items()}

    def replace(
        self, connection: Connection, stored: Children, wanted: Children, parents: Collection[str]
    ) -> None:
        """Give each of these parents the children it should have."""
        for some in chunks([parent for parent in parents if parent in stored], IDS_AT_ONCE):
            connection.execute(delete(self.table).where(self.table.c[self.parent].in_(some)))
        values = [
            {self.parent: parent, **dict(zip(self.columns, row, strict=True))}
            for parent in parents
            for row in wanted.get(parent, ())
        ]
        if values:
            connection.execute(insert(self.table), values)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of the rows of a collection."""

    created: frozenset[str]
    updated: frozenset[str]
    unchanged: int


def compare(stored: Rows, wanted: Rows, children: Iterable[tuple[Children, Children]] = ()) -> Change:
    """:param children: what hangs on the rows in each child table, stored and wanted"""
    created = wanted.keys() - stored.keys()
    updated = {i for i, row in wanted.items() if i in stored and stored[i] != row}
    for before, after in children:
        updated |= {i for i in wanted if i in stored and differs(before, after, i)}
    return Change(frozenset(created), frozenset(updated), len(wanted) - len(created) - len(updated))


def differs(before: Mapping[str, frozenset[Row]], after: Mapping[str, frozenset[Row]], parent: str) -> bool:
    return before.get(parent, frozenset()) != after.get(parent, frozenset())


def table_of(model: type[Base]) -> Table:
    table: FromClause = model.__table__
    assert isinstance(table, Table)
    return table
