"""No engine at all, as the least that W3 can take: a table of three columns, one statement that puts an
operation in, one that takes it, and one that says that it has ended. No limit, leases or events, one thread.

    python -m benchmarks.engine.bare worker|client

Each commit is as durable as the gateway's: to take an operation does not wait for the disk, the others do.
"""

from __future__ import annotations

import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from benchmarks.engine.peers import DSN, FOLDER, READY, Operations, serve

BELL = FOLDER / "bell"
DATABASE = FOLDER / "bare.db"

CREATE = "CREATE TABLE IF NOT EXISTS operation (name TEXT PRIMARY KEY, kind TEXT, state TEXT)"
INDEX = "CREATE INDEX IF NOT EXISTS pending ON operation (name) WHERE state = 'pending'"
PUT = "INSERT INTO operation VALUES ({0}, {0}, 'pending')"
TAKE = """UPDATE operation SET state = 'taken' WHERE name IN
    (SELECT name FROM operation WHERE state = 'pending' LIMIT 1 {lock}) RETURNING kind, name"""
END = "UPDATE operation SET state = 'done' WHERE name = {0}"
COUNT = "SELECT count(*) FROM operation WHERE state = 'done'"


class BareSQLite:
    def __init__(self) -> None:
        self._connection = self._connect("FULL")
        self._connection.execute(CREATE)
        self._connection.execute(INDEX)
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._bell: tuple[str, int] | None = None

    def enqueue(self, kind: str, name: str) -> None:
        self._connection.execute(PUT.format("?"), (name, kind))
        if self._bell is None and BELL.exists():
            self._bell = "127.0.0.1", int(BELL.read_text())
        if self._bell is not None:
            self._sender.sendto(b"!", self._bell)

    def done(self) -> int:
        return int(self._connection.execute(COUNT).fetchone()[0])

    def work(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            BELL.write_text(str(receiver.getsockname()[1]))
            taking = self._connect("NORMAL")
            _carry_out(
                iter(lambda: receiver.recv(1), b""),
                lambda: taking.execute(TAKE.format(lock="")).fetchone(),
                lambda name: self._connection.execute(END.format("?"), (name,)),
            )

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(DATABASE, isolation_level=None, timeout=60)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        return connection


class BarePostgreSQL:
    def __init__(self) -> None:
        self._connection = self._connect()
        self._connection.execute(CREATE)
        self._connection.execute(INDEX)

    def enqueue(self, kind: str, name: str) -> None:
        with self._connection.pipeline():
            self._connection.execute("BEGIN")
            self._connection.execute(PUT.format("%s"), (name, kind), prepare=True)
            self._connection.execute("NOTIFY operation")
            self._connection.execute("COMMIT")

    def done(self) -> int:
        return int(self._connection.execute(COUNT).fetchone()[0])

    def work(self) -> None:
        listening, taking = self._connect(), self._connect()
        listening.execute("LISTEN operation")
        taking.execute("SET synchronous_commit = off")
        take = TAKE.format(lock="FOR UPDATE SKIP LOCKED")
        _carry_out(
            listening.notifies(),
            lambda: taking.execute(take, prepare=True).fetchone(),
            lambda name: self._connection.execute(END.format("%s"), (name,)),
        )

    def _connect(self) -> Any:
        import psycopg  # SQLite needs none of it.

        assert DSN is not None
        return psycopg.connect(DSN, autocommit=True)


def _carry_out(
    rings: Iterator[object], take: Callable[[], tuple[str, str] | None], end: Callable[[str], object]
) -> None:
    operations = Operations()
    for _ in chain([None], rings):
        while (taken := take()) is not None:
            operations.carry_out(*taken)
            end(taken[1])


def main() -> None:
    peer = BarePostgreSQL if DSN else BareSQLite
    if sys.argv[1] == "client":
        serve(peer)
        return
    while not READY.exists():
        time.sleep(0.01)
    peer().work()


if __name__ == "__main__":
    main()
