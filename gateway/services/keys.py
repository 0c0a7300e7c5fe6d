"""Ids as callers give them: which could exist at all, and in which portions a database takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    SQLColumnExpression,
    String,
    any_,
    bindparam,
    func,
    null,
    select,
)
from sqlalchemy.orm import Session

CHUNK = 5_000
"""Ids in one statement; both databases take far more parameters than that."""

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")

LONGEST_TEXT_ID = 100
LARGEST_ROW_ID = 2**31 - 1

Item = TypeVar("Item")


def chunks(items: Sequence[Item], size: int = CHUNK) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def among(db: Session, column: SQLColumnExpression[str], keys: Collection[str]) -> ColumnElement[bool]:
    """Whether the column has one of these values, which are one parameter, however many they are."""
    if db.get_bind().dialect.name == "postgresql":
        return column == any_(bindparam(None, list(keys), type_=ARRAY(String)))
    listed = func.json_each(json.dumps(list(keys))).table_valued("value")
    return column.in_(select(listed.c.value))


class Listed(NamedTuple):
    """The columns of a table that is made of one parameter, or of two."""

    key: ColumnElement[str]
    place: ColumnElement[int]
    """In the list, from 0."""
    number: ColumnElement[Any]


def listed(db: Session, keys: Sequence[str], numbers: Sequence[int | None] | None = None) -> Listed:
    """Keys as a table that a statement selects from, however many they are.

    :param numbers: one that belongs to each key; null when there are none
    """
    if db.get_bind().dialect.name == "postgresql":
        texts = bindparam(None, list(keys), type_=ARRAY(String))
        integers = bindparam(None, list(numbers or ()), type_=ARRAY(Integer))
        table = (
            func.unnest(texts, integers)
            .table_valued("key", "number", with_ordinality="place")
            .render_derived()
        )
        return Listed(table.c.key, table.c.place - 1, table.c.number)
    if numbers is None:
        table = func.json_each(json.dumps(list(keys))).table_valued("key", "value")
        return Listed(table.c.value, table.c.key, null())
    table = func.json_each(json.dumps(list(zip(keys, numbers, strict=True)))).table_valued("key", "value")
    key, number = (func.json_extract(table.c.value, path) for path in ("$[0]", "$[1]"))
    return Listed(key, table.c.key, number)


def is_text_id(key: str) -> bool:
    """Whether it can be an id in the catalog: databases choke on NUL and on half characters."""
    return 0 < len(key) <= LONGEST_TEXT_ID and is_text(key)


def is_text(value: str) -> bool:
    """Whether a database can compare with it."""
    return _NO_TEXT.search(value) is None


def is_row_id(key: int) -> bool:
    """Whether it can be the number of a row; bool is an int that nobody means as one."""
    return not isinstance(key, bool) and 0 < key <= LARGEST_ROW_ID
