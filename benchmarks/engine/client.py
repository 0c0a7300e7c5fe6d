"""Puts operations into the store and asks it about them, as it is told on its standard input."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.engine import store
from benchmarks.engine.surroundings import PAUSED, READY, Surroundings
from gateway.db import Database
from gateway.engine.doorbell import Doorbell
from gateway.models import UpgradeStatus
from gateway.statements import StatementWriter

GLANCE = 0.005
"""Seconds between two looks at the log; each takes from the processors that the worker is about to need."""

PAUSE, COUNT = 0.01, 0.5
"""Seconds between two looks whether anything is left, and between two counts while something is."""


class Client:
    def __init__(self, told: Surroundings) -> None:
        self._told = told
        self._database = Database(told.database_url)
        self._next = 0
        self._writer = StatementWriter(self._database)
        database = self._database.url.database or ""
        self._doorbell = Doorbell(Path(database)) if self._database.is_sqlite else None

    def answer(self, line: str) -> dict[str, Any]:
        asked: dict[str, Any] = json.loads(line)
        action: Callable[..., dict[str, Any]] = getattr(self, asked.pop("op"))
        return action(**asked)

    def prepare(self, resume: bool = False, paused: bool = False) -> dict[str, Any]:
        if not resume:
            self._writer.close()
            self._database.close()
            for path in [self._told.folder / READY, *self._told.folder.glob("gateway.db*")]:
                path.unlink(missing_ok=True)
            store.create(self._database)
        self._next = store.next_subscription(self._database)
        if paused:
            (self._told.folder / PAUSED).touch()
        else:
            (self._told.folder / PAUSED).unlink(missing_ok=True)
        (self._told.folder / READY).touch()
        return {"ok": True}

    def resume(self) -> dict[str, Any]:
        (self._told.folder / PAUSED).unlink(missing_ok=True)
        return {"ok": True}

    def enqueue(self, kind: str, n: int, prefix: str, start: int = 0) -> dict[str, Any]:
        before = time.monotonic_ns()
        store.enqueue(self._writer, f"{kind} {prefix} {self._next - start}", self._next, n)
        if self._doorbell is not None:
            self._doorbell.ring()
        after = time.monotonic_ns()
        self._next += n
        return {"t0": before, "t1": after}

    def latency(self, n: int, prefix: str, idle: tuple[float, float], budget: float) -> dict[str, Any]:
        deadline = time.monotonic() + budget
        calls, lost = [], 0
        for number in range(n):
            time.sleep(random.uniform(*idle))
            name = f"{prefix}{number}"
            with self._told.log.open("ab", buffering=0) as log:
                end = log.seek(0, os.SEEK_END)
                log.write(f"Q {name} {time.monotonic_ns()} 0 0\n".encode())
            times = self.enqueue("noop", 1, prefix, number)
            calls.append((times["t1"] - times["t0"]) / 1e6)
            lost += not self._wait_for_start(name, end, min(deadline, time.monotonic() + 10))
        return {"calls_ms": calls, "lost": lost}

    def _wait_for_start(self, name: str, offset: int, deadline: float) -> bool:
        wanted = f"S {name} ".encode()
        while time.monotonic() < deadline:
            time.sleep(GLANCE)
            with self._told.log.open("rb") as log:
                log.seek(offset)
                if wanted in log.read():
                    return True
        return False

    def wait_done(self, n: int, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while (done := self._done()) < n and time.monotonic() < deadline:
            # To count takes milliseconds of a processor that the worker could use.
            next_count = min(deadline, time.monotonic() + COUNT)
            time.sleep(PAUSE)
            while time.monotonic() < next_count and store.is_any_live(self._database):
                time.sleep(PAUSE)
        return {"t": time.monotonic_ns(), "n": done}

    def pending(self) -> dict[str, Any]:
        counts = store.counts(self._database)
        return {
            "pending": {
                "queued": counts.get(UpgradeStatus.PENDING, 0),
                "running": counts.get(UpgradeStatus.IN_PROGRESS, 0),
                "_done": self._done(),
            }
        }

    def _done(self) -> int:
        return store.counts(self._database).get(UpgradeStatus.COMPLETED, 0)

    def close(self) -> None:
        if self._doorbell is not None:
            self._doorbell.close()
        self._writer.close()
        self._database.close()


def main() -> int:
    client = Client(Surroundings.from_environment())
    for line in sys.stdin:
        if json.loads(line)["op"] == "quit":
            break
        print(json.dumps(client.answer(line)), flush=True)
    client.close()
    return 0
