"""What clients notice of recycles.

    python -m benchmarks.recycle [--recycles 20] [--pause 1.0] [--peers DIR] [--kinds KIND,KIND…]

A steady load of 32 connections, half of them kept open, most for small answers and some for 20 MB, while
workers are recycled in several ways, the next one begun a pause after the last began. After every ten
recycles comes as long a time without any, to compare with: a machine is not as fast in one minute as in the
next. Prints failed requests, answers with an error, recycles really taken, and the slowest answers with
recycles and without; a table of it at the end. DIR is a virtual environment with gunicorn and uwsgi, or with
granian and hypercorn, which have to be named as a kind: they reload under the same load, by SIGHUP.

Then, or with `--kinds limit` alone, how soon a saved limit is in force; see `new_limit`.

With gunicorn and uwsgi `--recycles 100` takes about 25 minutes on an idle machine.
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.new_limit import is_at_rest, measure_limits
from tests.functional.pool.helpers import ROOT, PoolRunner, eventually, settings_text

BIG = 20_000_000
SMALL_CONNECTIONS = 28
BIG_CONNECTIONS = 4
THINK_SECONDS = 0.1
"""Between two requests of a connection, on average: the load is steady, not the most that there can be.

It varies, so that the clients do not march in step with each other, nor with any time limit of a server.
"""

SETTLING_SECONDS = 0.4
"""A saved file is hardly in force sooner. To ask all the time would take from what the clients have."""

WARM_UP_SECONDS = 2.0
"""The clients all connect at first; what they see then is not counted."""

ROUND = 10
"""So many recycles, then as long a time without any, in turn."""

SMALL_ANSWERS = ("small, kept", "small, fresh")
BIG_ANSWERS = ("20 MB, kept", "20 MB, fresh")
"""By whether connections were kept."""


@dataclass
class Measured:
    """What the clients saw."""

    durations: dict[str, list[float]] = field(
        default_factory=lambda: {kind: [] for kind in (*SMALL_ANSWERS, *BIG_ANSWERS)}
    )
    """Milliseconds."""
    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Answers that came whole, with another status than 200."""
    workers: set[bytes] = field(default_factory=set)
    """Who gave the small answers."""

    @property
    def requests(self) -> int:
        return sum(map(len, self.durations.values())) + len(self.failures) + len(self.errors)

    def slowest(self, kinds: tuple[str, ...]) -> float:
        return max(max(self.durations[kind]) for kind in kinds)


