"""The one place where the engine writes about its upgrades, for many of its threads at once.

What several threads have to write goes into one transaction: while one of them commits, the others gather,
and whoever comes first leads the next commit. An outcome is written whole or not at all, one whose lease is
lost is refused alone, and nobody goes on before the commit that holds their words. What an outcome leaves
free is claimed in the same transaction, and may begin before its end; see `successors`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select

from gateway.db import Database
from gateway.engine.backlog import ANY_BATCH, IN_PROGRESS, PENDING
from gateway.engine.successors import Successor
from gateway.engine.taking import OFFER, Taking
from gateway.models import Upgrade, UpgradeEvent
from gateway.services.plan_change import PlanChange, Rows, change_plans, lock_of, resources_of
from gateway.statements import Command, Prepared, PreparedForMany, Statements, StatementWriter, among

log = logging.getLogger(__name__)

CHANNEL = "gateway_upgrades"
"""Of PostgreSQL's NOTIFY; the payload says who speaks."""


HEAD_START = 0.002
"""Seconds that a successor has to begin, before the thread that writes the end before it goes on. Those ends
that come meanwhile are written with it.
"""


class LeaseLostError(Exception):
    """Another worker has taken the upgrade over, so this one must not touch it any more."""


class NotClaimedError(LeaseLostError):
    """It began before it was claimed, in vain: it was canceled, had no place, or the engine stops."""


class End(NamedTuple):
    """Whose upgrade has ended."""

    subscription_id: str
    """It keeps the status of its newest upgrade, by a trigger."""
    tenant_id: str
    """It can have its next upgrade."""


@dataclass
class Entry:
    """What one thread has to write about one upgrade."""

    upgrade_id: int
    values: Mapping[str, Any]
    """Columns of the upgrade."""
    event: Mapping[str, Any] | None = None
    change: PlanChange | None = None
    ends: End | None = None
    intended_at: datetime | None = None
    """When a request was last about to leave, as far as this thread knows."""


