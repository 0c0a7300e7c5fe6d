"""What is wrong with a Settings.config, told so that it can be repaired, and never telling a secret."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.errors import GatewayError

HIDDEN = "(hidden)"
"""Stands wherever a secret would."""

MAX_PROBLEMS = 200
"""Beyond so many the file is hardly meant to be a Settings.config, and a log should not be filled with it."""

MAX_SHOWN = 80
"""Characters shown of a value."""


class Problem(NamedTuple):
    """One thing that is wrong in one file."""

    file: str
    line: int | None
    key: str
    value: str
    """As found; empty when there is none, "(hidden)" when it is or may be a secret."""
    allowed: str
    """What would have been right: the words after "expected"."""
    fault: str = ""
    """What is wrong, where the value alone does not say it."""
    column: int | None = None

    def __str__(self) -> str:
        place = printable(self.file)
        if self.line is not None:
            place += f", line {self.line}"
        if self.column is not None:
            place += f", column {self.column}"
        fault = self.fault or f'is "{self.value}"'
        return f"{place}: {printable(f'{self.key} {fault}')}; expected {printable(self.allowed)}"


class SettingsError(GatewayError):
    """The settings are refused as a whole; one line of the message for each problem."""

    code = "invalid_settings"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[SettingsError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class Findings:
    """Collects what is found while the files are read, so that everything is told at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def add(self, problem: Problem) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def warn(self, text: str) -> None:
        if len(self.warnings) < MAX_PROBLEMS:
            self.warnings.append(printable(text))


def printable(text: str) -> str:
    """The text on one line: what cannot be printed is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shortened(text: str) -> str:
    """A value as a message shows it: on one line, and not all of a long one."""
    text = printable(text)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
