"""Takes pending upgrades in turn, as many as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, cast

from sqlalchemy import Table, bindparam, column, func, literal_column, null, select, table, update

from gateway.engine.backlog import (
    ANY_TENANT,
    IN_PROGRESS,
    IS_PENDING,
    OF_ITS_SUBSCRIPTION,
    TENANT_IS_BUSY,
    Backlog,
    Candidate,
)
from gateway.engine.successors import Begun, Successor, Successors
from gateway.models import ApplicationInstance, Subscription, Upgrade, UpgradeStatus, UpgradeStep
from gateway.statements import Command, Prepared, Rows, Statements, among

CLAIM_LOCK = 0x0365_0001
"""Advisory lock of PostgreSQL: one claim at a time, over all nodes, so that the limit can be counted."""


PRESENCE_LOCK = 0x0365_0002
"""Advisory lock of PostgreSQL that every engine shares while it listens, so that they can be counted."""

LINE = 200
"""At most so many more successors stand in line than there are places: short upgrades end while others are
being written, and their successors, too.
"""

OFFER = 0.05
"""Seconds that what is more than a worker's share is left to others, before it takes that all the same."""


class Taking:
    """What one worker takes. One thread at a time uses it, in a transaction of its own."""

    def __init__(
        self, owner: str, lease: timedelta, limit: int, rooms: Callable[[], Mapping[str, int]]
    ) -> None:
        """:param rooms: how many may be in progress of those instances that may not use the whole limit, by
        their names in lower case
        """
        self._owner = owner
        self._lease = lease
        self.limit = limit
        self._rooms = rooms
        self._backlog = Backlog()
        self._successors = Successors()
        self._begun = 0
        """How many successors had begun while the last transaction was under way."""
        self._engines = 1
        """How many engines there are at this database; on SQLite only one, but for a moment."""
        self._offered_at: float | None = None
        self.is_offered = False
        """Whether more could have been taken, and was left to others."""

    @property
    def is_unfinished(self) -> bool:
        """Whether there may be more to take than was looked at."""
        return self._backlog.is_unfinished

    def forget(self) -> None:
        """Forget what comes next, after a transaction of which nobody knows what became of it."""
        self._successors.clear()
        self._backlog.clear()

    def ask_what_came(self, statements: Statements, *, everything: bool) -> list[Command]:
        """For `discover`: which batches there are, and at a server how many engines."""
        present: list[Command] = [] if statements.is_sqlite else [(_PRESENT, {})]
        return [self._backlog.ask_for_batches(everything=everything), *present]

    def discover(self, found: Sequence[Rows]) -> None:
        """Take in the answers."""
        live, *engines = found
        if engines:
            self._engines = max(1, int(engines[0][0][0]))
        self._withdraw_successors()  # A batch that has just come has its turn before them.
        self._backlog.discover(live)

    def successor(self, now: datetime) -> Begun | None:
        """What begins at once in the place of an upgrade that has ended; `settle` is to be told of it.

        Any thread may ask.
        """
        successor = None if self._rooms() else self._successors.take()
        if successor is None:
            return None
        claimed = UpgradeStatus.IN_PROGRESS, UpgradeStep.CHECKING, now, now, now, None
        columns = zip(CLAIMED, (*claimed, self._owner, now + self._lease), strict=True)
        return Begun(successor.candidate, {**successor.values, **dict(columns)})

    def ask(self, statements: Statements, begun: Sequence[int]) -> list[Command]:
        """How many upgrades are in progress; before it, where there are any, which of these successors can be
        claimed, and when a request of each was last about to leave.

        No other claim overlaps this transaction from here on.
        """
        # SQLite's write lock is held already.
        lock: list[Command] = [] if statements.is_sqlite else [(_LOCK_CLAIMS, {"key": CLAIM_LOCK})]
        return [*lock, (_STILL_PENDING, {"keys": begun}), (_COUNT, {})] if begun else [*lock, (_COUNT, {})]

    def settle(
        self,
        begun: Sequence[Candidate],
        claimed: Container[int],
        pending: Container[int],
        free_tenants: Iterable[str],
    ) -> None:
        """Hear which successors of those that have begun are claimed.

        :param pending: those that could have been, but for the others there was no place
        :param free_tenants: those of which an upgrade has just ended
        """
        for tenant_id in free_tenants:
            self._backlog.tenant_is_free(tenant_id)
        self._successors.settle(begun)
        self._begun = len(begun)
        without_place = []
        for candidate in begun:
            if candidate.upgrade_id in claimed:
                continue
            if candidate.upgrade_id in pending:
                without_place.append(candidate)
            else:  # It was canceled, is being imported, or another upgrade of its customer is in progress.
                self._backlog.pass_over(candidate.batch, candidate.tenant_id)
        if without_place:
            self._withdraw_successors()
            self._backlog.give_back(without_place)

    def take(self, statements: Statements, places: int, now: datetime) -> list[Mapping[str, Any]]:
        """Claim up to so many, at most one of each tenant; their rows. `ask` comes first.

        :param places: less than none where more are in progress than the limit
        """
        free = self._share(statements, places)
        rooms = self._rooms_left(statements) if free > 0 else {}
        if rooms:
            self._withdraw_successors()
        claimed: list[Mapping[str, Any]] = []
        while len(claimed) < free:
            missing = free - len(claimed)
            # The rest of the line stays: what ends meanwhile needs successors, or it would come here as well.
            chosen = self._successors.first(missing) or self._choose(statements, missing, rooms)
            if not chosen:
                break
            claimed += self._claim(statements, chosen, rooms, now)
        is_full = len(claimed) == places
        if is_full and not rooms and self._engines == 1:
            self._prepare_successors(statements)
        else:
            self._withdraw_successors()
        return claimed

    def give_back(self, begun: Sequence[Candidate]) -> None:
        """Take back successors that are not to be claimed now."""
        self._successors.settle(begun)
        self._backlog.give_back(begun)

    def _prepare_successors(self, statements: Statements) -> None:
        """Choose what begins next. Each place is taken, and no other engine could have one free."""
        line = self.limit + min(LINE, 2 * self._begun)
        chosen = self._choose(statements, line - len(self._successors), {})
        if not chosen:
            return
        found = statements.rows(_PENDING, keys=[candidate.upgrade_id for candidate in chosen])
        rows = {row[0]: dict(zip(ROW, row, strict=True)) for row in found}
        for candidate in chosen:
            if candidate.upgrade_id in rows:
                self._successors.add(Successor(candidate, rows[candidate.upgrade_id]))
            else:
                self._backlog.pass_over(candidate.batch, candidate.tenant_id)

    def _withdraw_successors(self) -> None:
        self._backlog.give_back(self._successors.withdraw())

    def _share(self, statements: Statements, free: int) -> int:
        """How many of the free places this worker takes now, so that all engines have their part."""
        self.is_offered = False
        if self._engines > 1 and free > 0:
            mine = int(statements.rows(_MINE, owner=self._owner)[0][0])
            share = max(0, -(-self.limit // self._engines) - mine)
            self.is_offered = share < free and not self._was_offered_long()
            free = share if self.is_offered else free
        if not self.is_offered:
            self._offered_at = None
        return free

    def _was_offered_long(self) -> bool:
        """Whether others have had the time to take what is free, and did not."""
        self._offered_at = self._offered_at or monotonic()
        return monotonic() - self._offered_at >= OFFER

    def _choose(self, statements: Statements, wanted: int, rooms: dict[str, int]) -> list[Candidate]:
        chosen: dict[str, Candidate] = {}
        if wanted <= 0:
            return []
        about_to_begin = {each.tenant_id for each in self._successors.candidates()}
        for candidate in self._backlog.candidates(statements, lambda key: rooms.get(key, 1) > 0):
            if candidate.tenant_id in chosen or candidate.tenant_id in about_to_begin:
                self._backlog.pass_over(candidate.batch, candidate.tenant_id)
                continue
            chosen[candidate.tenant_id] = candidate
            if candidate.batch.instance_id in rooms:
                rooms[candidate.batch.instance_id] -= 1
            if len(chosen) == wanted:
                break
        return list(chosen.values())

    def _claim(
        self,
        statements: Statements,
        chosen: Sequence[Candidate],
        rooms: dict[str, int],
        now: datetime,
    ) -> list[Mapping[str, Any]]:
        keys = [candidate.upgrade_id for candidate in chosen]
        rows = statements.rows(_CLAIM, keys=keys, now=now, owner=self._owner, expires=now + self._lease)
        taken = {row[0]: dict(zip(ROW, row, strict=True)) for row in rows}
        claimed: list[Mapping[str, Any]] = []
        for candidate in chosen:
            if candidate.upgrade_id in taken:
                claimed.append(taken[candidate.upgrade_id])
                continue
            # It was canceled or taken, or another upgrade of its customer is in progress.
            self._backlog.pass_over(candidate.batch, candidate.tenant_id)
            if candidate.batch.instance_id in rooms:
                rooms[candidate.batch.instance_id] += 1
        return claimed

    def _rooms_left(self, statements: Statements) -> dict[str, int]:
        """How many more may start of the instances that have less room than the limit, by their ids."""
        rooms = self._rooms()
        if not rooms:
            return {}
        return {
            instance_id: rooms[name.casefold()] - running
            for instance_id, name, running in statements.rows(_RUNNING)
            if name.casefold() in rooms
        }


_TABLE = cast("Table", Upgrade.__table__)
CLAIMED = (
    *("status", "step", "started_at", "changed_at", "due_at"),
    *("waiting_for", "lease_owner", "lease_expires_at"),
)
"""Columns that a claim sets."""

ROW = (*(column.key for column in _TABLE.columns), "instance_name")
"""What is known of an upgrade that is in progress here: its columns, and the name of its instance."""

_INSTANCE_NAME = (
    select(ApplicationInstance.name)
    .where(ApplicationInstance.id == Upgrade.application_instance_id)
    .scalar_subquery()
)
_KEY, _OWNER = bindparam("key", type_=Upgrade.id.type), bindparam("owner", type_=Upgrade.lease_owner.type)
_NOW = bindparam("now", type_=Upgrade.due_at.type)

_LOCK_CLAIMS = Prepared(select(func.pg_advisory_xact_lock(bindparam("key"))))
_COUNT = Prepared(select(func.count()).select_from(Upgrade).where(IN_PROGRESS, ANY_TENANT))
_MINE = Prepared(
    select(func.count()).select_from(Upgrade).where(IN_PROGRESS, ANY_TENANT, Upgrade.lease_owner == _OWNER)
)
_LOCKS = table("pg_locks", *map(column, ("locktype", "mode", "database", "classid", "objid", "objsubid")))
_DATABASES = table("pg_database", column("oid"), column("datname"))
_PRESENT = Prepared(
    select(func.count())
    .select_from(_LOCKS)
    .where(
        _LOCKS.c.locktype == "advisory",
        _LOCKS.c.mode == "ShareLock",
        _LOCKS.c.classid == 0,
        _LOCKS.c.objid == PRESENCE_LOCK,
        _LOCKS.c.objsubid == 1,
        _LOCKS.c.database
        == select(_DATABASES.c.oid).where(_DATABASES.c.datname == func.current_database()).scalar_subquery(),
    )
)
_RUNNING = Prepared(
    select(
        ApplicationInstance.id,
        ApplicationInstance.name,
        select(func.count())
        .where(IN_PROGRESS, ANY_TENANT, Upgrade.application_instance_id == ApplicationInstance.id)
        .scalar_subquery(),
    )
)
_CLAIM = Prepared(
    update(Upgrade)
    .where(
        Upgrade.id.in_(
            # What is being canceled at this moment is left alone, and what is being imported: a trigger
            # writes the status into the subscription, and the engine never waits for anybody.
            select(Upgrade.id)
            .join(Subscription, OF_ITS_SUBSCRIPTION)
            .where(among(Upgrade.id, "keys"), IS_PENDING, ~TENANT_IS_BUSY)
            .with_for_update(of=[Upgrade, Subscription], skip_locked=True)
            .correlate(None)
        )
    )
    .values(
        status=literal_column("'in_progress'"),
        step=literal_column("'checking'"),
        started_at=_NOW,
        changed_at=_NOW,
        due_at=_NOW,
        waiting_for=null(),
        lease_owner=_OWNER,
        lease_expires_at=bindparam("expires", type_=Upgrade.due_at.type),
    )
    .returning(*_TABLE.columns, _INSTANCE_NAME)
)
_STILL_PENDING = Prepared(
    select(Upgrade.id, Upgrade.intended_at)
    .join(Subscription, OF_ITS_SUBSCRIPTION)
    .where(among(Upgrade.id, "keys"), IS_PENDING, ~TENANT_IS_BUSY)
    .with_for_update(of=[Upgrade, Subscription], skip_locked=True)
)
_PENDING = Prepared(
    select(*_TABLE.columns, _INSTANCE_NAME).where(among(Upgrade.id, "keys"), IS_PENDING, ~TENANT_IS_BUSY)
)
READ = Prepared(select(*_TABLE.columns, _INSTANCE_NAME).where(Upgrade.id == _KEY))