@dataclass(eq=False)
class _Waiting:
    """A thread that waits until its entry is written; without an entry, until something was claimed."""

    entry: Entry | None
    everything: bool = False
    successor: Successor | None = None
    """What has begun in the place of the upgrade that ends here."""
    gate: threading.Lock = field(default_factory=threading.Lock)
    is_done: bool = False
    is_lost: bool = False
    must_go_alone: bool = False
    error: Exception | None = None
    claimed: list[int] = field(default_factory=list)


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
        on_left_over: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """:param owner: `node:worker`, unique among all workers that ever were
        :param rooms: how many may be in progress of those application instances that may not use the whole
            limit, by their names in lower case
        :param on_claimed: is given the rows that were claimed, once that is committed; those of successors
            before that
        :param on_left_over: a place is free that nobody has taken yet; in so many seconds it may be taken
        """
        self._database = database
        self._owner = owner
        self._clock = clock
        self._stopping = stopping or threading.Event()
        self._on_claimed = on_claimed
        self._on_left_over = on_left_over
        self._writer = StatementWriter(database)
        self._taking = Taking(owner, lease, limit, rooms)
        self._lock = threading.Lock()
        self._gathering: list[_Waiting] = []
        self._is_led = False
        self._not_claimed: set[int] = set()
        """Successors that began in vain, and do not know it yet."""
        self.commits = 0
        """Transactions so far."""

    def record(self, entry: Entry) -> None:
        """Write it, and claim what that makes room for.

        :raises LeaseLostError: if another worker has taken the upgrade over; nothing is written then
        :raises NotClaimedError: if it was begun as a successor, in vain; nothing is written then either
        """
        successor = self._successor() if entry.ends else None
        waiting = self._write(_Waiting(entry, successor=successor))
        if waiting.must_go_alone:
            waiting = _Waiting(entry)
            writer = StatementWriter(self._database)
            try:
                self._transact([waiting], writer, is_alone=True)
            finally:
                writer.close()
        if waiting.is_lost:
            if entry.upgrade_id in self._not_claimed:
                self._not_claimed.discard(entry.upgrade_id)
                raise NotClaimedError(f"upgrade {entry.upgrade_id} could not be claimed")
            raise LeaseLostError(f"upgrade {entry.upgrade_id} is worked on by somebody else")

    def _successor(self) -> Successor | None:
        return None if self._stopping.is_set() else self._taking.successor()

    def claim(self, *, everything: bool = True) -> list[int]:
        """Take pending upgrades while fewer than the limit are in progress, whoever works on those.

        At most one for each Microsoft tenant. Counting and taking are one transaction that no other claim
        overlaps, so that the limit holds over threads, workers and nodes.

        :param everything: also look for what was given back or missed, not only for new batches
        """
        return self._write(_Waiting(None, everything)).claimed

    def close(self) -> None:
        self._writer.close()

    def _write(self, waiting: _Waiting) -> _Waiting:
        waiting.gate.acquire()
        with self._lock:
            self._gathering.append(waiting)
            leads, self._is_led = not self._is_led, True
        try:
            if waiting.successor is not None:
                self._on_claimed([self._taking.as_claimed(waiting.successor, self._clock())])
                self._stopping.wait(HEAD_START)
        finally:
            while not waiting.is_done:
                if not leads:
                    waiting.gate.acquire()  # Until it is written, or until it is this thread's turn to lead.
                if not waiting.is_done:
                    self._lead()  # Others first, it may be.
                leads = False
        if waiting.error is not None:
            raise waiting.error
        return waiting

    def _lead(self) -> None:
        with self._lock:
            group, self._gathering = _before_their_successors(self._gathering)
        try:
            self._commit(group)
        finally:
            with self._lock:
                heir = self._gathering[0] if self._gathering else None
                self._is_led = heir is not None
            for waiting in group:
                waiting.is_done = True
                waiting.gate.release()
            if heir is not None:
                heir.gate.release()

    def _commit(self, group: Sequence[_Waiting]) -> None:
        """All in one transaction; if that fails each in its own, so that only the guilty one hears of it."""
        try:
            self._transact(group, self._writer, is_alone=False)
        except Exception as exc:  # The threads whose entries they are hear of it.
            log.warning("Transaction rolled back: entries=%s", len(group), exc_info=True)
            self._taking.forget()
            self._on_left_over(0.0)  # Nobody knows what of it was committed, if it broke at the very end.
            if len(group) == 1:
                group[0].error = exc
                return
            for waiting in group:
                self._commit([waiting])

    def _transact(self, group: Sequence[_Waiting], writer: StatementWriter, *, is_alone: bool) -> None:
        now = self._clock()
        claimed: list[Mapping[str, Any]] = []
        requests = [w for w in group if w.entry is None]
        begun = [w.successor.candidate for w in group if w.successor]
        # What was claimed is noted once more before anything is sent, and that note waits for the disk.
        with writer.transaction(waits_for_disk=len(requests) < len(group)) as statements:
            written = self._apply([w for w in group if w.entry], statements, now, is_alone)
            tenants = [entry.ends.tenant_id for entry in written if entry.ends]
            if self._stopping.is_set():
                self._taking.give_back(begun)
            # Alone, it is not this thread's turn to use the backlog; whoever looks around next claims.
            elif not is_alone and (tenants or requests or begun):
                if requests:
                    self._taking.discover(statements, everything=any(w.everything for w in requests))
                claimed = self._taking.take(statements, tenants, begun, now)
            events = [entry.event for entry in written if entry.event]
            events += [_event(row["id"], now, "started") for row in claimed]
            statements.run_many(_ADD_EVENT, events)
            is_left_over, is_offered = self._taking.is_unfinished, not is_alone and self._taking.is_offered
            if (is_offered or len(tenants) > len(claimed)) and statements.rows(_IS_PENDING):
                is_left_over = True
                if not statements.is_sqlite:
                    statements.rows(_NOTIFY, channel=CHANNEL, sender=self._owner)
        self.commits += 1
        for waiting in requests:
            waiting.claimed = [row["id"] for row in claimed]
        at_work = {candidate.upgrade_id for candidate in begun}
        self._not_claimed |= at_work
        self._not_claimed -= {row["id"] for row in claimed}
        if new := [row for row in claimed if row["id"] not in at_work]:
            self._on_claimed(new)
        if is_left_over:
            self._on_left_over(OFFER if is_offered else 0.0)

    def _apply(
        self, group: Sequence[_Waiting], statements: Statements, now: datetime, is_alone: bool
    ) -> list[Entry]:
        """Write outcomes, but for their events; those that were written."""
        entries = [w.entry for w in group if w.entry]
        if not entries:
            return []
        locked, mine, resources = self._hold(statements, entries, wait=is_alone)
        for waiting in group:
            end = waiting.entry and waiting.entry.ends
            # The others do not wait for who holds that subscription, such as an import of all of them.
            waiting.must_go_alone = bool(end and end.subscription_id not in locked)
        here = [(w.entry, w) for w in group if w.entry and not w.must_go_alone]
        for entry, waiting in here:
            # Whoever does not know of a request may be about to send another one.
            waiting.is_lost = mine.get(entry.upgrade_id, _NOT_MINE) != entry.intended_at
        written = [entry for entry, waiting in here if not waiting.is_lost]
        change_plans(statements, [entry.change for entry in written if entry.change], resources, now)
        by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for entry in written:
            by_columns.setdefault(tuple(entry.values), []).append({"id": entry.upgrade_id, **entry.values})
        for columns, rows in by_columns.items():
            statements.run_many(_setting(columns), rows, owner=self._owner)
        return written

    def _hold(
        self, statements: Statements, entries: Sequence[Entry], *, wait: bool
    ) -> tuple[Collection[str], dict[int, datetime | None], Sequence[Rows]]:
        """Keep what is written about from everybody else until the transaction ends, asking all at once.

        :param wait: for who holds a subscription
        :returns: subscriptions of ended upgrades that are held; those upgrades whose lease is this worker's,
            and when a request of each was last about to leave; what changes of plans must be told
        """
        ended = [entry.ends.subscription_id for entry in entries if entry.ends]
        # SQLite has one writer at a time, who holds everything.
        locks = [lock_of(ended, wait=wait)] if ended and not statements.is_sqlite else []
        held: Command = _HOLD, {"keys": [entry.upgrade_id for entry in entries], "owner": self._owner}
        changes = [entry.change for entry in entries if entry.change]
        asked = [*locks, held, *(resources_of(changes) if changes else [])]
        found = statements.each(asked)
        locked = [key for (key,) in found.pop(0)] if locks else ended
        return locked, dict(found[0]), found[1:]


