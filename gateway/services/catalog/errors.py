"""What is wrong with a catalog, and where."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from gateway.errors import GatewayError

MOST_PROBLEMS = 100
"""So many are told at once; whoever has more learns nothing from the rest."""

NOTHING = "nothing"
_LONGEST_VALUE = 80


class CatalogProblem(NamedTuple):
    """One thing to put right."""

    path: str
    """Where it is, such as `subscriptions[17].resources[2].limit`; empty for the document as a whole."""
    value: str
    """What is there, as JSON and abbreviated, or `nothing`."""
    expected: str

    def __str__(self) -> str:
        return f"{self.path or 'the document'}: found {self.value}, expected {self.expected}"


class CatalogError(GatewayError):
    """A catalog that is not imported, with everything that is wrong with it."""

    code = "invalid_catalog"

    def __init__(self, message: str, problems: Iterable[CatalogProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class Problems:
    """Gathers what is wrong, until it is enough."""

    def __init__(self) -> None:
        self._found: list[CatalogProblem] = []

    def add(self, path: str, value: object, expected: str) -> None:
        """:raises CatalogError: with what was gathered, once there is no use in gathering more"""
        self.add_missing(path, expected, shown(value))

    def add_missing(self, path: str, expected: str, value: str = NOTHING) -> None:
        self._found.append(CatalogProblem(path, value, expected))
        if len(self._found) == MOST_PROBLEMS:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """:raises CatalogError: if anything was found"""
        if not self._found:
            return
        count = len(self._found)
        words = "1 problem" if count == 1 else f"{count} problems"
        if count == MOST_PROBLEMS:
            words = f"{count} problems or more"
        raise CatalogError(f"the catalog has {words}; {self._found[0]}", self._found)


def shown(value: object) -> str:
    """A value as a person recognises it: JSON, cut where it gets long."""
    if isinstance(value, dict):
        return f"an object with {len(value)} members"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        value = value[:_LONGEST_VALUE] + "…"
    try:
        text = json.dumps(value, default=repr)
    except ValueError:  # A number of thousands of digits is not written out.
        return "a number out of range"
    return text if len(text) <= _LONGEST_VALUE * 2 else text[:_LONGEST_VALUE] + "…"
