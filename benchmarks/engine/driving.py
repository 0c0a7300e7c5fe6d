"""Runs one workload with processes of its own, and reads what happened from the log."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SLOTS, SLEEP = 10, 0.05


@dataclass(frozen=True)
class Engine:
    """How to start one engine that speaks the protocol."""

    name: str
    command: Sequence[str] = (sys.executable, "-m", "benchmarks.engine")
    environment: dict[str, str] = field(default_factory=dict)

    def within(self, surroundings: dict[str, str]) -> Engine:
        return replace(self, environment={**self.environment, **surroundings})


class Stage:
    """One folder, one client, and workers that come and go."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self.log = folder / "log"
        self.log.touch()
        self._environment = {
            **os.environ,
            "BENCH_DIR": str(folder),
            "BENCH_LOG": str(self.log),
            "BENCH_SLOTS": str(SLOTS),
            "BENCH_SLEEP_MS": str(SLEEP * 1000),
            **engine.environment,
        }
        self._client = self._start("client", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._worker: subprocess.Popen[str] | None = None
        self.cpu_seconds = 0.0

    def _start(self, role: str, **how: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._engine.command, role], env=self._environment, start_new_session=True, **how
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        self._client.stdin.write(json.dumps(question) + "\n")
        self._client.stdin.flush()
        answer: dict[str, Any] = json.loads(self._client.stdout.readline())
        return answer

    def start_worker(self) -> None:
        self._worker = self._start("worker", stdout=subprocess.DEVNULL)

    def end_worker(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the whole group, and count the time on a processor that it took."""
        if self._worker is None:
            return
        os.killpg(self._worker.pid, number)
        _, status, usage = os.wait4(self._worker.pid, 0)
        self._worker.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds += usage.ru_utime + usage.ru_stime
        self._worker = None

    def close(self) -> None:
        self.end_worker()
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        self._client.stdin.write('{"op": "quit"}\n')
        self._client.stdin.close()
        self._client.wait(20)
        self._client.stdout.close()

    def lines(self, letter: str, prefix: str) -> dict[str, list[int]]:
        """The moments at which each operation of the prefix began (`S`) or ended (`E`)."""
        found: dict[str, list[int]] = {}
        for line in self.log.read_text().splitlines():
            kind, name, at, *_ = line.split()
            if kind == letter and name.rstrip("0123456789") == prefix:
                found.setdefault(name, []).append(int(at))
        return found

    def wait_for_lines(self, letter: str, prefix: str, count: int, within: float) -> None:
        deadline = time.monotonic() + within
        while len(self.lines(letter, prefix)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} lines {letter} {prefix} did not come in {within} s")
            time.sleep(0.01)

    def warm_up(self) -> None:
        """Let the worker carry out a few, so that all it needs is loaded."""
        self.start_worker()
        self.ask(op="enqueue", kind="noop", n=3 * SLOTS, prefix="w")
        self.ask(op="wait_done", n=3 * SLOTS, timeout=30)
        time.sleep(0.3)


@contextmanager
def stage(engine: Engine, folder: Path) -> Iterator[Stage]:
    made = Stage(engine, folder)
    try:
        yield made
    finally:
        made.close()


def sleeping(engine: Engine, folder: Path, count: int = 1000) -> dict[str, float]:
    """W1: operations of 50 ms, into a warm engine."""
    with stage(engine, folder) as on:
        on.ask(op="prepare")
        on.warm_up()
        on.ask(op="enqueue", kind="sleep", n=count, prefix="j")
        done = on.ask(op="wait_done", n=count + 3 * SLOTS, timeout=60)
        on.end_worker()
        figures = {"done": done["n"] - 3 * SLOTS, "cpu_ms": on.cpu_seconds / count * 1e3}
        return _spread(on, "j", count) | figures


def _spread(on: Stage, prefix: str, count: int) -> dict[str, float]:
    began, ended = on.lines("S", prefix), on.lines("E", prefix)
    seconds = (max(map(max, ended.values())) - min(map(min, began.values()))) / 1e9
    return {
        "seconds": seconds,
        "efficiency": count * SLEEP / SLOTS / seconds,
        "twice": sum(len(at) > 1 for at in began.values()),
    }


def empty(engine: Engine, folder: Path, count: int = 5000) -> dict[str, float]:
    """W2: operations that do nothing, there before the engine starts."""
    with stage(engine, folder) as on:
        on.ask(op="prepare")
        on.ask(op="enqueue", kind="noop", n=count, prefix="n")
        on.start_worker()
        done = on.ask(op="wait_done", n=count, timeout=100)
        on.end_worker()
        began = min(map(min, on.lines("S", "n").values()))
        seconds = (done["t"] - began) / 1e9
        return {"per_second": done["n"] / seconds, "cpu_ms": on.cpu_seconds / count * 1e3}


def latency(engine: Engine, folder: Path, count: int = 50) -> dict[str, float]:
    """W3: one at a time into an idle engine, from before the call to the start of the operation."""
    with stage(engine, folder) as on:
        on.ask(op="prepare")
        on.warm_up()
        answer = on.ask(op="latency", n=count, prefix="l", idle=[0.1, 0.3], budget=60)
        on.end_worker()
        asked, began = on.lines("Q", "l"), on.lines("S", "l")
        times = sorted((began[name][0] - at[0]) / 1e6 for name, at in asked.items() if name in began)
        return {
            "median_ms": statistics.median(times),
            "p99_ms": times[min(len(times) - 1, round(len(times) * 0.99))],
            "call_ms": statistics.median(answer["calls_ms"]),
            "lost": answer["lost"],
        }


def crash(engine: Engine, folder: Path, count: int = 1000, after: int = 400) -> dict[str, float]:
    """W4: as W1, with the worker killed in the middle and started again after a second."""
    with stage(engine, folder) as on:
        on.ask(op="prepare")
        on.warm_up()
        on.ask(op="enqueue", kind="sleep", n=count, prefix="j")
        on.wait_for_lines("S", "j", after, within=30)
        on.end_worker(signal.SIGKILL)
        left = count - len(on.lines("E", "j"))
        time.sleep(1.0)
        began = time.monotonic_ns()
        on.start_worker()
        done = on.ask(op="wait_done", n=count + 3 * SLOTS, timeout=60)
        times = Counter(len(at) for at in on.lines("S", "j").values())
        return {
            "lost": count + 3 * SLOTS - done["n"],
            "twice": sum(n for starts, n in times.items() if starts > 1),
            "over_ideal": (done["t"] - began) / 1e9 - left * SLEEP / SLOTS,
        }


WORKLOADS = {"W1": sleeping, "W2": empty, "W3": latency, "W4": crash}
