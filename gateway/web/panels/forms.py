"""Forms that change something: what was typed, what is wrong with it, and where that is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

from pyramid.request import Request

from gateway.services.catalog import CatalogProblem
from gateway.services.catalog.editing import ChangedMeanwhileError, InvalidEntryError
from gateway.services.catalog.errors import NOTHING
from gateway.web.sessions import CSRF_FIELD

MORE = "more"
"""The name of the button that gives a form one more row; its value names the rows."""
MOST_ROWS = 200
SEEN = "seen"
"""The field that remembers when the thing was last changed before the form was opened."""

_WITHIN = re.compile(r"(\w+)\[(\d+)\]\.(\w+)")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,12}")

Saved = TypeVar("Saved")


class Problem(NamedTuple):
    """What is wrong with one field, in the words of the page."""

    field: str
    """Name of the field; empty for what concerns the form as a whole."""
    label: str
    """Empty where the page knows what its fields are called."""
    text: str


class Form:
    """What stands in the fields, by their names, and what is wrong with some of them."""

    def __init__(self, values: Mapping[str, str] | None = None, problems: Iterable[Problem] = ()) -> None:
        self.values: Mapping[str, str] = values or {}
        self.problems = list(problems)

    def value(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def refuse(self, name: str, text: str) -> None:
        """Note what is wrong with a field; one without a name is the form as a whole."""
        self.problems.append(Problem(name, "", text))

    def problem(self, name: str) -> str:
        return ". ".join(each.text for each in self.problems if each.field == name)

    def count(self, collection: str) -> int:
        """How many rows there are of a collection whose fields are named `COLLECTION-NUMBER-MEMBER`."""
        pattern = re.compile(rf"{collection}-([0-9]{{1,4}})-\w+")
        found = [int(match[1]) for name in self.values if (match := pattern.fullmatch(name))]
        return min(max(found, default=-1) + 1, MOST_ROWS)

    def row(self, collection: str, number: int | str, members: Iterable[str]) -> dict[str, str]:
        return {member: self.value(f"{collection}-{number}-{member}") for member in members}

    def with_rows(
        self,
        collection: str,
        members: Sequence[str],
        marks: Sequence[str],
        more: Mapping[str, str] | None = None,
    ) -> Form:
        """The form without the rows of a collection in which nothing was entered, the others numbered anew.

        :param marks: the members that make a row one that counts
        :param more: the values of one more row
        """
        rows = [self.row(collection, number, members) for number in range(self.count(collection))]
        kept = [row for row in rows if any(row[mark] for mark in marks)]
        if more is not None and len(kept) < MOST_ROWS:
            kept.append(dict(more))
        others = {name: text for name, text in self.values.items() if not name.startswith(f"{collection}-")}
        numbered = {
            f"{collection}-{number}-{member}": text
            for number, row in enumerate(kept)
            for member, text in row.items()
        }
        return Form(others | numbered, self.problems)


class Refused(NamedTuple):
    """A form that was not saved, and how HTTP calls that."""

    form: Form
    status: HTTPStatus


class Labels(NamedTuple):
    """What the fields of a form are called, by the paths of the catalog."""

    names: Mapping[str, str]
    """By `member`, or by `collection.member`, where `{row}` stands for the row."""
    rows: Mapping[str, Sequence[tuple[str, str]]] = {}
    """For a collection whose rows have no numbers: the key of each row in names of fields, and its name."""

    def locate(self, problem: CatalogProblem) -> Problem:
        path, row = problem.path, ""
        if match := _WITHIN.fullmatch(problem.path):
            collection, index, member = match[1], int(match[2]), match[3]
            key, row = (
                self.rows[collection][index] if collection in self.rows else (str(index), str(index + 1))
            )
            name, path = f"{collection}-{key}-{member}", f"{collection}.{member}"
        else:
            name = problem.path.rpartition(".")[2]
        return Problem(name, self.names.get(path, path).format(row=row), in_words(problem))


def sent(request: Request) -> Form:
    """The fields that were sent, as they were typed."""
    return Form(
        {
            str(name): text
            for name, text in request.POST.items()
            if isinstance(text, str) and name != CSRF_FIELD
        }
    )


def read_form(request: Request) -> Form:
    """The same without blanks around them."""
    return Form({name: text.strip() for name, text in sent(request).values.items()})


def attempt(form: Form, labels: Labels, save: Callable[[], Saved]) -> Saved | Refused:
    """What saving gives, or the form with what speaks against it."""
    try:
        return save()
    except InvalidEntryError as exc:
        problems = map(labels.locate, exc.problems)
        return Refused(Form(form.values, problems), HTTPStatus.UNPROCESSABLE_ENTITY)
    except ChangedMeanwhileError as exc:
        return Refused(Form(form.values, [Problem("", "", str(exc))]), HTTPStatus.CONFLICT)


def sentence(error: Exception) -> str:
    """A message of a service, as a page shows it."""
    text = str(error)
    return text[:1].upper() + text[1:]


def in_words(problem: CatalogProblem) -> str:
    """Such as `found "ten", expected a whole number`."""
    if problem.value in (NOTHING, '""', "null"):
        return f"nothing entered, expected {problem.expected}"
    return f"found {problem.value}, expected {problem.expected}"


def seen_at(form: Form) -> datetime | None:
    try:
        return datetime.fromisoformat(form.value(SEEN))
    except ValueError:
        return None


def seen_value(at: datetime) -> dict[str, str]:
    return {SEEN: at.isoformat()}


def number_or_text(text: str) -> int | str:
    """A whole number where it is one; otherwise the text, for the catalog's rules to refuse by name."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def values_of(collection: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Rows as the fields of a form, numbered from 0."""
    return dict(_numbered(collection, rows))


def _numbered(collection: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for number, row in enumerate(rows):
        for member, value in row.items():
            yield f"{collection}-{number}-{member}", "" if value is None else str(value)
