"""What one transaction of the ledger writes: outcomes, and what is claimed in the places that they leave.

All that must be known is asked for at once, and kept from everybody else until the transaction ends. It is
settled in memory what that means, in the order in which things happened, and written in as many statements
for a thousand upgrades as for one. A successor that is over already is written once, as claimed and ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import bindparam, select

from gateway.engine.backlog import IS_IN_PROGRESS, IS_PENDING
from gateway.engine.entries import Entry, LeaseLostError, NotClaimedError, Waiting, in_turns
from gateway.engine.taking import CLAIMED, Taking
from gateway.models import Upgrade, UpgradeEvent
from gateway.services.plan_change import Resources, change_plans, lock_of, resources_of
from gateway.statements import Command, Prepared, PreparedForMany, Rows, Statements, among


class Posting:
    """One transaction for a group of threads."""

    def __init__(
        self, group: Sequence[Waiting], taking: Taking, owner: str, *, is_alone: bool, is_stopping: bool
    ) -> None:
        """:param is_alone: wait for who holds a subscription; others use the backlog meanwhile
        :param is_stopping: whether nothing is to be claimed any more
        """
        self._group = group
        self._turns = in_turns(group)
        self._entries = [waiting.entry for waiting in group if waiting.entry]
        self._begun = {waiting.begun.upgrade_id: waiting.begun for waiting in group if waiting.begun}
        self._requests = [waiting for waiting in group if waiting.entry is None]
        self._taking = taking
        self._owner = owner
        self._is_alone = is_alone
        wants = self._requests or self._begun or any(entry.ends for entry in self._entries)
        self._claims = bool(wants) and not (is_alone or is_stopping)
        self._written: dict[int, Entry] = {}
        self._come_true: set[int] = set()
        """Those that have begun and are claimed."""
        self.claimed: list[Mapping[str, Any]] = []
        """Rows of what is claimed and has not begun."""

    @property
    def ends_without_successor(self) -> bool:
        """Whether fewer were claimed than have ended."""
        ended = sum(entry.ends is not None for entry in self._written.values())
        return ended > len(self._come_true) + len(self.claimed)

    def write(self, statements: Statements, now: datetime) -> None:
        resources, mine, pending, in_progress, came = self._look(statements)
        left = self._settle(mine, pending, self._taking.limit - in_progress)
        self._post(statements, resources, now)
        self._claim(statements, pending, left, came, now)
        statements.run_many(_ADD_EVENT, list(self._events(now)))

    def conclude(self, not_claimed: set[int]) -> None:
        """Tell each thread what came of it, now that all is committed.

        :param not_claimed: successors that began in vain, and do not know it yet
        """
        claimed = [*self._come_true, *(row["id"] for row in self.claimed)]
        for turn in self._turns:
            for waiting in turn:
                if waiting.entry is None:
                    waiting.claimed = claimed
                elif waiting.is_lost:
                    waiting.error = _loss_of(waiting.entry.upgrade_id, not_claimed)
            not_claimed |= {w.begun.upgrade_id for w in turn if w.begun}.difference(claimed)
        not_claimed.difference_update(claimed)

    def _look(self, statements: Statements) -> tuple[Resources, _Known, _Known, int, Sequence[Rows]]:
        """What plans and subscriptions have; what this worker holds; which successors can be claimed; how
        many upgrades are in progress; and what came since the last look.
        """
        entries = self._entries
        ended = [entry.ends.subscription_id for entry in entries if entry.ends]
        changes = [entry.change for entry in entries if entry.change]
        asked: list[Sequence[Command]] = [
            # SQLite has one writer at a time, who holds everything.
            [lock_of(ended, wait=self._is_alone)] if ended and not statements.is_sqlite else [],
            [(_HOLD, {"keys": [e.upgrade_id for e in entries], "owner": self._owner})] if entries else [],
            resources_of(changes) if changes else [],
            self._taking.ask(statements, list(self._begun)) if self._claims else [],
            self._ask_what_came(statements) if self._claims and self._requests else [],
        ]
        found = iter(statements.each(list(chain.from_iterable(asked))))
        locked, held, resources, places, came = ([next(found) for _ in commands] for commands in asked)
        if locked:
            self._set_apart({key for (key,) in locked[0]})
        mine = dict(held[0]) if held else {}
        pending = dict(places[-2]) if self._claims and self._begun else {}
        in_progress = int(places[-1][0][0]) if places else 0
        return Resources(*resources), mine, pending, in_progress, came

    def _ask_what_came(self, statements: Statements) -> list[Command]:
        everything = any(waiting.everything for waiting in self._requests)
        return self._taking.ask_what_came(statements, everything=everything)

    def _set_apart(self, locked: Collection[str]) -> None:
        """Leave out who would have to wait for somebody, and would have all others wait, too."""
        for waiting in self._group:
            end = waiting.entry and waiting.entry.ends
            waiting.must_go_alone = bool(end and end.subscription_id not in locked)

    def _settle(self, mine: _Known, pending: _Known, places: int) -> int:
        """What is written, and which successors are claimed, each in the place of one before it.

        :param places: for so many more than there are in progress
        :returns: how many are left
        """
        for turn in self._turns:
            for waiting in turn:
                entry = waiting.entry
                if entry is None or waiting.must_go_alone:
                    continue
                # Whoever does not know of a request may be about to send another one.
                waiting.is_lost = mine.get(entry.upgrade_id, _NOT_MINE) != entry.intended_at
                if not waiting.is_lost:
                    self._written[entry.upgrade_id] = entry
                    places += entry.ends is not None
            for begun in (waiting.begun for waiting in turn if waiting.begun):
                if begun.upgrade_id in pending and places > 0:
                    mine[begun.upgrade_id] = pending[begun.upgrade_id]
                    self._come_true.add(begun.upgrade_id)
                    places -= 1
        return places

    def _post(self, statements: Statements, resources: Resources, now: datetime) -> None:
        """Write outcomes and the claims of successors, but for their events."""
        changes = [entry.change for entry in self._written.values() if entry.change]
        change_plans(statements, changes, resources, now)
        by_columns: dict[tuple[bool, tuple[str, ...]], list[dict[str, Any]]] = {}
        for upgrade_id in dict.fromkeys(chain(self._written, self._come_true)):
            is_new = upgrade_id in self._come_true
            values = {key: self._begun[upgrade_id].row[key] for key in CLAIMED} if is_new else {}
            if upgrade_id in self._written:
                values.update(self._written[upgrade_id].values)
            by_columns.setdefault((is_new, tuple(values)), []).append({"id": upgrade_id, **values})
        for (is_new, columns), rows in by_columns.items():
            if is_new:
                statements.run_many(_claiming(columns), rows)
            else:
                statements.run_many(_setting(columns), rows, owner=self._owner)

    def _claim(
        self, statements: Statements, pending: _Known, places: int, came: Sequence[Rows], now: datetime
    ) -> None:
        """Claim what is asked for and what there is room for besides."""
        begun = [each.candidate for each in self._begun.values()]
        if not self._claims:
            self._taking.give_back(begun)
            return
        if came:
            self._taking.discover(came)
        free = [entry.ends.tenant_id for entry in self._written.values() if entry.ends]
        self._taking.settle(begun, self._come_true, pending, free)
        self.claimed = self._taking.take(statements, places, now)

    def _events(self, now: datetime) -> Iterator[Mapping[str, Any]]:
        """In the order in which things happened."""
        for turn in self._turns:
            for waiting in turn:
                entry = waiting.entry
                if entry and entry.event and entry.upgrade_id in self._written:
                    yield entry.event
            for begun in (waiting.begun for waiting in turn if waiting.begun):
                if begun.upgrade_id in self._come_true:
                    yield _started(begun.upgrade_id, begun.row["started_at"])
        for row in self.claimed:
            yield _started(row["id"], now)


def _loss_of(upgrade_id: int, not_claimed: set[int]) -> LeaseLostError:
    if upgrade_id in not_claimed:
        not_claimed.discard(upgrade_id)
        return NotClaimedError(f"upgrade {upgrade_id} could not be claimed")
    return LeaseLostError(f"upgrade {upgrade_id} is worked on by somebody else")


def _started(upgrade_id: int, at: datetime) -> dict[str, Any]:
    return dict.fromkeys(_EVENT_COLUMNS) | {
        "upgrade_id": upgrade_id,
        "at": at,
        "name": "started",
        "attempt": 0,
    }


_Known = dict[int, datetime | None]
"""When a request was last about to leave, of each upgrade."""

_NOT_MINE = object()
_EVENT_COLUMNS = ("upgrade_id", "at", "name", "detail", "attempt", "request_id", "correlation_id")
_ADD_EVENT = PreparedForMany(UpgradeEvent.__table__, _EVENT_COLUMNS)
_MINE = IS_IN_PROGRESS, Upgrade.lease_owner == bindparam("owner", type_=Upgrade.lease_owner.type)
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


@lru_cache(maxsize=256)
def _claiming(columns: tuple[str, ...]) -> PreparedForMany:
    """Claims upgrades, and sets what there is to say of them already."""
    return PreparedForMany(Upgrade.__table__, columns, key="id", where=[IS_PENDING])
