"""Ids as callers give them: which could exist at all, and in which portions a database takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import ARRAY, ColumnElement, SQLColumnExpression, String, any_, bindparam, func, select
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


def is_text_id(key: str) -> bool:
    """Whether it can be an id in the catalog: databases choke on NUL and on half characters."""
    return 0 < len(key) <= LONGEST_TEXT_ID and is_text(key)


def is_text(value: str) -> bool:
    """Whether a database can compare with it."""
    return _NO_TEXT.search(value) is None


def is_row_id(key: int) -> bool:
    """Whether it can be the number of a row; bool is an int that nobody means as one."""
    return not isinstance(key, bool) and 0 < key <= LARGEST_ROW_ID
