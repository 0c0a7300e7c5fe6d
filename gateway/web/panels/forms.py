"""Forms that keep what was typed, and say beside a field what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyramid.request import Request


@dataclass
class Form:
    """What stands in the fields, and what is wrong with some of them."""

    values: Mapping[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    """By the name of the field; the empty name is for the form as a whole."""

    def value(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)


def sent(request: Request) -> Form:
    """The fields of a POST, as text."""
    return Form({name: str(value) for name, value in request.POST.items()})


def sentence(error: Exception) -> str:
    """A message of a service, as a page shows it."""
    text = str(error)
    return text[:1].upper() + text[1:]
