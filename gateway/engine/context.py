"""What the steps of an upgrade share, and what their outcomes mean for its row."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm.attributes import manager_of_class

from gateway.db import Database
from gateway.engine.clients import PartnerCenterClients
from gateway.engine.entries import End, Entry, LeaseLostError
from gateway.engine.ledger import Ledger
from gateway.engine.outcome import Outcome, fail, outcome_unknown
from gateway.engine.pauses import Pauses
from gateway.engine.taking import READ, ROW
from gateway.models import Upgrade, UpgradeStatus, UpgradeStep
from gateway.partner_center import PartnerCenterClient
from gateway.services.plan_change import PlanChange
from gateway.settings import AppSettings
from gateway.statements import Statements

log = logging.getLogger(__name__)

UPGRADED = (UpgradeStatus.COMPLETED, UpgradeStatus.COMPLETED_WITH_WARNINGS)


Step = Callable[["Work", "EngineContext"], Outcome]


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


class Row:
    """An upgrade as this worker knows it; nobody else changes it while the lease is kept."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """:param values: its columns and `instance_name`"""
        self.values = dict(values)
        self.instance_name: str = self.values.pop("instance_name")
        self.is_fresh = True
        """Whether it was written or claimed this very moment, and need not be read before the next step."""

    def copy(self) -> Upgrade:
        upgrade: Upgrade = _CLASS.new_instance()
        upgrade.__dict__.update(self.values)  # Thirty times as fast as to set one column after the other.
        return upgrade


_CLASS = manager_of_class(Upgrade)


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
    steps: Mapping[UpgradeStep, Step] = field(default_factory=dict)
    """What to do instead of the steps of Microsoft, for measuring everything around them."""
    on_claimed: Callable[[list[tuple[int, datetime]]], None] = lambda _due_times: None
    """Is told which upgrades were claimed, and when they are due."""
    on_begun: Callable[[int], None] | None = None
    """Is told, by the thread that ends an upgrade, which one it is to go on with."""
    on_ended: Callable[[int, Exception | None], None] | None = None
    """Is told which upgrade has its end written, or why not. Without it, `record` waits for that itself."""
    on_left_over: Callable[[float], None] = lambda _seconds: None
    """Is told that there may be a place for another upgrade, in so many seconds."""

    @property
    def pauses(self) -> Pauses:
        return self.clients.pauses

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.app.upgrade_lease_seconds)

    @cached_property
    def rows(self) -> dict[int, Row]:
        """What this worker works on; each entry is of one thread at a time."""
        return {}

    @cached_property
    def _failures(self) -> dict[int, Exception]:
        """What kept the end of an upgrade from being written, after its thread had gone on with another."""
        return {}

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(
            self.database,
            self.owner,
            self.lease,
            self.clock,
            self.app.max_allowed_nb_of_simultaneous_upgrades,
            rooms=lambda: self.pauses.rooms(self.clock()),
            stopping=self.stopping,
            on_claimed=self._claimed,
            on_begun=self._begun if self.on_begun else None,
            on_left_over=self.on_left_over,
        )

    def _claimed(self, claimed: Iterable[Mapping[str, Any]]) -> None:
        rows = [Row(values) for values in claimed]
        self.rows.update((row.values["id"], row) for row in rows)
        self.on_claimed([(row.values["id"], row.values["due_at"]) for row in rows])

    def _begun(self, values: Mapping[str, Any]) -> None:
        assert self.on_begun is not None
        self.rows[values["id"]] = Row(values)
        self.on_begun(values["id"])

    def load(self, upgrade_id: int) -> Work | None:
        """A copy of the upgrade; None when it is not this worker's any more."""
        row = self.rows.get(upgrade_id)
        if row is None or not row.is_fresh:
            row = self.rows[upgrade_id] = self._read(upgrade_id)
        row.is_fresh = False
        if not self._owns(row):
            del self.rows[upgrade_id]
            self._failures.pop(upgrade_id, None)
            return None
        upgrade = row.copy()
        client = self.clients.for_instance_name(row.instance_name)
        return Work(
            upgrade,
            row.instance_name,
            client.for_correlation(str(upgrade.correlation_id)) if client else None,
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

    def _read(self, upgrade_id: int) -> Row:
        with self.database.engine.connect() as connection:
            (values,) = Statements(connection).rows(READ, key=upgrade_id)
        return Row(dict(zip(ROW, values, strict=True)))

    def record(self, upgrade_id: int, outcome: Outcome) -> Outcome:
        """Write one outcome with its event, in one transaction; what was written is returned.

        An end is only left to be written where somebody is told that it was.

        :raises LeaseLostError: if another worker has taken the upgrade over; nothing is written then
        """
        now = self.clock()
        row = self.rows.get(upgrade_id) or self._read(upgrade_id)
        if outcome.after and not outcome.finish:
            outcome = self.bounded(row.copy(), outcome)
        changes = _columns(row.values, outcome, now, now + self.lease)
        values = row.values | changes
        # What waits is read again before its next step.
        self.rows.pop(upgrade_id, None)
        entry = Entry(
            upgrade_id,
            changes,
            _event(values, outcome, now) if outcome.event else None,
            _plan_change(values) if outcome.finish in UPGRADED else None,
            End(values["subscription_id"], values["microsoft_tenant_id"]) if outcome.finish else None,
            row.values["intended_at"],
        )
        if outcome.finish and self.on_ended:
            self.ledger.leave(entry, partial(self._end_written, self.on_ended, upgrade_id, outcome))
            return outcome
        self.ledger.record(entry)
        if not outcome.finish and not outcome.after:
            self.rows[upgrade_id] = Row(values | {"instance_name": row.instance_name})
        _log(upgrade_id, outcome)
        return outcome

    def _end_written(
        self,
        tell: Callable[[int, Exception | None], None],
        upgrade_id: int,
        outcome: Outcome,
        failure: Exception | None,
    ) -> None:
        if failure is None:
            _log(upgrade_id, outcome)
        elif isinstance(failure, LeaseLostError):  # Whoever looks at it next finds whose it is.
            log.warning("Lease lost: %s", failure)
        else:
            self._failures[upgrade_id] = failure
        tell(upgrade_id, failure)

    def hear_of_failure(self, upgrade_id: int) -> None:
        """Raise what kept its end from being written, if anything did, where the next thread hears it."""
        if failure := self._failures.pop(upgrade_id, None):
            raise failure

    def _owns(self, row: Row) -> bool:
        return row.values["status"] is UpgradeStatus.IN_PROGRESS and row.values["lease_owner"] == self.owner

    def bounded(self, upgrade: Upgrade, outcome: Outcome) -> Outcome:
        """The outcome, unless its tries or its time are used up: nothing waits for ever."""
        if outcome.finish or not outcome.after:
            return outcome
        if outcome.counts and upgrade.attempts + 1 >= self.app.upgrade_max_attempts:
            return _give_up(upgrade, f"{outcome.detail}; tried {upgrade.attempts + 1} times")
        now = self.clock()
        waited = now + timedelta(seconds=outcome.after) - (upgrade.started_at or now)
        if waited > timedelta(hours=self.app.upgrade_timeout_hours):
            return _give_up(
                upgrade, f"{outcome.waiting_for}; {self.app.upgrade_timeout_hours:g} hours are over"
            )
        return outcome


def _log(upgrade_id: int, outcome: Outcome) -> None:
    if outcome.event:
        log.info("Upgrade: id=%s event=%s detail=%s", upgrade_id, outcome.event, outcome.detail)


def _columns(row: Mapping[str, Any], outcome: Outcome, now: datetime, lease_end: datetime) -> dict[str, Any]:
    """What the outcome sets in the row of its upgrade."""
    columns: dict[str, Any] = dict(outcome.changes)
    attempts = columns.get("attempts", row["attempts"])
    if outcome.step and outcome.step is not row["step"]:
        columns["step"] = outcome.step
        if not outcome.counts:  # Going back for another try is no progress.
            attempts = 0
    columns |= {
        "attempts": attempts + outcome.counts,
        "waiting_for": outcome.waiting_for,
        "due_at": now + timedelta(seconds=outcome.after),
        "lease_expires_at": lease_end,
        "changed_at": now,
    }
    if outcome.finish:
        columns |= {
            "status": outcome.finish,
            "finished_at": now,
            "reason_code": outcome.reason_code,
            "reason": outcome.reason,
            "remedy": outcome.remedy,
        } | dict.fromkeys(("due_at", "lease_owner", "lease_expires_at"))
    return columns


def _plan_change(row: Mapping[str, Any]) -> PlanChange:
    return PlanChange(
        row["subscription_id"],
        row["target_plan_id"],
        row["target_offer_id"],
        row["quantity"] or 0,
        row["target_microsoft_subscription_id"] or row["source_microsoft_subscription_id"] or "",
        row["status"],
    )


def _give_up(upgrade: Upgrade, detail: str) -> Outcome:
    """The end of an upgrade that cannot be waited for any longer, by what may have happened at Microsoft."""
    if upgrade.may_be_at_microsoft:
        return outcome_unknown(upgrade, detail)
    return fail(
        "partner_center_unavailable",
        f"Nothing was sent to Microsoft: {detail}",
        "Schedule the upgrade again when Partner Center answers",
    )


def _event(row: Mapping[str, Any], outcome: Outcome, now: datetime) -> dict[str, Any]:
    return {
        "upgrade_id": row["id"],
        "at": now,
        "name": outcome.event,
        "detail": outcome.detail,
        "attempt": row["attempts"],
        "request_id": outcome.request_id,
        "correlation_id": str(row["correlation_id"]),
    }
