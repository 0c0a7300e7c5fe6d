"""Ids as callers give them: which could exist at all, and in which portions a database takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

CHUNK = 5_000
"""Ids in one statement; both databases take far more parameters than that."""

LONGEST_TEXT_ID = 100
LARGEST_ROW_ID = 2**31 - 1

Item = TypeVar("Item")


def chunks(items: Sequence[Item], size: int = CHUNK) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def is_text_id(key: str) -> bool:
    """Whether it can be an id in the catalog: databases choke on NUL and on half characters."""
    return 0 < len(key) <= LONGEST_TEXT_ID and is_text(key)


def is_text(value: str) -> bool:
    """Whether a database can compare with it."""
    return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def is_row_id(key: int) -> bool:
    """Whether it can be the number of a row; bool is an int that nobody means as one."""
    return not isinstance(key, bool) and 0 < key <= LARGEST_ROW_ID
