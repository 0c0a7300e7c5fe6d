"""What the steps of an upgrade share, and the one place where their outcomes are written down."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.engine.clients import PartnerCenterClients
from gateway.engine.outcome import Outcome, fail, outcome_unknown
from gateway.engine.pauses import Pauses
from gateway.models import ApplicationInstance, Upgrade, UpgradeEvent, UpgradeStatus
from gateway.partner_center import PartnerCenterClient
from gateway.services.plan_change import change_plan
from gateway.settings import AppSettings

log = logging.getLogger(__name__)

UPGRADED = (UpgradeStatus.COMPLETED, UpgradeStatus.COMPLETED_WITH_WARNINGS)


class LeaseLostError(Exception):
    """Another worker has taken the upgrade over, so this one must not touch it any more."""


@dataclass(frozen=True)
class Work:
    """One upgrade as a step sees it: a copy of its row, and the client of its instance."""

    upgrade: Upgrade
    instance_name: str
    client: PartnerCenterClient | None

    @property
    def microsoft(self) -> PartnerCenterClient:
        assert self.client is not None  # Checking, the first step, ends an upgrade that has no client.
        return self.client


@dataclass(frozen=True)
class EngineContext:
    database: Database
    clients: PartnerCenterClients
    app: AppSettings
    owner: str
    clock: Callable[[], datetime]
    stopping: threading.Event = field(default_factory=threading.Event)
    unsent: set[tuple[int, datetime]] = field(default_factory=set)
    """Intents (upgrade, `intended_at`) of which this process knows that their requests never left it."""

    @property
    def pauses(self) -> Pauses:
        return self.clients.pauses

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.app.upgrade_lease_seconds)

    def load(self, upgrade_id: int) -> Work | None:
        """A copy of the upgrade; None when it is not this worker's any more."""
        query = (
            select(Upgrade, ApplicationInstance.name)
            .join(ApplicationInstance, ApplicationInstance.id == Upgrade.application_instance_id)
            .where(Upgrade.id == upgrade_id)
        )
        with self.database.read() as db:
            row = db.execute(query).one()
            db.expunge_all()
        upgrade, instance_name = row
        if not self._owns(upgrade):
            return None
        client = self.clients.for_instance_name(instance_name)
        return Work(
            upgrade, instance_name, client.for_correlation(str(upgrade.correlation_id)) if client else None
        )

    def load_one_before(self, upgrade: Upgrade) -> Upgrade | None:
        """The upgrade that the subscription had before this one, if it was ever begun."""
        query = (
            select(Upgrade)
            .where(
                Upgrade.subscription_id == upgrade.subscription_id,
                Upgrade.id < upgrade.id,
                Upgrade.status != UpgradeStatus.CANCELED,
            )
            .order_by(Upgrade.id.desc())
            .limit(1)
        )
        with self.database.read() as db:
            found = db.scalar(query)
            db.expunge_all()
        return found

    def record(self, upgrade_id: int, outcome: Outcome) -> Outcome:
        """Write one outcome with its event, in one transaction; what was written is returned.

        :raises LeaseLostError: if another worker has taken the upgrade over; nothing is written then
        """
        now = self.clock()
        with self.database.write() as db:
            upgrade = db.get_one(Upgrade, upgrade_id, with_for_update=True)
            if not self._owns(upgrade):
                raise LeaseLostError(f"upgrade {upgrade_id} is worked on by {upgrade.lease_owner}")
            outcome = self.bounded(upgrade, outcome)
            self._apply(upgrade, outcome, now)
            if outcome.event:
                db.add(_event(upgrade, outcome, now))
            if outcome.finish:
                self._finish(db, upgrade, outcome, now)
        _log(upgrade, outcome)
        return outcome

    def _owns(self, upgrade: Upgrade) -> bool:
        return upgrade.status is UpgradeStatus.IN_PROGRESS and upgrade.lease_owner == self.owner

    def bounded(self, upgrade: Upgrade, outcome: Outcome) -> Outcome:
        """The outcome, unless its tries or its time are used up: nothing waits for ever."""
        now = self.clock()
        if outcome.finish or not outcome.after:
            return outcome
        if outcome.counts and upgrade.attempts + 1 >= self.app.upgrade_max_attempts:
            return _give_up(upgrade, f"{outcome.detail}; tried {upgrade.attempts + 1} times")
        waited = now + timedelta(seconds=outcome.after) - (upgrade.started_at or now)
        if waited > timedelta(hours=self.app.upgrade_timeout_hours):
            return _give_up(
                upgrade, f"{outcome.waiting_for}; {self.app.upgrade_timeout_hours:g} hours are over"
            )
        return outcome

    def _apply(self, upgrade: Upgrade, outcome: Outcome, now: datetime) -> None:
        for column, value in outcome.changes.items():
            setattr(upgrade, column, value)
        if outcome.step and outcome.step is not upgrade.step:
            upgrade.step = outcome.step
            if not outcome.counts:  # Going back for another try is no progress.
                upgrade.attempts = 0
        upgrade.attempts += outcome.counts
        upgrade.waiting_for = outcome.waiting_for
        upgrade.due_at = now + timedelta(seconds=outcome.after)
        upgrade.lease_expires_at = now + self.lease
        upgrade.changed_at = now

    def _finish(self, db: Session, upgrade: Upgrade, outcome: Outcome, now: datetime) -> None:
        assert outcome.finish is not None
        upgrade.status = outcome.finish
        upgrade.finished_at = now
        upgrade.due_at = upgrade.lease_owner = upgrade.lease_expires_at = None
        upgrade.reason_code, upgrade.reason, upgrade.remedy = (
            outcome.reason_code,
            outcome.reason,
            outcome.remedy,
        )
        if outcome.finish in UPGRADED:
            change_plan(
                db,
                upgrade,
                quantity=upgrade.quantity or 0,
                microsoft_subscription_id=_resulting_subscription(upgrade),
                now=now,
            )


def _resulting_subscription(upgrade: Upgrade) -> str:
    return upgrade.target_microsoft_subscription_id or upgrade.source_microsoft_subscription_id or ""


def _give_up(upgrade: Upgrade, detail: str) -> Outcome:
    """The end of an upgrade that cannot be waited for any longer, by what may have happened at Microsoft."""
    if upgrade.may_be_at_microsoft:
        return outcome_unknown(upgrade, detail)
    return fail(
        "partner_center_unavailable",
        f"Nothing was sent to Microsoft: {detail}",
        "Schedule the upgrade again when Partner Center answers",
    )


def _event(upgrade: Upgrade, outcome: Outcome, now: datetime) -> UpgradeEvent:
    return UpgradeEvent(
        upgrade_id=upgrade.id,
        at=now,
        name=outcome.event or "",
        detail=outcome.detail,
        attempt=upgrade.attempts,
        request_id=outcome.request_id,
        correlation_id=str(upgrade.correlation_id),
    )


def _log(upgrade: Upgrade, outcome: Outcome) -> None:
    if outcome.event:
        log.info("Upgrade: id=%s event=%s detail=%s", upgrade.id, outcome.event, outcome.detail)
