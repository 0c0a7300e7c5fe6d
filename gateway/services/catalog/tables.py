"""Rows of a catalog in the database: what is there, and how to make it what it should be.

Rows are tuples of columns rather than objects of the ORM, since a catalog has half a million of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, FromClause, Table, delete, select

from gateway.db import Base
from gateway.services.catalog.bulk import insert_rows, run_among

Row = tuple[Any, ...]
Rows = dict[str, Row]
"""Rows by id."""
Children = dict[str, frozenset[Row]]
"""What hangs on each parent, by its id; parents without children may be missing."""


class MainTable(NamedTuple):
    """A table whose rows have ids of the caller and know when they were made and changed."""

    table: Table
    columns: tuple[str, ...]
    """The id comes first; the times are not among them."""

    def fetch(self, connection: Connection, ids: Collection[str]) -> Rows:
        query = select(*[self.table.c[name] for name in self.columns])
        found: Rows = {}
        for row in run_among(connection, query, self.table.c.id, ids):
            found[row[0]] = tuple(row)
        return found

    def write(self, connection: Connection, rows: Iterable[Row], now: datetime) -> None:
        """Insert rows, or update those whose id exists."""
        names = (*self.columns, "created_at", "updated_at")
        updating = (*self.columns[1:], "updated_at")
        insert_rows(connection, self.table, names, [(*row, now, now) for row in rows], updating=updating)


class ChildTable(NamedTuple):
    """A table whose rows belong to a parent, and come and go with what the catalog says of it."""

    table: Table
    parent: str
    columns: tuple[str, ...]
    """Without the parent."""

    def fetch(self, connection: Connection, parents: Collection[str]) -> Children:
        column = self.table.c[self.parent]
        query = select(column, *[self.table.c[name] for name in self.columns])
        found: dict[str, list[Row]] = {}
        for parent, *row in run_among(connection, query, column, parents):
            found.setdefault(parent, []).append(tuple(row))
        return {parent: frozenset(rows) for parent, rows in found.items()}

    def replace(
        self, connection: Connection, stored: Children, wanted: Children, parents: Collection[str]
    ) -> None:
        """Give each of these parents the children it should have."""
        outdated = [parent for parent in parents if parent in stored]
        run_among(connection, delete(self.table), self.table.c[self.parent], outdated)
        rows = [(parent, *row) for parent in parents for row in wanted.get(parent, ())]
        insert_rows(connection, self.table, (self.parent, *self.columns), rows)


class Change(NamedTuple):
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
