"""Lists in an order that the reader chooses, in pages that begin after the last row of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, tuple_

from gateway.db import UTCDateTime
from gateway.services.keys import is_row_id, is_text
from gateway.services.paging import decode_cursor, encode_keys, invalid_cursor


class Order(NamedTuple):
    """By which columns a list goes; the last one is unique, so that no two rows are in the same place."""

    name: str
    columns: tuple[ColumnElement[Any], ...]
    descending: bool = False

    def apply(self, query: Select[Any], cursor: str | None) -> Select[Any]:
        """The query in this order, from behind the row that the cursor names.

        :raises InvalidCursorError: if the cursor is none of a list in this order
        """
        if (keys := self.last(cursor)) is not None:
            place = tuple_(*self.columns)
            last = tuple_(*keys)
            query = query.where(place < last if self.descending else place > last)
        return query.order_by(*[each.desc() if self.descending else each for each in self.columns])

    def last(self, cursor: str | None) -> Sequence[Any] | None:
        """What the row that the cursor names has in the columns of the order.

        :raises InvalidCursorError: if the cursor is none of a list in this order
        """
        return None if cursor is None else self._read(cursor)

    def cursor_at(self, row: Row[Any]) -> str:
        """Names a row of the list, which begins with the columns of the order."""
        keys = [_written(row[index]) for index in range(len(self.columns))]
        return encode_keys([self._label, *keys])

    @property
    def _label(self) -> str:
        return f"-{self.name}" if self.descending else self.name

    def _read(self, cursor: str) -> Sequence[object]:
        label, *keys = decode_cursor(cursor) or [None]
        if label != self._label or len(keys) != len(self.columns):
            raise invalid_cursor(cursor)
        return [
            _checked(
                key, datetime if isinstance(column.type, UTCDateTime) else column.type.python_type, cursor
            )
            for key, column in zip(keys, self.columns, strict=True)
        ]


def _written(key: object) -> object:
    return key.isoformat() if isinstance(key, datetime) else key


def _checked(key: object, wanted: type, cursor: str) -> object:
    """What a browser sends back may be anything."""
    if wanted is datetime and isinstance(key, str):
        try:
            at = datetime.fromisoformat(key)
        except ValueError:
            raise invalid_cursor(cursor) from None
        if at.tzinfo is not None:
            return at
    elif (wanted is int and isinstance(key, int) and is_row_id(key)) or (
        wanted is str and isinstance(key, str) and is_text(key)
    ):
        return key
    raise invalid_cursor(cursor)
