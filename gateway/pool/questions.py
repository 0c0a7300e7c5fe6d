"""Questions to the workers whose answers somebody waits for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gateway.pool.pool import ApplicationPool
from gateway.pool.timers import Timers

PATIENCE_SECONDS = 2.0
"""A worker that has not answered by then is left out."""

Answers = dict[int, dict[str, Any]]
"""What workers said, by their serial numbers."""


@dataclass
class _Question:
    awaited: set[int]
    tell: Callable[[Answers], None]
    answers: Answers = field(default_factory=dict)


class Questions:
    """Asks every worker for its requests, and tells what came back; for the supervisor's loop."""

    def __init__(self, pool: ApplicationPool, timers: Timers) -> None:
        self._pool = pool
        self._timers = timers
        self._numbers = itertools.count(1)
        self._open: dict[int, _Question] = {}

    def ask(self, tell: Callable[[Answers], None]) -> None:
        """Call `tell`, once, with what the workers answered in time."""
        number = next(self._numbers)
        self._open[number] = _Question({worker.serial for worker in self._pool.workers}, tell)
        for worker in self._pool.workers:
            worker.send("requests", id=number)
        self._timers.after(PATIENCE_SECONDS, partial(self._close, number))
        self._close_if_complete(number)

    def on_report(self, serial: int, report: dict[str, Any]) -> None:
        question = self._open.get(report.get("id", 0)) if report.get("report") == "requests" else None
        if question is not None:
            question.answers[serial] = report
            question.awaited.discard(serial)
            self._close_if_complete(report["id"])

    def on_exit(self, serial: int) -> None:
        """A worker ended: it will not answer."""
        for number, question in list(self._open.items()):
            question.awaited.discard(serial)
            self._close_if_complete(number)

    def _close_if_complete(self, number: int) -> None:
        question = self._open.get(number)
        if question is not None and not question.awaited:
            self._close(number)

    def _close(self, number: int) -> None:
        question = self._open.pop(number, None)
        if question is not None:
            question.tell(question.answers)
