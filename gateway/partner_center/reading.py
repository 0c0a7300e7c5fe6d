"""Tolerant reading of Microsoft's JSON: names in any case, numbers as text, enumerations in any spelling."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

EnumT = TypeVar("EnumT", bound=Enum)

_FRACTION = re.compile(r"\.(\d+)")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
MAX_DESCRIPTION = 1024
_JSON_WEB_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w.-]+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_LARGEST_NUMBER = 2**31 - 1
"""Beyond what any count of seats or code is, and within what every database can hold."""


class UnreadableError(Exception):
    """An answer that cannot be what was asked for; it never leaves the package."""


def parse_json(body: bytes) -> Any:
    """The value in a body, whatever Unicode encoding it has and with or without a byte order mark.

    :raises UnreadableError: if it is not JSON
    """
    try:
        return json.loads(body, parse_constant=_refuse_number, parse_float=_finite)
    except (ValueError, RecursionError):
        # Not chained: the cause may quote the body, and the body may hold a token.
        raise UnreadableError(f"expected JSON, got {len(body)} bytes of something else") from None


def parse_record(body: bytes) -> Record:
    value = parse_json(body)
    if not isinstance(value, dict):
        raise UnreadableError(f"expected a JSON object, got {_kind(value)}")
    return Record(value)


def _refuse_number(text: str) -> float:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _kind(value: object) -> str:
    return type(value).__name__


def clean(text: str) -> str:
    """Text that every database and log can take: no lone surrogates, no NUL, no blanks around it."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "").strip()


def snake(text: str) -> str:
    """One spelling for `UpgradeOnly`, `upgrade_only` and `Upgrade only`."""
    return re.sub(r"[\W_]+", "_", _WORD_START.sub("_", clean(text))).strip("_").lower()


def printable(text: str, secrets: tuple[str, ...]) -> str:
    """Text of a server made fit for messages and logs: one line, not endless, no secret, no token."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    short = _JSON_WEB_TOKEN.sub("***", text).strip()[:MAX_DESCRIPTION]
    return "".join(character if character.isprintable() else " " for character in short)


def is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None


def same_id(a: str, b: str) -> bool:
    """Whether two identifiers are one; Microsoft writes them in both cases."""
    return a.strip().casefold() == b.strip().casefold()


class Record:
    """A JSON object read without regard to the case of its names.

    A field that is not there gives the default; one of a wrong type is an UnreadableError where a wrong
    value would mislead (numbers, collections), and counts as not there elsewhere.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self._names: dict[str, str] = {}
        for name in raw:
            self._names.setdefault(name.casefold(), name)

    def value(self, name: str) -> Any:
        """The value as it stands, or None."""
        if name in self.raw:
            return self.raw[name]
        return self.raw.get(self._names.get(name.casefold(), name))

    def has(self, name: str) -> bool:
        return self.value(name) is not None

    def text(self, name: str, default: str = "") -> str:
        value = self.value(name)
        if isinstance(value, str):
            return clean(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return default

    def required_text(self, name: str) -> str:
        if not (text := self.text(name)):
            raise UnreadableError(f"{name} is missing")
        return text

    def word(self, name: str, by_number: Mapping[int, str] | None = None) -> str:
        """An enumeration value as snake_case; Microsoft sends some of them as numbers."""
        text = self.text(name)
        if by_number and is_integer(text):
            return by_number.get(int(text), text)
        return snake(text)

    def number(self, name: str) -> int | None:
        """A whole number, or None when there is none.

        :raises UnreadableError: if there is something else
        """
        value = self.value(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and is_integer(value.strip()):
            value = int(value)
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not is_whole or abs(value) > _LARGEST_NUMBER:
            raise UnreadableError(f"{name}: expected a whole number, got {_kind(value)}")
        return int(value)

    def count(self, name: str) -> int:
        """A number of seats; 0 when it is not there."""
        return self.number(name) or 0

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.value(name)
        if isinstance(value, str):
            return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), default)
        return bool(value) if isinstance(value, bool | int) else default

    def moment(self, name: str) -> datetime | None:
        return parse_moment(self.text(name))

    def record(self, name: str) -> Record:
        """The object of that name, or an empty one."""
        value = self.value(name)
        return Record(value if isinstance(value, dict) else {})

    def records(self, name: str) -> list[Record]:
        """The list of objects of that name; empty when it is not there.

        :raises UnreadableError: if it is something else, or holds something else
        """
        value = self.value(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise UnreadableError(f"{name}: expected a list of objects, got {_kind(value)}")
        return [Record(item) for item in value]

    def texts(self, name: str) -> tuple[str, ...]:
        """The list of texts of that name; empty when it is not there.

        :raises UnreadableError: if it is something else, or holds something else
        """
        value = self.value(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UnreadableError(f"{name}: expected a list of texts, got {_kind(value)}")
        return tuple(clean(item) for item in value)


def parse_moment(text: str) -> datetime | None:
    """An ISO 8601 time with 0 to 7 (or more) fraction digits as aware UTC, or None.

    Without an offset it is UTC, as everything that Microsoft sends.
    """
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(lambda match: f".{match[1][:6]:0<6}", text))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_member(enumeration: type[EnumT], word: str, unknown: EnumT) -> EnumT:
    """The member with that value, or `unknown` for one that Microsoft added since."""
    try:
        return enumeration(word)
    except ValueError:
        return unknown


def items(answer: Record, *keys: str) -> list[Record]:
    """The members of a collection.

    An answer without the collection is refused, lest garbage be taken for "there are none".

    :raises UnreadableError: if the collection is missing or is something else
    """
    for key in keys or ("items",):
        if answer.has(key):
            return answer.records(key)
    if answer.number("totalCount") == 0:
        return []
    raise UnreadableError(f"expected a collection under {' or '.join(keys or ('items',))}, got none")
