"""From a JSON document to a catalog whose every value has the right form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from gateway.services.catalog.entries import (
    PATTERN_WORDS,
    AccountEntry,
    Catalog,
    InstanceEntry,
    PlanEntry,
    SubscriptionEntry,
    TemplateEntry,
)
from gateway.services.catalog.errors import Problems

CHUNK = 5_000
"""Entries that are checked at a time, between two reports of progress."""

Progress = Callable[[str, int, int], None]

_LATER = ConfigDict(defer_build=True)

_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "application_instances": TypeAdapter(list[InstanceEntry], config=_LATER),
    "accounts": TypeAdapter(list[AccountEntry], config=_LATER),
    "service_templates": TypeAdapter(list[TemplateEntry], config=_LATER),
    "service_plans": TypeAdapter(list[PlanEntry], config=_LATER),
    "subscriptions": TypeAdapter(list[SubscriptionEntry], config=_LATER),
}

COLLECTIONS = tuple(_ADAPTERS)

_WORDS: dict[str, str] = {
    "bool_type": "true or false",
    "dataclass_type": "an object",
    "int_type": "a whole number",
    "list_type": "a list",
    "string_type": "text",
    "string_unicode": "text of whole characters",
    "unexpected_keyword_argument": "no such member",
}


def read_document(document: object, progress: Progress) -> Catalog:
    """:raises CatalogError: with every value that has the wrong form, and every id that is given twice"""
    problems = Problems()
    if not isinstance(document, dict):
        problems.add("", document, "an object with the collections " + ", ".join(COLLECTIONS))
        problems.raise_if_any()
    assert isinstance(document, dict)
    for name in [name for name in document if name not in _ADAPTERS]:
        problems.add(str(name), document[name], "one of the collections " + ", ".join(COLLECTIONS))
    read = {name: _read_collection(name, document.get(name, []), problems, progress) for name in COLLECTIONS}
    problems.raise_if_any()
    return Catalog(**read)


def _read_collection(name: str, values: object, problems: Problems, progress: Progress) -> dict[str, Any]:
    if not isinstance(values, list):
        problems.add(name, values, "a list")
        return {}
    entries: dict[str, Any] = {}
    for start in range(0, len(values), CHUNK):
        chunk = values[start : start + CHUNK]
        try:
            read = _ADAPTERS[name].validate_python(chunk)
        except ValidationError as exc:
            _add_errors(name, start, exc, problems)
        else:
            _add_entries(name, start, read, entries, problems)
        progress(f"checking {name}", min(start + CHUNK, len(values)), len(values))
    return entries


def _add_entries(
    name: str, start: int, read: Iterable[Any], entries: dict[str, Any], problems: Problems
) -> None:
    for index, entry in enumerate(read, start):
        if entry.id in entries:
            problems.add(f"{name}[{index}].id", entry.id, f"an id that no other of the {name} has")
        entries[entry.id] = entry


def _add_errors(name: str, start: int, error: ValidationError, problems: Problems) -> None:
    for details in error.errors(include_url=False):
        index, *inner = details["loc"]
        path = f"{name}[{start + int(index)}]" + "".join(map(_step, inner))
        if details["type"] == "missing":
            problems.add_missing(path, "a value")
        else:
            problems.add(path, details["input"], _expected(details))


def _step(part: int | str) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{part}"


def _expected(details: ErrorDetails) -> str:
    """What was expected, in the words of a person rather than of a library."""
    kind, context = details["type"], details.get("ctx", {})
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _BOUNDS:
        return _BOUNDS[kind](context)
    return re.sub(r"^\w+ should (be|have) ", "", details["msg"])


_BOUNDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda context: f"{context['ge']} or more",
    "less_than_equal": lambda context: f"{context['le']} or less",
    "string_too_long": lambda context: f"at most {context['max_length']} characters",
    "string_pattern_mismatch": lambda context: PATTERN_WORDS[context["pattern"]],
    "string_too_short": lambda context: "text that is not empty",
}
