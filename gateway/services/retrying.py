"""Schedules failed upgrades again: the old ones stay as they ended, and each is linked to its successor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from gateway.models import Upgrade, UpgradeBatch, UpgradeStatus
from gateway.services.branch import sees_batch, sees_upgrade
from gateway.services.caller import Caller
from gateway.services.errors import (
    InvalidSelectionError,
    NotEligibleError,
    UpgradeBatchNotFoundError,
    UpgradeNotFoundError,
)
from gateway.services.events import add_events
from gateway.services.keys import chunks, is_row_id
from gateway.services.scheduling import MOST_SUBSCRIPTIONS, UpgradeScheduling


class Reason(NamedTuple):
    """Why an upgrade is not scheduled again, and what to do instead."""

    detail: str
    remedy: str


class NotAgain(NamedTuple):
    """An upgrade that is left as it is."""

    upgrade: Upgrade
    reasons: tuple[Reason, ...]
    successor_batch_id: int | None = None
    """Where it was scheduled again before."""


class RetryAssessment(NamedTuple):
    """Which upgrades would be scheduled again, both by their numbers."""

    eligible: list[Upgrade]
    refused: list[NotAgain]

    @property
    def done_before_in(self) -> int | None:
        """The batch in which they all were scheduled again already; None unless that is so."""
        batches = {each.successor_batch_id for each in self.refused}
        return batches.pop() if not self.eligible and len(batches) == 1 else None


class UpgradeRetry:
    """Schedules failed upgrades of one batch again, for one caller."""

    def __init__(self, db: Session, caller: Caller, scheduling: UpgradeScheduling) -> None:
        self._db = db
        self._caller = caller
        self._scheduling = scheduling

    def assess(self, batch_id: int, upgrade_ids: Sequence[int] | None, now: datetime) -> RetryAssessment:
        """Say what `retry` would do, and store nothing.

        :param upgrade_ids: those to schedule again; all failed ones of the batch when None
        :raises InvalidSelectionError: if there is none
        :raises NotFoundError: if something does not exist for the caller, or not in the batch
        :raises ForbiddenError: if the caller may not upgrade
        """
        target_plan_id = self._target(batch_id)
        return self._assess(self._upgrades(batch_id, upgrade_ids), target_plan_id, now)

    def retry(
        self, batch_id: int, upgrade_ids: Sequence[int] | None, now: datetime
    ) -> tuple[UpgradeBatch, RetryAssessment]:
        """Make a batch of those that may be scheduled again; the others are left out.

        :raises NotEligibleError: if there is none; nothing is stored then
        :raises GatewayError: as `assess` does
        """
        target_plan_id = self._target(batch_id)
        upgrades = self._upgrades(batch_id, upgrade_ids)
        # Whoever comes second waits here, and finds the successors that the first one made.
        self._scheduling.lock([each.subscription_id for each in upgrades])
        assessment = self._assess(upgrades, target_plan_id, now)
        if not assessment.eligible:
            raise NotEligibleError([])
        repeated = {each.subscription_id: each.id for each in assessment.eligible}
        scheduled = self._scheduling.schedule(
            list(repeated), target_plan_id, only_eligible=False, now=now, retry_of=repeated
        )
        detail = f"In batch {scheduled.batch.id}, by {self._caller.name}"
        for chunk in chunks(list(repeated.values())):
            add_events(self._db, Upgrade.id.in_(chunk), "scheduled_again", detail, now)
        return scheduled.batch, assessment

    def _target(self, batch_id: int) -> str:
        query = select(UpgradeBatch.target_plan_id).where(
            UpgradeBatch.id == batch_id, sees_batch(self._caller)
        )
        plan_id = self._db.scalar(query) if is_row_id(batch_id) else None
        if plan_id is None:
            raise UpgradeBatchNotFoundError([batch_id])
        return plan_id

    def _upgrades(self, batch_id: int, upgrade_ids: Sequence[int] | None) -> list[Upgrade]:
        query = select(Upgrade).where(Upgrade.batch_id == batch_id, sees_upgrade(self._caller))
        query = query.options(joinedload(Upgrade.account)).order_by(Upgrade.id)
        if upgrade_ids is None:
            failed = query.where(Upgrade.status == UpgradeStatus.FAILED).limit(MOST_SUBSCRIPTIONS)
            found = list(self._db.scalars(failed))
        else:
            wanted = sorted({key for key in upgrade_ids if is_row_id(key)})
            found = [
                each
                for chunk in chunks(wanted)
                for each in self._db.scalars(query.where(Upgrade.id.in_(chunk)))
            ]
            if len(found) < len(set(upgrade_ids)):
                known = {each.id for each in found}
                raise UpgradeNotFoundError([key for key in upgrade_ids if key not in known])
        if not found:
            raise InvalidSelectionError("no upgrade to schedule again; expected at least one that has failed")
        return found

    def _assess(self, upgrades: Sequence[Upgrade], target_plan_id: str, now: datetime) -> RetryAssessment:
        successors = self._successors([each.id for each in upgrades])
        newest = self._newest([each.subscription_id for each in upgrades])
        refused: dict[int, NotAgain] = {}
        for each in upgrades:
            if refusal := _own_reason(each, successors.get(each.id), newest.get(each.subscription_id)):
                refused[each.id] = refusal
        left = {each.subscription_id: each for each in upgrades if each.id not in refused}
        if left:
            for found in self._scheduling.assess(list(left), target_plan_id, now).refused:
                upgrade = left[found.subscription_id]
                reasons = tuple(Reason(each.detail, each.remedy) for each in found.violations)
                refused[upgrade.id] = NotAgain(upgrade, reasons)
        eligible = [each for each in upgrades if each.id not in refused]
        return RetryAssessment(eligible, [refused[key] for key in sorted(refused)])

    def _successors(self, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """The upgrades that repeat these, and their batches."""
        query = select(Upgrade.retry_of_id, Upgrade.id, Upgrade.batch_id)
        rows = self._in_chunks(ids, lambda chunk: query.where(Upgrade.retry_of_id.in_(chunk)))
        return {before: (after, batch) for before, after, batch in rows}

    def _newest(self, subscription_ids: Sequence[str]) -> dict[str, int]:
        query = select(Upgrade.subscription_id, func.max(Upgrade.id)).group_by(Upgrade.subscription_id)
        key = Upgrade.subscription_id
        return dict(self._in_chunks(subscription_ids, lambda chunk: query.where(key.in_(chunk))))

    def _in_chunks(
        self, keys: Sequence[Any], query: Callable[[Sequence[Any]], Select[*tuple[Any, ...]]]
    ) -> Iterable[Any]:
        for chunk in chunks(keys):
            yield from self._db.execute(query(chunk))


def _own_reason(upgrade: Upgrade, successor: tuple[int, int] | None, newest: int | None) -> NotAgain | None:
    """What speaks against it, whatever its subscription is like."""
    if successor is not None:
        detail = f"It was scheduled again as upgrade {successor[0]}"
        return NotAgain(upgrade, (Reason(detail, "Follow that one"),), successor[1])
    if upgrade.status is not UpgradeStatus.FAILED:
        detail = (
            f"Its status is {upgrade.status.value.replace('_', ' ')}; only a failed one is scheduled again"
        )
        return NotAgain(upgrade, (Reason(detail, "Nothing is to be done"),))
    if newest is not None and newest > upgrade.id:
        return NotAgain(upgrade, (Reason(f"Upgrade {newest} came after it", "Look at that one"),))
    return None
