"""Lists in pages, by the key of the last item instead of an offset that moves under the reader."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from gateway.services.errors import InvalidCursorError, InvalidLimitError
from gateway.services.keys import is_row_id, is_text_id

DEFAULT_LIMIT = 50
MAXIMUM_LIMIT = 500

Item = TypeVar("Item")


class Page(NamedTuple, Generic[Item]):
    """Some items of a list; `next_cursor` asks for the ones after them and is None at the end."""

    items: list[Item]
    next_cursor: str | None


def page_of(found: Sequence[Item], limit: int, key: Callable[[Item], str | int]) -> Page[Item]:
    """Make a page of what a query found that asked for one item more than the limit."""
    items = list(found[:limit])
    return Page(items, encode_cursor(key(items[-1])) if len(found) > limit else None)


def checked_limit(limit: int) -> int:
    """:raises InvalidLimitError: if it is not between 1 and 500"""
    if not 1 <= limit <= MAXIMUM_LIMIT:
        raise InvalidLimitError(f"limit {limit} is out of range; expected 1 to {MAXIMUM_LIMIT}")
    return limit


def encode_cursor(key: str | int) -> str:
    """Wrap the sort key of the last item of a page."""
    return encode_keys([key])


def encode_keys(keys: Sequence[object]) -> str:
    return urlsafe_b64encode(json.dumps(keys, separators=(",", ":")).encode()).decode().rstrip("=")


def text_cursor(cursor: str | None) -> str | None:
    """:raises InvalidCursorError: if it is none of a list that is sorted by text"""
    if cursor is None:
        return None
    key = _decode(cursor)
    if not isinstance(key, str) or not is_text_id(key):
        raise invalid_cursor(cursor)
    return key


def row_cursor(cursor: str | None) -> int | None:
    """:raises InvalidCursorError: if it is none of a list that is sorted by row number"""
    if cursor is None:
        return None
    key = _decode(cursor)
    if not isinstance(key, int) or not is_row_id(key):
        raise invalid_cursor(cursor)
    return key


def decode_cursor(cursor: str) -> list[object]:
    """What `encode_keys` wrapped, as far as that can be told.

    :raises InvalidCursorError: if it has another form
    """
    try:
        parts = json.loads(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except ValueError:  # Not ASCII, not base64, not UTF-8 or not JSON.
        raise invalid_cursor(cursor) from None
    except RecursionError:
        raise invalid_cursor(cursor) from None
    if not isinstance(parts, list) or encode_keys(parts) != cursor:
        raise invalid_cursor(cursor)
    return parts


def _decode(cursor: str) -> object:
    parts = decode_cursor(cursor)
    if len(parts) != 1:
        raise invalid_cursor(cursor)
    return parts[0]


def invalid_cursor(cursor: str) -> InvalidCursorError:
    return InvalidCursorError(f"cursor {cursor[:40]!r} is not one that this list gave out")
