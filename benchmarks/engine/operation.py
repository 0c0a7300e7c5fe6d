"""What takes the place of the conversation with Microsoft: two lines in a log, and sleep between them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from benchmarks.engine.names import STANDARD, number_of
from gateway.engine.context import EngineContext, Work
from gateway.engine.outcome import Outcome
from gateway.models import UpgradeStatus


class Operation:
    """The one step of each upgrade. It begins as the first one of production does: with its claim, or with
    the end of the upgrade in whose place it comes, while its claim is being committed.

    The log is the world outside, as Microsoft is: what stands there has happened. An operation that was
    begun by a process that died is therefore looked for before it is started: with a first line it has
    arrived, and only its end is waited for.
    """

    def __init__(self, log: Path, sleep_seconds: float) -> None:
        self._before = _read(log)
        self._log = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        self._sleep_seconds = sleep_seconds

    def __call__(self, work: Work, _ctx: EngineContext) -> Outcome:
        kind, prefix, first = (work.upgrade.source_offer_id or "").split()
        name = f"{prefix}{number_of(work.upgrade.subscription_id) - int(first)}"
        began, ended = self._before.get(name, (None, False))
        if began is None:
            began = self._write("S", name)
        if not ended:
            left = began / 1e9 + self._sleep_seconds - time.monotonic()
            if kind == "sleep" and left > 0:
                time.sleep(left)
            self._write("E", name)
        return Outcome(event="completed", finish=UpgradeStatus.COMPLETED, changes=_BOUGHT)

    def _write(self, letter: str, name: str) -> int:
        now = time.monotonic_ns()
        os.write(self._log, f"{letter} {name} {now} {os.getpid()} {threading.get_ident()}\n".encode())
        return now


_BOUGHT = {"quantity": 5, "target_offer_id": f"{STANDARD}"}


def _read(log: Path) -> dict[str, tuple[int, bool]]:
    """When each operation began, and whether it ended, by what earlier processes wrote."""
    found: dict[str, tuple[int, bool]] = {}
    if log.exists():
        for line in log.read_text().splitlines():
            letter, name, at, *_ = line.split()
            if letter == "S":
                found[name] = int(at), False
            elif letter == "E" and name in found:
                found[name] = found[name][0], True
    return found
