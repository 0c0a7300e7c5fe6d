"""What the engine tidies up, besides what the database itself sees to."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event

from gateway.engine.housekeeping import IDEMPOTENCY_KEYS_KEPT, clean_up, move_log
from gateway.models import IdempotencyKey
from tests.factories import NOW

CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"


def test_old_answers_are_forgotten(database):
    with database.write() as db:
        for key, at in (("old", NOW), ("new", NOW + IDEMPOTENCY_KEYS_KEPT)):
            db.add(IdempotencyKey(caller="tests", key=key, request_hash="x", created_at=at))

    clean_up(database, lambda: NOW + IDEMPOTENCY_KEYS_KEPT * 1.5)

    with database.read() as db:
        assert [key for key in ("old", "new") if db.get(IdempotencyKey, ("tests", key))] == ["new"]


class TestTheLogOfSQLite:
    @pytest.fixture
    def database(self, sqlite_database):
        return sqlite_database

    @pytest.fixture
    def write(self, database):
        """Commits some pages."""
        keys = iter(range(1000))

        def write():
            with database.write() as db:
                for _ in range(50):
                    db.add(IdempotencyKey(caller="tests", key=f"{next(keys)}", request_hash="x" * 64))

        return write

    def test_is_written_from_its_beginning_after_it_was_moved(self, database, write):
        write()
        size = size_of_log(database)
        for _ in range(5):
            move_log(database)
            write()

        assert size_of_log(database) < 2 * size

    def test_grows_otherwise(self, database, write):
        write()
        size = size_of_log(database)
        for _ in range(5):
            write()

        assert size_of_log(database) > 2 * size

    def test_is_moved_with_what_was_written_while_most_of_it_was_moved(self, database, write):
        """Others write while the first of two moves goes on, and wait for the second."""
        write()
        others_could_write = []

        def on_statement(_connection, _cursor, statement, *_):
            if statement != CHECKPOINT:
                return
            others_could_write.append(not database.line.locked())
            if others_could_write == [True]:
                write()

        event.listen(database.engine, "before_cursor_execute", on_statement)

        move_log(database)

        assert others_could_write == [True, False]
        size = size_of_log(database)
        write()
        assert size_of_log(database) == size


def size_of_log(database):
    return Path(f"{database.url.database}-wal").stat().st_size
