"""The one place where the engine writes about its upgrades, for many of its threads at once.

What several threads have to write goes into one transaction. Whoever comes first commits; while that takes
its time the others gather, and are committed by a thread of the ledger's own. An outcome is written whole or
not at all, one whose lease is lost is refused alone, and nobody goes on with an upgrade before the commit
that holds their words. Its end is left here by a thread that goes on with another one. What an end leaves
free is claimed in the same transaction, and may begin before it; see `successors`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select

from gateway.db import Database
from gateway.engine.backlog import ANY_BATCH, PENDING
from gateway.engine.clerk import Clerk
from gateway.engine.entries import Entry, OnWritten, Waiting
from gateway.engine.posting import Posting
from gateway.engine.taking import OFFER, Taking
from gateway.models import Upgrade
from gateway.statements import Prepared, StatementWriter

log = logging.getLogger(__name__)

CHANNEL = "gateway_upgrades"
"""Of PostgreSQL's NOTIFY; the payload says who speaks."""


HEAD_START = 0.002
"""Seconds that a successor has to begin, before the end before it is written. Those ends that come meanwhile
are written with it.
"""


class Ledger:
    """What one worker writes. Threads share it."""

    def __init__(
        self,
        database: Database,
        owner: str,
        lease: timedelta,
        clock: Callable[[], datetime],
        limit: int,
        *,
        rooms: Callable[[], Mapping[str, int]] = dict,
        stopping: threading.Event | None = None,
        on_claimed: Callable[[list[Mapping[str, Any]]], None] = lambda _rows: None,
        on_begun: Callable[[Mapping[str, Any]], None] | None = None,
        on_left_over: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """:param owner: `node:worker`, unique among all workers that ever were
        :param rooms: how many may be in progress of those application instances that may not use the whole
            limit, by their names in lower case
        :param on_claimed: is given the rows that were claimed, once that is committed
        :param on_begun: is given the row of a successor before that, by the thread that leaves an end and
            goes on with it; without this, and where that thread waits, `on_claimed` is
        :param on_left_over: a place is free that nobody has taken yet; in so many seconds it may be taken
        """
        self._database = database
        self._owner = owner
        self._clock = clock
        self._stopping = stopping or threading.Event()
        self._on_claimed = on_claimed
        self._on_begun = on_begun or (lambda row: on_claimed([row]))
        self._on_left_over = on_left_over
        self._writer = StatementWriter(database)
        # What was claimed is noted once more before anything is sent, and that note waits for the disk.
        self._writer_of_claims = StatementWriter(database, waits_for_disk=False)
        self._taking = Taking(owner, lease, limit, rooms)
        self._lock = threading.Lock()
        self._gathering: list[Waiting] = []
        self._is_led = False
        self._clerk = Clerk(self._catch_up, "ledger-clerk")
        self._not_claimed: set[int] = set()
        """Successors that began in vain, and do not know it yet."""
        self.commits = 0
        """Transactions so far."""

    def record(self, entry: Entry) -> None:
        """Write it, and claim what that makes room for.

        :raises LeaseLostError: if another worker has taken the upgrade over; nothing is written then
        :raises NotClaimedError: if it was begun as a successor, in vain; nothing is written then either
        """
        self._write(Waiting(entry))

    def leave(self, entry: Entry, on_written: OnWritten) -> None:
        """Have it written soon. When this returns, the successor of what ends here has begun.

        :param on_written: is told by another thread, with what `record` would raise if it was not written
        """
        self._gather(Waiting(entry, on_written=on_written))

    def claim(self, *, everything: bool = True) -> list[int]:
        """Take pending upgrades while fewer than the limit are in progress, whoever works on those.

        At most one for each Microsoft tenant. Counting and taking are one transaction that no other claim
        overlaps, so that the limit holds over threads, workers and nodes.

        :param everything: also look for what was given back or missed, not only for new batches
        """
        return self._write(Waiting(None, everything)).claimed

    def close(self) -> None:
        self._clerk.end()
        self._writer.close()
        self._writer_of_claims.close()

    def _write(self, waiting: Waiting) -> Waiting:
        waiting.gate.acquire()
        if self._gather(waiting):
            self._commit_gathered()
            with self._lock:
                self._is_led = bool(self._gathering)
            if self._is_led:
                self._clerk.call()
        waiting.gate.acquire()  # Until it is written.
        if waiting.must_go_alone:
            self._write_alone(waiting)
        if waiting.error is not None:
            raise waiting.error
        return waiting

    def _gather(self, waiting: Waiting) -> bool:
        """Have it written with the next commit; whether the caller has to see to that."""
        if waiting.entry and waiting.entry.ends and not self._stopping.is_set():
            waiting.begun = self._taking.successor(self._clock())
        with self._lock:
            self._gathering.append(waiting)
            is_first, self._is_led = not self._is_led, True
        try:
            if waiting.begun is not None:
                if waiting.on_written:
                    self._on_begun(waiting.begun.row)
                else:
                    self._on_claimed([waiting.begun.row])
        finally:
            if is_first and waiting.on_written:
                self._clerk.call(HEAD_START)
        return is_first and waiting.on_written is None

    def _catch_up(self) -> None:
        """Commit until nothing has gathered meanwhile."""
        while True:
            with self._lock:
                self._is_led = bool(self._gathering)
            if not self._is_led:
                return
            self._commit_gathered()

    def _commit_gathered(self) -> None:
        with self._lock:
            group, self._gathering = self._gathering, []
        try:
            self._commit(group)
        finally:
            for waiting in group:
                self._tell(waiting)

    def _tell(self, waiting: Waiting) -> None:
        """Say that it is written, or why not."""
        if waiting.on_written is None:
            waiting.gate.release()
        elif waiting.must_go_alone:
            threading.Thread(
                target=self._write_later, args=(waiting,), name="ledger-alone", daemon=True
            ).start()
        else:
            self._call_back(waiting)

    def _call_back(self, waiting: Waiting) -> None:
        assert waiting.on_written is not None
        try:
            waiting.on_written(waiting.error)
        except Exception:  # The others are to be told as well.
            log.exception("What was written could not be told")

    def _write_later(self, waiting: Waiting) -> None:
        self._write_alone(waiting)
        self._call_back(waiting)

    def _write_alone(self, waiting: Waiting) -> None:
        """Wait for who holds its subscription, and hold nobody else up."""
        waiting.must_go_alone, waiting.begun = False, None
        writer = StatementWriter(self._database)
        try:
            self._transact([waiting], writer, is_alone=True)
        except Exception as exc:  # Whoever wants it written hears of it.
            log.warning("Transaction of one entry rolled back", exc_info=True)
            waiting.error = exc
        finally:
            writer.close()

    def _commit(self, group: Sequence[Waiting]) -> None:
        """All in one transaction; if that fails each in its own, so that only the guilty one hears of it."""
        writer = self._writer if any(waiting.entry for waiting in group) else self._writer_of_claims
        try:
            self._transact(group, writer, is_alone=False)
        except Exception as exc:  # The threads whose entries they are hear of it.
            log.warning("Transaction rolled back: entries=%s", len(group), exc_info=True)
            self._taking.forget()
            self._on_left_over(0.0)  # Nobody knows what of it was committed, if it broke at the very end.
            if len(group) == 1:
                group[0].error = exc
                return
            for waiting in group:
                self._commit([waiting])

    def _transact(self, group: Sequence[Waiting], writer: StatementWriter, *, is_alone: bool) -> None:
        posting = Posting(
            group, self._taking, self._owner, is_alone=is_alone, is_stopping=self._stopping.is_set()
        )
        with writer.transaction() as statements:
            posting.write(statements, self._clock())
            is_left_over, is_offered = self._taking.is_unfinished, not is_alone and self._taking.is_offered
            if (is_offered or posting.ends_without_successor) and statements.rows(_IS_PENDING):
                is_left_over = True
                if not statements.is_sqlite:
                    statements.run(_NOTIFY, channel=CHANNEL, sender=self._owner)
        self.commits += 1
        posting.conclude(self._not_claimed)
        if posting.claimed:
            self._on_claimed(posting.claimed)
        if is_left_over:
            self._on_left_over(OFFER if is_offered else 0.0)


_IS_PENDING = Prepared(select(Upgrade.id).where(PENDING, ANY_BATCH).limit(1))
_NOTIFY = Prepared(select(func.pg_notify(bindparam("channel"), bindparam("sender"))))