class Clients:
    """32 connections, each with a thread of its own."""

    def __init__(self, address: str, big_path: str) -> None:
        self.recycling, self.calm = Measured(), Measured()
        self.now = Measured()
        """Where they note what they see; what begins in calm and ends in a recycle belongs to the latter."""
        self._address = address
        self._ended = threading.Event()
        plan = [("/", SMALL_ANSWERS[number % 2]) for number in range(SMALL_CONNECTIONS)]
        plan += [(big_path, BIG_ANSWERS[number % 2]) for number in range(BIG_CONNECTIONS)]
        self._threads = [threading.Thread(target=self._run, args=each) for each in plan]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        time.sleep(WARM_UP_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _run(self, path: str, kind: str) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        pause = THINK_SECONDS if path == "/" else THINK_SECONDS * 10
        while not self._ended.wait(pause * random.uniform(0.5, 1.5)):
            seen = self.now
            began = time.monotonic()
            failure, status, body = "", 0, b""
            try:
                status, body = ask_for(connection, path)
            except (OSError, http.client.HTTPException) as exc:
                failure = repr(exc)
                connection.close()
            lasted = 1000 * (time.monotonic() - began)
            if seen is self.calm:
                seen = self.now
            if failure:
                seen.failures.append(f"{path} {failure}")
            elif status != 200:
                seen.errors.append(f"{path} answered {status}")
            else:
                seen.durations[kind].append(lasted)
            if path == "/" and status == 200:
                seen.workers.add(body)
            if kind.endswith("fresh"):
                connection.close()
        connection.close()


def ask_for(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    """Return the status and the whole body."""
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if path != "/" and response.status == 200 and len(body) != BIG:
        raise http.client.HTTPException(f"answered with {len(body)} bytes")
    return response.status, body


@dataclass
class Row:
    """One line of the table."""

    name: str
    wanted: int
    taken: int
    recycling: Measured
    calm: Measured


def report(row: Row) -> Row:
    print(f"{row.name}: taken {row.taken}/{row.wanted}")
    for name, measured in {"with recycles": row.recycling, "without": row.calm}.items():
        print(
            f"  {name}: requests {measured.requests}, failed {len(measured.failures)},"
            f" with an error status {len(measured.errors)}"
        )
        for kind, durations in measured.durations.items():
            shown = sorted(durations)
            print(
                f"    {kind:<12} ms: median {statistics.median(shown):7.1f}"
                f"  99 % {shown[int(len(shown) * 0.99)]:7.1f}  slowest {shown[-1]:7.1f}",
                flush=True,
            )
        for failure in (*measured.failures[:3], *measured.errors[:3]):
            print(f"    {failure}", flush=True)
    return row


def print_table(rows: list[Row]) -> None:
    print("| | taken | requests | failed | error status | slowest small, ms | slowest 20 MB, ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        seen = row.recycling
        slowest = " | ".join(
            f"{seen.slowest(kinds):.0f}, {seen.slowest(kinds) - row.calm.slowest(kinds):+.0f}"
            for kinds in (SMALL_ANSWERS, BIG_ANSWERS)
        )
        print(
            f"| {row.name} | {row.taken} of {row.wanted} | {seen.requests} | {len(seen.failures)} |"
            f" {len(seen.errors)} | {slowest} |",
            flush=True,
        )


@contextlib.contextmanager
def running_pool(**values: Any) -> Iterator[PoolRunner]:
    with tempfile.TemporaryDirectory() as folder:
        runner = PoolRunner(Path(folder))
        runner.settings(**values)
        try:
            yield runner.start()
        finally:
            runner.end()


def paced(count: int, pause: float) -> Iterator[int]:
    """Numbers, each so long after the last, or when that has been dealt with."""
    due = time.monotonic()
    for number in range(count):
        due = max(due + pause, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        yield number


def measure(
    clients: Clients, count: int, pause: float, act: Callable[[int], None], settle: Callable[[], None]
) -> None:
    """Recycle so often, with breaks.

    :param settle: waits until nothing of the last recycle is still going on
    """
    for first in range(0, count, ROUND):
        clients.now, began = clients.recycling, time.monotonic()
        for number in paced(min(ROUND, count - first), pause):
            act(first + number)
        settle()
        lasted = time.monotonic() - began
        clients.now = clients.calm
        time.sleep(lasted)


def measure_pool(name: str, count: int, pause: float, act: Callable[[PoolRunner, int], None]) -> Row:
    with running_pool() as pool:

        def settle() -> None:
            pool.until_status("rest", is_at_rest, seconds=30)

        settle()
        with Clients(pool.url.removeprefix("http://"), f"/big?size={BIG}") as clients:
            measure(clients, count, pause, lambda number: act(pool, number), settle)
            taken = pool.until_status("rest", is_at_rest, seconds=30)["recycles"]
        return report(Row(name, count, taken, clients.recycling, clients.calm))


def on_demand(pool: PoolRunner, _: int) -> None:
    pool.recycle()


def by_file(pool: PoolRunner, number: int, recycling: str = "") -> None:
    limit = 20 + number
    pool.write(settings_text(limit=limit, recycling=recycling))
    time.sleep(SETTLING_SECONDS)
    pool.until_status("the limit", lambda s: s["limit"] == limit, seconds=30)


def by_file_apart(pool: PoolRunner, number: int) -> None:
    by_file(pool, number, 'disallowOverlappingRotation="true"')


def peers(folder: Path, address: str) -> dict[str, list[str]]:
    """Return how each server of an environment is started: one process, six threads, as the pool has."""
    app = "benchmarks.peer:application"
    host, _, port = address.partition(":")
    commands = {
        "gunicorn": ["-k", "gthread", "--threads", "6", "-b", address, app],
        "granian": [
            *("--interface", "wsgi", "--blocking-threads", "6"),
            *("--host", host, "--port", port, app),
        ],
        "uwsgi": [
            *("--http-socket", address, "--http-keepalive=60", "--so-keepalive", "--master", "--lazy-apps"),
            *("--threads", "6", "--module", app, "--die-on-term", "--disable-logging"),
        ],
        "hypercorn": ["--bind", address, "--workers", "1", f"wsgi:{app}"],
    }
    return {
        name: [str(folder / "bin" / name), *arguments]
        for name, arguments in commands.items()
        if (folder / "bin" / name).exists()
    }


def measure_peer(name: str, command: list[str], address: str, count: int, pause: float) -> Row:
    """A reload counts as taken when another worker answered."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: is_listening(address), what=name)
        with Clients(address, "/big") as clients:
            measure(
                clients, count, pause, lambda _: process.send_signal(signal.SIGHUP), lambda: time.sleep(1)
            )
        taken = len(clients.recycling.workers | clients.calm.workers) - 1
        return report(Row(f"{name}, HUP", count, taken, clients.recycling, clients.calm))
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        process.kill()


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def is_listening(address: str) -> bool:
    host, _, port = address.partition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


KINDS: dict[str, tuple[str, Callable[[PoolRunner, int], None]]] = {
    "demand": ("on demand", on_demand),
    "file": ("changed file", by_file),
    "apart": ("changed file, without overlap", by_file_apart),
}
DEFAULT_KINDS = (*KINDS, "gunicorn", "uwsgi", "limit")
ALL_KINDS = (*DEFAULT_KINDS, "granian", "hypercorn")


def chosen_kinds(text: str) -> list[str]:
    kinds = text.split(",")
    if unknown := set(kinds) - set(ALL_KINDS):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: expected some of {','.join(ALL_KINDS)}")
    return kinds


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--recycles", type=int, default=20, help="of each kind")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds from one to the next")
    parser.add_argument("--peers", type=Path, help="virtual environment with servers to compare with")
    parser.add_argument("--kinds", type=chosen_kinds, default=DEFAULT_KINDS, help=",".join(ALL_KINDS))
    return parser.parse_args()


def main() -> None:
    chosen = parse_arguments()
    count, pause = chosen.recycles, chosen.pause
    rows = [
        measure_pool(name, count, pause, act) for kind, (name, act) in KINDS.items() if kind in chosen.kinds
    ]
    if chosen.peers is not None:
        address = free_address()
        rows += [
            measure_peer(name, command, address, count, pause)
            for name, command in peers(chosen.peers, address).items()
            if name in chosen.kinds
        ]
    if rows:
        print_table(rows)
    if "limit" in chosen.kinds:
        measure_limits(count)


if __name__ == "__main__":
    main()
