"""The kinds of values a setting can have: how text is read, what is allowed, how a value is written.

A kind stands in the annotation of a model's field, `Annotated[int, WholeNumber(1, 10)]`, so that the model is
the one table which reader, messages and manual go by; pydantic asks the kind too, for values made elsewhere.
"""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Any

from pydantic import GetCoreSchemaHandler, SecretStr
from pydantic_core import CoreSchema, core_schema

from gateway.settings.errors import HIDDEN

_SPAN = re.compile(
    r"(?:(?P<days>[0-9]{1,6})\.)?(?P<hours>[0-9]{1,6}):(?P<minutes>[0-5][0-9]):(?P<seconds>[0-5][0-9])"
)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")


class Kind:
    """What a setting's text may be."""

    may_be_empty = False
    """Whether an empty text is a value, and not a mistake."""

    @property
    def allowed(self) -> str:
        """The words after "expected"."""
        raise NotImplementedError

    def parse(self, text: str) -> Any:
        """The value of a text.

        :raises ValueError: when it is none; the message is of no use, `allowed` says it better
        """
        raise NotImplementedError

    def check(self, value: Any) -> Any:
        """The value itself.

        :raises ValueError: when it is out of range
        """
        return value

    def show(self, value: Any) -> str:
        """The value as an administrator writes it, or "(hidden)"."""
        return str(value)

    def reveal(self, text: str) -> str:
        """As much of a wrong text as a message may show."""
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


class WholeNumber(Kind):
    """A whole number within bounds, both of them allowed."""

    def __init__(self, minimum: int, maximum: int) -> None:
        self.minimum = minimum
        self.maximum = maximum

    @property
    def allowed(self) -> str:
        if self.minimum == self.maximum:
            return str(self.minimum)
        return f"a whole number from {self.minimum} to {self.maximum}"

    def parse(self, text: str) -> int:
        return self.check(int(_matched(_WHOLE, text)[0]))

    def check(self, value: int) -> int:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"expected {self.allowed}")
        return value


class Number(Kind):
    """A number within bounds; of the lower one it is said whether it is allowed itself."""

    def __init__(self, minimum: float, maximum: float, *, above: bool = False) -> None:
        self.minimum = minimum
        self.maximum = maximum
        self.above = above

    @property
    def allowed(self) -> str:
        if self.above:
            return f"a number above {self.show(self.minimum)}, up to {self.show(self.maximum)}"
        return f"a number from {self.show(self.minimum)} to {self.show(self.maximum)}"

    def parse(self, text: str) -> float:
        return self.check(float(_matched(_DECIMAL, text)[0]))

    def check(self, value: float) -> float:
        if not self.minimum <= value <= self.maximum or (self.above and value == self.minimum):
            raise ValueError(f"expected {self.allowed}")
        return value

    def show(self, value: float) -> str:
        return str(int(value)) if value == int(value) else repr(value)


class Flag(Kind):
    """true or false."""

    @property
    def allowed(self) -> str:
        return "true or false"

    def parse(self, text: str) -> bool:
        return {"true": True, "false": False}[_one_of(("true", "false"), text)]

    def show(self, value: bool) -> str:
        return "true" if value else "false"


class Choice(Kind):
    """One of some words, written in any case."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    @property
    def allowed(self) -> str:
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def parse(self, text: str) -> str:
        return _one_of(self.words, text)


class Span(Kind):
    """A time span within bounds, written `[d.]hh:mm:ss` as in IIS."""

    def __init__(self, minimum: timedelta, maximum: timedelta) -> None:
        self.minimum = minimum
        self.maximum = maximum

    @property
    def allowed(self) -> str:
        bounds = f"from {format_span(self.minimum)} to {format_span(self.maximum)}"
        return f"a time span [d.]hh:mm:ss {bounds}"

    def parse(self, text: str) -> timedelta:
        return self.check(parse_span(text))

    def check(self, value: timedelta) -> timedelta:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"expected {self.allowed}")
        return value

    def show(self, value: timedelta) -> str:
        return format_span(value)


class TimeOfDay(Kind):
    """A local time of day, to the second."""

    @property
    def allowed(self) -> str:
        return "a time of day hh:mm:ss from 00:00:00 to 23:59:59"

    def parse(self, text: str) -> time:
        hours, minutes, seconds = _matched(_TIME, text).groups()
        return time(int(hours), int(minutes), int(seconds))


class Schedule(Kind):
    """Times of day, each an `<add value="hh:mm:ss">` of its own: never read from one text."""

    @property
    def allowed(self) -> str:
        return '<add value="hh:mm:ss" /> for each time of day'

    def show(self, value: tuple[time, ...]) -> str:
        return ", ".join(each.isoformat() for each in value)


class Text(Kind):
    """A text that matches a pattern."""

    def __init__(self, words: str, pattern: str) -> None:
        self.words = words
        self.pattern = pattern

    @property
    def allowed(self) -> str:
        return self.words

    def parse(self, text: str) -> str:
        return _matched(re.compile(self.pattern), text)[0]


class CountryCode(Kind):
    """Two letters, kept in upper case."""

    @property
    def allowed(self) -> str:
        return "the two letters of a country, such as US"

    def parse(self, text: str) -> str:
        return _matched(re.compile("[A-Za-z]{2}"), text)[0].upper()


class Secret(Kind):
    """Anything at all, taken as it is and never shown."""

    @property
    def allowed(self) -> str:
        return "a secret"

    def parse(self, text: str) -> SecretStr:
        return SecretStr(text)

    def show(self, _value: SecretStr) -> str:
        return HIDDEN

    def reveal(self, _text: str) -> str:
        return HIDDEN


def parse_span(text: str) -> timedelta:
    """A time span from `[d.]hh:mm:ss`; without days there may be more than 23 hours.

    :raises ValueError: when the text is none
    """
    parts = {name: int(number or 0) for name, number in _matched(_SPAN, text).groupdict().items()}
    if "." in text and parts["hours"] > 23:
        raise ValueError("with days there are 23 hours at most")
    return timedelta(**parts)


def format_span(span: timedelta) -> str:
    """The span as `[d.]hh:mm:ss`, with a fraction of the second only where there is one."""
    minutes, seconds = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{span.days}." if span.days else ""
    fraction = f".{span.microseconds:06}" if span.microseconds else ""
    return f"{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}"


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text.strip())
    if match is None:
        raise ValueError("the text does not have the form")
    return match


def _one_of(words: tuple[str, ...], text: str) -> str:
    for word in words:
        if word.casefold() == text.strip().casefold():
            return word
    raise ValueError("the text is none of the words")
