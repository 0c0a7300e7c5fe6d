"""Refresh Statuses: has the engine read from Microsoft now what it would read later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from gateway.models import LIVE, Upgrade, UpgradeStatus, UpgradeStep
from gateway.services.caller import Caller
from gateway.services.keys import chunks
from gateway.services.selection import Selection

READ_FROM_MICROSOFT = (UpgradeStep.WAITING, UpgradeStep.VERIFYING)
"""The steps in which an upgrade waits for something to change at Microsoft."""

_ENDED = "It has ended; its status is final"
_REASONS = {
    UpgradeStatus.PENDING: "It has not begun; there is nothing to read from Microsoft yet",
    UpgradeStatus.IN_PROGRESS: "It is being checked or sent to Microsoft; its status changes by itself",
}


class NotRefreshed(NamedTuple):
    """An upgrade that does not wait for Microsoft, and why."""

    upgrade_id: int
    status: UpgradeStatus
    detail: str


class Refresh:
    """Which upgrades are read again, by rising ids."""

    def __init__(self) -> None:
        self.refreshed: list[int] = []
        self.not_refreshed: list[NotRefreshed] = []
        self.others = 0
        """Of a batch, how many are pending or have ended; those are not listed."""


class StatusRefresh:
    """Refreshes the upgrades that one caller sees; whoever may read may do so."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def refresh(
        self, *, upgrade_ids: Sequence[int] | None = None, batch_id: int | None = None, now: datetime
    ) -> Refresh:
        """Make those due that wait for Microsoft.

        :raises InvalidSelectionError: unless exactly one of upgrades and batch is given
        :raises NotFoundError: if something does not exist for the caller
        """
        selection = Selection(self._db, self._caller, upgrade_ids, batch_id)
        result = Refresh()
        for which in selection.conditions():
            refreshed = self._make_due(which, now)
            result.refreshed += refreshed
            self._report_others(which, selection, set(refreshed), result)
        return result

    def _make_due(self, which: ColumnElement[bool], now: datetime) -> list[int]:
        waits = Upgrade.status == UpgradeStatus.IN_PROGRESS, Upgrade.step.in_(READ_FROM_MICROSOFT)
        # Rows are locked in one order, so that two refreshes never wait for each other in a circle.
        locked = select(Upgrade.id).where(which, *waits).order_by(Upgrade.id).with_for_update(of=Upgrade)
        refreshed: list[int] = []
        for chunk in chunks(self._db.scalars(locked).all()):
            statement = (
                update(Upgrade)
                .where(Upgrade.id.in_(chunk), *waits)
                # One that is overdue keeps its place.
                .values(due_at=case((Upgrade.due_at < now, Upgrade.due_at), else_=now))
                .returning(Upgrade.id)
            )
            fetch = {"synchronize_session": "fetch"}
            refreshed += self._db.scalars(statement, execution_options=fetch).all()
        return sorted(refreshed)

    def _report_others(
        self, which: ColumnElement[bool], selection: Selection, refreshed: set[int], result: Refresh
    ) -> None:
        in_progress = Upgrade.status == UpgradeStatus.IN_PROGRESS
        listed = select(Upgrade.id, Upgrade.status).where(which).order_by(Upgrade.id)
        if selection.is_batch:
            listed = listed.where(in_progress)
            result.others = (
                self._db.scalar(select(func.count()).select_from(Upgrade).where(which, ~in_progress)) or 0
            )
        result.not_refreshed += [
            NotRefreshed(row.id, row.status, _REASONS[row.status] if row.status in LIVE else _ENDED)
            for row in self._db.execute(listed)
            if row.id not in refreshed
        ]
