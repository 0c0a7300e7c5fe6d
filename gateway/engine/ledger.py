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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select

from gateway.db import Database
from gateway.engine.backlog import ANY_BATCH, IN_PROGRESS, PENDING
from gateway.engine.clerk import Clerk
from gateway.engine.successors import Successor
from gateway.engine.taking import OFFER, Taking
from gateway.models import Upgrade, UpgradeEvent
from gateway.services.plan_change import PlanChange, Resources, change_plans, lock_of, resources_of
from gateway.statements import Command, Prepared, PreparedForMany, Statements, StatementWriter, among

log = logging.getLogger(__name__)

CHANNEL = "gateway_upgrades"
"""Of PostgreSQL's NOTIFY; the payload says who speaks."""


HEAD_START = 0.002
"""Seconds that a successor has to begin, before the end before it is written. Those ends that come meanwhile
are written with it.
"""

OnWritten = Callable[[Exception | None], None]
"""Is told that it was written, or what has kept it from being written."""


class LeaseLostError(Exception):
    """Another worker has taken the upgrade over, so this one must not touch it any more."""


class NotClaimedError(LeaseLostError):
    """It began before it was claimed, in vain: it was canceled, had no place, or the engine stops."""


Mine = Mapping[int, datetime | None]
"""When a request was last about to leave, of each upgrade that this worker holds."""


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
    on_written: OnWritten | None = None
    """Whom to tell, where no thread waits."""
    successor: Successor | None = None
    """What has begun in the place of the upgrade that ends here."""
    gate: threading.Lock = field(default_factory=threading.Lock)
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
        self._write(_Waiting(entry))

    def leave(self, entry: Entry, on_written: OnWritten) -> None:
        """Have it written soon. When this returns, the successor of what ends here has begun.

        :param on_written: is told by another thread, with what `record` would raise if it was not written
        """
        self._gather(_Waiting(entry, on_written=on_written))

    def claim(self, *, everything: bool = True) -> list[int]:
        """Take pending upgrades while fewer than the limit are in progress, whoever works on those.

        At most one for each Microsoft tenant. Counting and taking are one transaction that no other claim
        overlaps, so that the limit holds over threads, workers and nodes.

        :param everything: also look for what was given back or missed, not only for new batches
        """
        return self._write(_Waiting(None, everything)).claimed

    def close(self) -> None:
        self._clerk.end()
        self._writer.close()

    def _write(self, waiting: _Waiting) -> _Waiting:
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

    def _gather(self, waiting: _Waiting) -> bool:
        """Have it written with the next commit; whether the caller has to see to that."""
        if waiting.entry and waiting.entry.ends and not self._stopping.is_set():
            waiting.successor = self._taking.successor()
        with self._lock:
            self._gathering.append(waiting)
            is_first, self._is_led = not self._is_led, True
        try:
            if waiting.successor is not None:
                self._on_claimed([self._taking.as_claimed(waiting.successor, self._clock())])
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
            group, self._gathering = self._split(self._gathering)
        try:
            self._commit(group)
        finally:
            for waiting in group:
                self._tell(waiting)

    def _split(self, gathering: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
        """What is written in the next transaction, and what after it.

        With SQLite the transaction costs more than what is in it. A server has to answer each turn before the
        next one is asked for, and by then could have committed it.
        """
        if self._database.is_sqlite or not gathering:
            return gathering, []
        first, *later = _in_turns(gathering)
        return first, list(chain.from_iterable(later))

    def _tell(self, waiting: _Waiting) -> None:
        """Say that it is written, or why not."""
        if waiting.on_written is None:
            waiting.gate.release()
        elif waiting.must_go_alone:
            threading.Thread(
                target=self._write_later, args=(waiting,), name="ledger-alone", daemon=True
            ).start()
        else:
            self._call_back(waiting)

    def _call_back(self, waiting: _Waiting) -> None:
        assert waiting.on_written is not None
        try:
            waiting.on_written(waiting.error)
        except Exception:  # The others are to be told as well.
            log.exception("What was written could not be told")

    def _write_later(self, waiting: _Waiting) -> None:
        self._write_alone(waiting)
        self._call_back(waiting)

    def _write_alone(self, waiting: _Waiting) -> None:
        """Wait for who holds its subscription, and hold nobody else up."""
        waiting.must_go_alone, waiting.successor = False, None
        writer = StatementWriter(self._database)
        try:
            self._transact([waiting], writer, is_alone=True)
        except Exception as exc:  # Whoever wants it written hears of it.
            log.warning("Transaction of one entry rolled back", exc_info=True)
            waiting.error = exc
        finally:
            writer.close()

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
        turns = _in_turns(group)
        done = []
        # What was claimed is noted once more before anything is sent, and that note waits for the disk.
        with writer.transaction(waits_for_disk=any(w.entry for w in group)) as statements:
            mine, resources = self._prepare(group, turns[0], statements, wait=is_alone)
            for turn in turns:
                if turn is not turns[0]:
                    mine = dict(statements.each([self._hold(turn)])[0])
                written = self._apply(turn, statements, mine, resources, now)
                done.append(_Done(written, self._take(turn, written, statements, now, is_alone)))
            statements.run_many(_ADD_EVENT, list(chain.from_iterable(each.events(now) for each in done)))
            is_left_over, is_offered = self._taking.is_unfinished, not is_alone and self._taking.is_offered
            is_short = sum(each.freed for each in done) > sum(len(each.claimed) for each in done)
            if (is_offered or is_short) and statements.rows(_IS_PENDING):
                is_left_over = True
                if not statements.is_sqlite:
                    statements.rows(_NOTIFY, channel=CHANNEL, sender=self._owner)
        self.commits += 1
        for turn, each in zip(turns, done, strict=True):
            self._conclude(turn, each.claimed)
        if is_left_over:
            self._on_left_over(OFFER if is_offered else 0.0)

    def _prepare(
        self, group: Sequence[_Waiting], first: Sequence[_Waiting], statements: Statements, *, wait: bool
    ) -> tuple[Mine, Resources]:
        """Keep what ends from everybody else until the transaction ends; all is asked at once.

        :param wait: for who holds a subscription; otherwise its end is left to be written alone
        :returns: what this worker holds of the first turn; what changes of plans must be told
        """
        entries = [waiting.entry for waiting in group if waiting.entry]
        if not entries:
            return {}, Resources()
        ended = [entry.ends.subscription_id for entry in entries if entry.ends]
        # SQLite has one writer at a time, who holds everything.
        locks = [lock_of(ended, wait=wait)] if ended and not statements.is_sqlite else []
        changes = [entry.change for entry in entries if entry.change]
        asked = [*locks, self._hold(first), *(resources_of(changes) if changes else [])]
        found = statements.each(asked)
        if locks:
            held = {key for (key,) in found.pop(0)}
            for waiting in group:
                end = waiting.entry and waiting.entry.ends
                waiting.must_go_alone = bool(end and end.subscription_id not in held)
        return dict(found[0]), Resources(*found[1:])

    def _hold(self, turn: Sequence[_Waiting]) -> Command:
        """Keeps upgrades whose lease is this worker's; when a request of each was last about to leave."""
        return _HOLD, {"keys": [w.entry.upgrade_id for w in turn if w.entry], "owner": self._owner}

    def _take(
        self,
        turn: Sequence[_Waiting],
        written: Sequence[Entry],
        statements: Statements,
        now: datetime,
        is_alone: bool,
    ) -> list[Mapping[str, Any]]:
        """Claim what these ask for, have begun, or have made room for."""
        tenants = [entry.ends.tenant_id for entry in written if entry.ends]
        requests = [waiting for waiting in turn if waiting.entry is None]
        begun = [waiting.successor.candidate for waiting in turn if waiting.successor]
        if self._stopping.is_set():
            self._taking.give_back(begun)
            return []
        # Alone, it is not this thread's turn to use the backlog; whoever looks around next claims.
        if is_alone or not (tenants or requests or begun):
            return []
        if requests:
            self._taking.discover(statements, everything=any(w.everything for w in requests))
        return self._taking.take(statements, tenants, begun, now)

    def _apply(
        self,
        turn: Sequence[_Waiting],
        statements: Statements,
        mine: Mine,
        resources: Resources,
        now: datetime,
    ) -> list[Entry]:
        """Write outcomes, but for their events; those that were written."""
        here = [(w.entry, w) for w in turn if w.entry and not w.must_go_alone]
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

    def _conclude(self, turn: Sequence[_Waiting], claimed: list[Mapping[str, Any]]) -> None:
        """Tell what was claimed, and what could not be written; all of it is committed."""
        ids = [row["id"] for row in claimed]
        for waiting in turn:
            if waiting.entry is None:
                waiting.claimed = ids
            elif waiting.is_lost:
                waiting.error = self._loss_of(waiting.entry.upgrade_id)
        at_work = {waiting.successor.candidate.upgrade_id for waiting in turn if waiting.successor}
        self._not_claimed |= at_work.difference(ids)
        self._not_claimed -= set(ids)
        if new := [row for row in claimed if row["id"] not in at_work]:
            self._on_claimed(new)

    def _loss_of(self, upgrade_id: int) -> LeaseLostError:
        if upgrade_id in self._not_claimed:
            self._not_claimed.discard(upgrade_id)
            return NotClaimedError(f"upgrade {upgrade_id} could not be claimed")
        return LeaseLostError(f"upgrade {upgrade_id} is worked on by somebody else")


class _Done(NamedTuple):
    """What one turn came to."""

    written: list[Entry]
    claimed: list[Mapping[str, Any]]

    @property
    def freed(self) -> int:
        """How many upgrades ended."""
        return sum(entry.ends is not None for entry in self.written)

    def events(self, now: datetime) -> list[Mapping[str, Any]]:
        ended = [entry.event for entry in self.written if entry.event]
        return [*ended, *(_event(row["id"], now, "started") for row in self.claimed)]


def _in_turns(group: Sequence[_Waiting]) -> list[list[_Waiting]]:
    """What has begun as a successor is claimed before anything is written about it."""
    turns, left = [], list(group)
    while left:
        begun = {waiting.successor.candidate.upgrade_id for waiting in left if waiting.successor}
        turn = [w for w in left if w.entry is None or w.entry.upgrade_id not in begun]
        left = [w for w in left if w.entry is not None and w.entry.upgrade_id in begun]
        turns.append(turn)
    return turns


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
