"""Takes pending upgrades in turn, as many as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, func, literal_column, null, select, update

from gateway.engine.backlog import ANY_TENANT, IN_PROGRESS, PENDING, TENANT_IS_BUSY, Backlog, Candidate
from gateway.models import ApplicationInstance, Upgrade
from gateway.statements import Prepared, Statements

CLAIM_LOCK = 0x0365_0001
"""Advisory lock of PostgreSQL: one claim at a time, over all nodes, so that the limit can be counted."""


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
        self._limit = limit
        self._rooms = rooms
        self._backlog = Backlog()

    @property
    def is_unfinished(self) -> bool:
        """Whether there may be more to take than was looked at."""
        return self._backlog.is_unfinished

    def forget(self) -> None:
        """Forget what comes next, after a transaction of which nobody knows what became of it."""
        self._backlog.clear()

    def discover(self, statements: Statements, *, everything: bool) -> None:
        self._backlog.discover(statements, everything=everything)

    def take(
        self, statements: Statements, free_tenants: Iterable[str], now: datetime
    ) -> list[Mapping[str, Any]]:
        """Claim while fewer than the limit are in progress, at most one of each tenant; the rows.

        No other claim overlaps this transaction from here on.

        :param free_tenants: those of which an upgrade has just ended
        """
        if not statements.is_sqlite:  # SQLite's write lock is held already.
            statements.rows(_LOCK_CLAIMS, key=CLAIM_LOCK)
        for tenant_id in free_tenants:
            self._backlog.tenant_is_free(tenant_id)
        free = self._limit - int(statements.rows(_COUNT)[0][0])
        claimed: list[Mapping[str, Any]] = []
        rooms = self._rooms_left(statements) if free > 0 else {}
        while len(claimed) < free:
            chosen = self._choose(statements, free - len(claimed), rooms)
            if not chosen:
                break
            claimed += self._claim(statements, chosen, rooms, now)
        return claimed

    def _choose(self, statements: Statements, wanted: int, rooms: dict[str, int]) -> list[Candidate]:
        chosen: dict[str, Candidate] = {}
        for candidate in self._backlog.candidates(statements, lambda key: rooms.get(key, 1) > 0):
            if candidate.tenant_id in chosen:
                self._backlog.pass_over(candidate.batch, candidate.tenant_id)
                continue
            chosen[candidate.tenant_id] = candidate
            if candidate.batch.instance_id in rooms:
                rooms[candidate.batch.instance_id] -= 1
            if len(chosen) == wanted:
                break
        return list(chosen.values())

    def _claim(
        self, statements: Statements, chosen: Sequence[Candidate], rooms: dict[str, int], now: datetime
    ) -> list[Mapping[str, Any]]:
        mine = {"now": now, "owner": self._owner, "expires": now + self._lease}
        answers = statements.each([(_CLAIM, {"key": c.upgrade_id, **mine}) for c in chosen])
        claimed: list[Mapping[str, Any]] = []
        for candidate, rows in zip(chosen, answers, strict=True):
            if rows:
                claimed.append(dict(zip(ROW, rows[0], strict=True)))
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
        Upgrade.id
        # What is being canceled at this moment is left alone.
        == select(Upgrade.id)
        .where(Upgrade.id == _KEY, PENDING, ~TENANT_IS_BUSY)
        .with_for_update(of=Upgrade, skip_locked=True)
        .correlate(None)
        .scalar_subquery()
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
READ = Prepared(select(*_TABLE.columns, _INSTANCE_NAME).where(Upgrade.id == _KEY))
