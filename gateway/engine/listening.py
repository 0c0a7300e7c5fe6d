"""Hears on PostgreSQL, from any node, that there is something to do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.db import DATABASE_AWAY, Database
from gateway.engine.ledger import CHANNEL
from gateway.engine.taking import PRESENCE_LOCK

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two tries to connect."""

LISTENED = 30.0
"""Seconds until the thread looks whether it shall end."""


def announce(db: Session) -> None:
    """Wake the engines of all nodes once this transaction is committed, and not if it is rolled back."""
    if db.get_bind().dialect.name == "postgresql":
        db.execute(select(func.pg_notify(CHANNEL, "")))


class Listening:
    """One connection that listens; it is opened again when it breaks, and until then nothing is heard."""

    def __init__(self, database: Database, speaker: str) -> None:
        """:param speaker: who this is; what it says itself is not heard"""
        self._database = database
        self._speaker = speaker
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_heard = threading.Event()

    @property
    def is_heard(self) -> bool:
        return self._is_heard.is_set()

    def listen(self, on_ring: Callable[[], None]) -> None:
        """Call `on_ring` from a thread of its own when somebody else rings, and when that began or ended."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, args=(on_ring,), name="engine-listening", daemon=True
            )
            self._thread.start()

    def ring(self) -> None:
        self._say(self._speaker)

    def keep(self) -> None:
        """The connection is kept by itself."""

    def close(self) -> None:
        self._closing.set()
        if self._is_heard.is_set():
            self._say("")  # It ends the wait of the thread.

    def _say(self, speaker: str) -> None:
        try:
            with self._database.write() as db:
                db.execute(select(func.pg_notify(CHANNEL, speaker)))
        except DATABASE_AWAY:
            log.warning("Other engines could not be woken; they look around by themselves")

    def _run(self, on_ring: Callable[[], None]) -> None:
        dialect = self._database.engine.dialect
        driver: Any = dialect.dbapi
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            try:
                arguments, parameters = dialect.create_connect_args(self._database.url)
                with driver.connect(*arguments, **parameters, autocommit=True) as connection:
                    connection.execute("SELECT pg_advisory_lock_shared(%s)", [PRESENCE_LOCK])
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._is_heard.set()
                    self.ring()  # The others share their work with this one.
                    pause = FIRST_PAUSE
                    on_ring()  # What was said before was not heard.
                    self._hear(connection, on_ring)
            except driver.Error as exc:
                log.warning("Not listening to the database: retry_in=%s error=%s", pause, type(exc).__name__)
            finally:
                self._is_heard.clear()
            on_ring()  # To look around more often from now on.
            self._closing.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _hear(self, connection: Any, on_ring: Callable[[], None]) -> None:
        while not self._closing.is_set():
            for notice in connection.notifies(timeout=LISTENED, stop_after=1):
                if notice.payload != self._speaker and not self._closing.is_set():
                    on_ring()
