"""Heads of columns by which a list can be sorted: plain links."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

Sort = TypeVar("Sort", bound=enum.Enum)


class Head(NamedTuple):
    url: str
    """Sorts by this column, or the other way round where the list is sorted by it already."""
    direction: str
    """As `aria-sort` has it; empty where the list goes by another column."""


def asked_sort(sorts: type[Sort], text: object, default: str) -> tuple[Sort, bool]:
    """What `sort` of an address means, and whether it goes down; what makes no sense is the default."""
    for each in (text, default):
        name = str(each).removeprefix("-")
        for sort in sorts:
            if sort.value == name:
                return sort, str(each).startswith("-")
    raise ValueError(f"default {default!r} is no sort; expected one of {[sort.value for sort in sorts]}")


def heads(
    sorts: Iterable[enum.Enum], current: enum.Enum, descending: bool, url: Callable[[str], str]
) -> dict[str, Head]:
    """:param url: makes the address of the list out of what `sort` shall be"""
    found = {}
    for sort in sorts:
        is_current = sort is current
        direction = ("descending" if descending else "ascending") if is_current else ""
        reverse = is_current and not descending
        found[str(sort.value)] = Head(url(f"-{sort.value}" if reverse else str(sort.value)), direction)
    return found
