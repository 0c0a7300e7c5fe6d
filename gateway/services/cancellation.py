"""Cancels upgrades that are still pending; one that was claimed first says so."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from gateway.models import LIVE, Upgrade, UpgradeBatch, UpgradeStatus
from gateway.services.abilities import Abilities
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Caller
from gateway.services.events import add_events
from gateway.services.keys import chunks
from gateway.services.planning import one_plan_for_all_rows
from gateway.services.selection import Selection

log = logging.getLogger(__name__)

_REASONS = {
    UpgradeStatus.IN_PROGRESS: "It has begun and cannot be stopped; upgrades at Microsoft are final",
    UpgradeStatus.COMPLETED: "It is completed; upgrades at Microsoft are final",
    UpgradeStatus.COMPLETED_WITH_WARNINGS: "It is completed; upgrades at Microsoft are final",
    UpgradeStatus.FAILED: "It has failed; there is nothing to cancel",
    UpgradeStatus.CANCELED: "It was canceled before",
}


class NotCanceled(NamedTuple):
    """An upgrade that stays as it is, and why."""

    upgrade_id: int
    status: UpgradeStatus
    detail: str


class Cancellation:
    """What became of the upgrades, by rising ids."""

    def __init__(self) -> None:
        self.canceled: list[int] = []
        self.not_canceled: list[NotCanceled] = []
        self.finished = 0
        """How many had ended before; of a batch those are counted here and not listed."""


class UpgradeCancellation:
    """Cancels what one caller asks for."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def cancel(
        self, *, upgrade_ids: Sequence[int] | None = None, batch_id: int | None = None, now: datetime
    ) -> Cancellation:
        """Cancel those of them that are pending.

        :raises InvalidSelectionError: unless exactly one of upgrades and batch is given
        :raises NotFoundError: if something does not exist for the caller
        :raises ForbiddenError: if the caller may not upgrade
        """
        abilities = Abilities(self._db)
        abilities.require_role(self._caller)
        selection = Selection(self._db, self._caller, upgrade_ids, batch_id)
        for instance_id in sorted(selection.instance_ids()):
            abilities.require_upgrade(self._caller, instance_id)
        result = Cancellation()
        with one_plan_for_all_rows(self._db.connection()):
            for which in selection.conditions():
                result.canceled += self._cancel(which, now)
        for which in selection.conditions():
            self._report_others(which, selection, result)
        result.finished -= len(result.canceled)
        if result.canceled:
            self._record(result, batch_id, now)
        log.info(
            "Upgrades canceled: count=%s refused=%s account=%s",
            len(result.canceled),
            len(result.not_canceled),
            self._caller.account_id,
        )
        return result

    def _record(self, result: Cancellation, batch_id: int | None, now: datetime) -> None:
        batch = self._db.get(UpgradeBatch, batch_id) if batch_id is not None else None
        one = f"upgrade {result.canceled[0]}" if len(result.canceled) == 1 else None
        kept = f"; {len(result.not_canceled)} not canceled" if result.not_canceled else ""
        Audit(self._db).record(
            AuditAction.UPGRADES_CANCELED,
            self._caller.actor,
            now,
            account_id=batch.account_id if batch else None,
            subject=f"batch {batch.id}" if batch else one,
            detail=f"Pending upgrades canceled: {len(result.canceled)}{kept}",
        )

    def _cancel(self, which: ColumnElement[bool], now: datetime) -> list[int]:
        """Cancel what is pending at the moment of the update, so that no claim can slip in between."""
        pending = select(Upgrade.id).where(which, Upgrade.status == UpgradeStatus.PENDING)
        # Rows are locked in one order, so that two cancellations never wait for each other in a circle.
        ids = self._db.scalars(pending.order_by(Upgrade.id).with_for_update(of=Upgrade)).all()
        canceled: list[int] = []
        for chunk in chunks(ids):
            statement = (
                update(Upgrade)
                .where(Upgrade.id.in_(chunk), Upgrade.status == UpgradeStatus.PENDING)
                .values(
                    status=UpgradeStatus.CANCELED,
                    finished_at=now,
                    changed_at=now,
                    due_at=None,
                    waiting_for=None,
                )
                .returning(Upgrade.id)
            )
            fetch = {"synchronize_session": "fetch"}
            updated = self._db.scalars(statement, execution_options=fetch).all()
            detail = f"Canceled by {self._caller.name}"
            add_events(self._db, Upgrade.id.in_(updated), "canceled", detail, now)
            canceled += updated
        return sorted(canceled)

    def _report_others(self, which: ColumnElement[bool], selection: Selection, result: Cancellation) -> None:
        canceled = set(result.canceled)
        listed = select(Upgrade.id, Upgrade.status).where(which).order_by(Upgrade.id)
        if selection.is_batch:
            listed = listed.where(Upgrade.status.in_(LIVE))
        for row in self._db.execute(listed):
            if row.id not in canceled:
                result.not_canceled.append(NotCanceled(row.id, row.status, _REASONS[row.status]))
        ended = select(func.count()).select_from(Upgrade).where(which, Upgrade.status.not_in(LIVE))
        result.finished += self._db.scalar(ended) or 0
