"""Huey and Dramatiq, as they speak the protocol of this benchmark; nothing of the gateway is imported here.

    PYTHON benchmarks/engine/peers.py huey|dramatiq worker|client

PYTHON is that of an environment with `huey dramatiq dramatiq-sqlite dramatiq-pg psycopg[binary]
psycopg2-binary`. Each commit of theirs is made as durable as one of the gateway. What they have to poll, they
poll every 10 to 100 ms.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER, LOG = Path(os.environ["BENCH_DIR"]), Path(os.environ["BENCH_LOG"])
SLOTS = int(os.environ.get("BENCH_SLOTS", "10"))
SLEEP = float(os.environ.get("BENCH_SLEEP_MS", "50")) / 1000
DSN = os.environ.get("BENCH_PG_DSN")
READY = FOLDER / "ready"
FIRST_POLL, LAST_POLL = 0.01, 0.1


class Operations:
    """Carries out an operation, and tells of it in the log."""

    def __init__(self) -> None:
        self._log = os.open(LOG, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)

    def carry_out(self, kind: str, name: str) -> None:
        self._write("S", name)
        if kind == "sleep":
            time.sleep(SLEEP)
        self._write("E", name)

    def _write(self, letter: str, name: str) -> None:
        words = f"{letter} {name} {time.monotonic_ns()} {os.getpid()} {threading.get_ident()}\n"
        os.write(self._log, words.encode())


class HueyPeer:
    def __init__(self) -> None:
        from huey import PostgresHuey, SqliteHuey

        self._huey = PostgresHuey(dsn=DSN) if DSN else SqliteHuey(filename=FOLDER / "huey.db", fsync=True)
        operations = Operations()

        def operation(kind: str, name: str) -> bool:
            operations.carry_out(kind, name)
            return True  # Only what returns something is known to have ended.

        self._task = self._huey.task()(operation)

    def enqueue(self, kind: str, name: str) -> None:
        self._task(kind, name)

    def done(self) -> int:
        return int(self._huey.storage.result_store_size())

    def work(self) -> None:
        from huey.consumer import Consumer

        consumer = Consumer(
            self._huey,
            workers=SLOTS,
            periodic=False,
            initial_delay=FIRST_POLL,
            max_delay=LAST_POLL,
        )
        consumer.run()


class DramatiqPeer:
    def __init__(self) -> None:
        import dramatiq
        from dramatiq.middleware import AgeLimit, Retries, TimeLimit

        parts = [AgeLimit(), TimeLimit(), Retries(max_retries=0)]
        self._broker = self._of_postgresql(DSN, parts) if DSN else self._of_sqlite(parts)
        dramatiq.set_broker(self._broker)
        self._task = dramatiq.actor(Operations().carry_out, actor_name="operation", broker=self._broker)

    def _of_postgresql(self, dsn: str, parts: list[Any]) -> Any:
        import psycopg2
        from dramatiq_pg import PostgresBroker
        from dramatiq_pg.schema import generate_init_sql
        from psycopg2.pool import ThreadedConnectionPool

        with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('dramatiq.queue')")
            if cursor.fetchone() == (None,):
                cursor.execute(generate_init_sql())
        self._count = "SELECT count(*) FROM dramatiq.queue WHERE state = 'done'"
        self._connection = psycopg2.connect(dsn)
        self._connection.autocommit = True
        pool = ThreadedConnectionPool(1, SLOTS + 10, dsn)
        return PostgresBroker(pool=pool, results=False, middleware=parts)

    def _of_sqlite(self, parts: list[Any]) -> Any:
        import dramatiq_sqlite

        dramatiq_sqlite.Database.concurrent_workload_pragmas["synchronous"] = "FULL"
        broker = dramatiq_sqlite.SQLiteBroker(url=f"sqlite://{FOLDER / 'dramatiq.db'}", middleware=parts)
        self._count = "SELECT count(*) FROM dramatiq_messages WHERE state = 'done'"
        self._connection = broker.db.conn
        return broker

    def enqueue(self, kind: str, name: str) -> None:
        self._task.send(kind, name)

    def done(self) -> int:
        cursor = self._connection.cursor()
        cursor.execute(self._count)
        return int(cursor.fetchone()[0])

    def work(self) -> None:
        import dramatiq

        worker = dramatiq.Worker(self._broker, worker_threads=SLOTS, worker_timeout=int(LAST_POLL * 1000))
        worker.start()
        signal.pause()


PEERS: dict[str, Callable[[], Any]] = {"huey": HueyPeer, "dramatiq": DramatiqPeer}


class Client:
    def __init__(self, peer: Callable[[], Any]) -> None:
        self._peer = peer()

    def prepare(self, **_how: bool) -> dict[str, Any]:
        READY.touch()
        return {"ok": True}

    def enqueue(self, kind: str, n: int, prefix: str, start: int = 0) -> dict[str, Any]:
        before = time.monotonic_ns()
        for number in range(start, start + n):
            self._peer.enqueue(kind, f"{prefix}{number}")
        return {"t0": before, "t1": time.monotonic_ns()}

    def latency(self, n: int, prefix: str, idle: tuple[float, float], budget: float) -> dict[str, Any]:
        calls, lost = [], 0
        for number in range(n):
            time.sleep(random.uniform(*idle))
            with LOG.open("ab", buffering=0) as log:
                log.write(f"Q {prefix}{number} {time.monotonic_ns()} 0 0\n".encode())
            times = self.enqueue("noop", 1, prefix, number)
            calls.append((times["t1"] - times["t0"]) / 1e6)
            lost += not self._wait_for_start(f"S {prefix}{number} ".encode(), time.monotonic() + 10)
        return {"calls_ms": calls, "lost": lost}

    def _wait_for_start(self, wanted: bytes, deadline: float) -> bool:
        while time.monotonic() < deadline:
            time.sleep(0.005)  # As our own client does.
            if wanted in LOG.read_bytes():
                return True
        return False

    def wait_done(self, n: int, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while (done := self._peer.done()) < n and time.monotonic() < deadline:
            time.sleep(0.01)
        return {"t": time.monotonic_ns(), "n": done}


def serve(peer: Callable[[], Any]) -> None:
    client = Client(peer)
    for line in sys.stdin:
        asked = json.loads(line)
        word = asked.pop("op")
        if word == "quit":
            return
        print(json.dumps(getattr(client, word)(**asked)), flush=True)


def main() -> None:
    peer = PEERS[sys.argv[1]]
    if sys.argv[2] == "client":
        serve(peer)
        return
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while not READY.exists():
        time.sleep(0.01)
    peer().work()


if __name__ == "__main__":
    main()
