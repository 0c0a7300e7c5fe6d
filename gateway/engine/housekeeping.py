"""What the engine tidies up now and then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta

from gateway.db import DATABASE_AWAY, Database
from gateway.services.idempotency import Idempotency

log = logging.getLogger(__name__)

IDEMPOTENCY_KEYS_KEPT = timedelta(days=7)
"""How long the repetition of a request is recognised."""


def clean_up(database: Database, clock: Callable[[], datetime]) -> None:
    """Forget the answers of old requests."""
    try:
        with database.write() as db:
            Idempotency(db).purge(before=clock() - IDEMPOTENCY_KEYS_KEPT)
    except DATABASE_AWAY:
        log.exception("Database could not be tidied up")


def move_log(database: Database) -> None:
    """Move into SQLite's file what its log has gathered, so that the log is written from its beginning again.

    Most is moved while others go on writing, and the rest, which is little then, while they wait. A commit
    takes several times as long where the log has to grow.
    """
    try:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")  # What SQLAlchemy began: there must be no transaction.
            for turn in (nullcontext(), database.line):
                with turn:
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()
            connection.exec_driver_sql("BEGIN")
    except DATABASE_AWAY:
        log.exception("Log of the database could not be moved")