def _before_their_successors(waiting: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """Those to be written now, and those after them: what has begun is claimed before it is written about."""
    begun = {w.successor.candidate.upgrade_id for w in waiting if w.successor}
    later = [w for w in waiting if w.entry and w.entry.upgrade_id in begun]
    return [w for w in waiting if w not in later], later


def _event(upgrade_id: int, at: datetime, name: str) -> dict[str, Any]:
    return dict.fromkeys(_EVENT_COLUMNS) | {"upgrade_id": upgrade_id, "at": at, "name": name, "attempt": 0}


_NOT_MINE = object()
_EVENT_COLUMNS = ("upgrade_id", "at", "name", "detail", "attempt", "request_id", "correlation_id")
_ADD_EVENT = PreparedForMany(UpgradeEvent.__table__, _EVENT_COLUMNS)
_IS_PENDING = Prepared(select(Upgrade.id).where(PENDING, ANY_BATCH).limit(1))
_NOTIFY = Prepared(select(func.pg_notify(bindparam("channel"), bindparam("sender"))))
_MINE = IN_PROGRESS, Upgrade.lease_owner == bindparam("owner", type_=Upgrade.lease_owner.type)
_HOLD = Prepared(
    # All lock in one order, so that two never wait for each other in a circle.
    select(Upgrade.id, Upgrade.intended_at)
    .where(among(Upgrade.id, "keys"), *_MINE)
    .order_by(Upgrade.id)
    .with_for_update()
)


@lru_cache(maxsize=256)
def _setting(columns: tuple[str, ...]) -> PreparedForMany:
    """Sets columns of upgrades that are this worker's."""
    return PreparedForMany(Upgrade.__table__, columns, key="id", where=_MINE)
