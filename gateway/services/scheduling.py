"""Schedules upgrades: checks what was asked for, and makes the rows that the engine takes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import uuid4

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from gateway.models import (
    LIVE,
    ResourceKind,
    ResourceType,
    ServicePlan,
    ServiceTemplate,
    Subscription,
    SubscriptionResource,
    Upgrade,
    UpgradeBatch,
    UpgradeStatus,
)
from gateway.services.abilities import Abilities
from gateway.services.audit import Audit, AuditAction
from gateway.services.branch import sees_plan, sees_subscription
from gateway.services.caller import Caller
from gateway.services.catalog.bulk import insert_rows
from gateway.services.eligibility import PlanFacts, Refusal, SubscriptionFacts, check
from gateway.services.errors import (
    DuplicateSubscriptionError,
    NoSubscriptionsError,
    NotEligibleError,
    ServicePlanNotFoundError,
    SubscriptionNotFoundError,
    TooManySubscriptionsError,
)
from gateway.services.events import add_events
from gateway.services.facts import FactsReader
from gateway.services.keys import among, chunks, is_text_id
from gateway.services.upgrade_paths import UpgradePaths
from gateway.services.upsert import is_postgresql

log = logging.getLogger(__name__)

MOST_SUBSCRIPTIONS = 100_000
"""In one request."""

LONGEST_NAME = 200
"""Of who asked, as the batch keeps it."""


@dataclass(frozen=True)
class Assessment:
    """Which subscriptions could go to the target, both in the order of the request."""

    target: PlanFacts
    eligible: list[SubscriptionFacts]
    refused: list[Refusal]


@dataclass(frozen=True)
class Scheduled:
    """What one request created: the batch, and (upgrade id, subscription id) in the order of the request."""

    batch: UpgradeBatch
    upgrades: list[tuple[int, str]]
    refused: list[Refusal]


class UpgradeScheduling:
    """Schedules the upgrades that one caller asks for."""

    def __init__(self, db: Session, caller: Caller, paths: UpgradePaths) -> None:
        self._db = db
        self._caller = caller
        self._paths = paths
        self._facts = FactsReader(db)

    def assess(
        self, subscription_ids: Sequence[str], target_service_plan_id: str, now: datetime
    ) -> Assessment:
        """Say what scheduling would do, and store nothing.

        :raises NoSubscriptionsError, TooManySubscriptionsError, DuplicateSubscriptionError: for the list
        :raises ServicePlanNotFoundError, SubscriptionNotFoundError: for what the caller does not see
        :raises ForbiddenError: if the caller may not upgrade
        """
        target = self._checked_target(subscription_ids, target_service_plan_id)
        self._accounts(subscription_ids)
        return self._assess(subscription_ids, target, now)

    def look_up_paths(
        self, subscription_ids: Sequence[str], target_service_plan_id: str, now: datetime
    ) -> None:
        """Have what scheduling will need of Microsoft remembered, which may have to be asked.

        :raises GatewayError: as `assess` does for the list and the target
        """
        self._checked_target(subscription_ids, target_service_plan_id)
        offers = (
            select(ServiceTemplate.application_instance_id, ResourceType.offer_id)
            .distinct()
            .join(ResourceType, ResourceType.service_template_id == ServiceTemplate.id)
            .join(SubscriptionResource, SubscriptionResource.resource_type_id == ResourceType.id)
            .where(ResourceType.kind == ResourceKind.LICENSE, SubscriptionResource.limit != 0)
        )
        found: set[tuple[str, str | None]] = set()
        for chunk in chunks([key for key in subscription_ids if is_text_id(key)]):
            which = among(self._db, SubscriptionResource.subscription_id, chunk)
            found.update((row[0], row[1]) for row in self._db.execute(offers.where(which)))
        for instance_id, offer_id in found:
            if offer_id is not None:
                self._paths.target_offer_ids(instance_id, offer_id, now)

    def schedule(
        self,
        subscription_ids: Sequence[str],
        target_service_plan_id: str,
        *,
        only_eligible: bool,
        now: datetime,
        retry_of: Mapping[str, int] | None = None,
    ) -> Scheduled:
        """Store a batch with one pending upgrade for each subscription; the engine carries them out.

        :param only_eligible: leave out those that break a rule instead of refusing the whole request
        :param retry_of: by subscription, the failed upgrade that the new one repeats
        :raises NotEligibleError: if one is refused, or all of them; nothing is stored then
        :raises GatewayError: as `assess` does
        """
        target = self._checked_target(subscription_ids, target_service_plan_id)
        accounts = self._accounts(subscription_ids, lock=True)
        assessment = self._assess(subscription_ids, target, now)
        if assessment.refused and not (only_eligible and assessment.eligible):
            raise NotEligibleError(assessment.refused)
        batch = self._add_batch(target, now)
        upgrades = self._add_upgrades(batch, assessment.eligible, accounts, now, retry_of or {})
        self._record(batch, target, assessment, now)
        log.info(
            "Upgrades scheduled: batch=%s count=%s target=%s account=%s",
            batch.id,
            len(upgrades),
            target.id,
            self._caller.account_id,
        )
        return Scheduled(batch, upgrades, assessment.refused)

    def lock(self, subscription_ids: Sequence[str]) -> None:
        """Keep others from scheduling the same subscriptions until this transaction ends.

        :raises SubscriptionNotFoundError: for what the caller does not see
        """
        self._accounts(subscription_ids, lock=True)

    def _record(self, batch: UpgradeBatch, target: PlanFacts, assessment: Assessment, now: datetime) -> None:
        left_out = f"; {len(assessment.refused)} left out" if assessment.refused else ""
        Audit(self._db).record(
            AuditAction.UPGRADES_SCHEDULED,
            self._caller.actor,
            now,
            subject=f"batch {batch.id}",
            detail=f"Upgrades to {target.name}: {len(assessment.eligible)} scheduled{left_out}",
        )

    def _checked_target(self, subscription_ids: Sequence[str], target_service_plan_id: str) -> PlanFacts:
        abilities = Abilities(self._db)
        abilities.require_role(self._caller)
        _check_list(subscription_ids)
        target = self._target(target_service_plan_id)
        abilities.require_upgrade(self._caller, target.application_instance_id)
        return target

    def _target(self, plan_id: str) -> PlanFacts:
        visible = select(ServicePlan.id).where(ServicePlan.id == plan_id, sees_plan(self._caller))
        target = self._facts.plan(plan_id) if is_text_id(plan_id) and self._db.scalar(visible) else None
        if target is None:
            raise ServicePlanNotFoundError([plan_id])
        return target

    def _accounts(self, subscription_ids: Sequence[str], *, lock: bool = False) -> dict[str, str]:
        """The customer of each subscription; all of them must exist for the caller.

        :param lock: keep others from scheduling the same subscriptions until this transaction ends, so that
            whoever comes second finds the upgrade of the first. All lock in one order, that of the bytes, and
            so never wait for each other in a circle. SQLite has one writer at a time and needs none of it.
        """
        order = Subscription.id.collate("C") if is_postgresql(self._db) else Subscription.id
        # Those that are being upgraded are refused anyway, and belong to the engine, which must never wait.
        idle = Subscription.upgrade_status.not_in([status.value for status in LIVE])
        locking = select(Subscription.id).where(idle, sees_subscription(self._caller)).order_by(order)
        query = select(Subscription.id, Subscription.account_id).where(sees_subscription(self._caller))
        accounts: dict[str, str] = {}
        for chunk in chunks(sorted(key for key in subscription_ids if is_text_id(key))):
            if lock and is_postgresql(self._db):
                self._db.execute(locking.where(among(self._db, Subscription.id, chunk)).with_for_update())
            for row in self._db.execute(query.where(among(self._db, Subscription.id, chunk))):
                accounts[row.id] = row.account_id
        missing = [key for key in subscription_ids if key not in accounts]
        if missing:
            raise SubscriptionNotFoundError(missing)
        return accounts

    def _assess(self, subscription_ids: Sequence[str], target: PlanFacts, now: datetime) -> Assessment:
        assessment = Assessment(target, [], [])
        targets = _TargetOffers(self._paths, now)
        for facts in self._facts.subscriptions(subscription_ids).values():
            violations = check(facts, target, targets.of(facts))
            if violations:
                assessment.refused.append(Refusal(facts.id, violations))
            else:
                assessment.eligible.append(facts)
        return assessment

    def _add_batch(self, target: PlanFacts, now: datetime) -> UpgradeBatch:
        batch = UpgradeBatch(
            account_id=self._caller.account_id,
            requested_by=self._caller.name[:LONGEST_NAME],
            target_plan_id=target.id,
            created_at=now,
        )
        self._db.add(batch)
        self._db.flush()
        return batch

    def _add_upgrades(
        self,
        batch: UpgradeBatch,
        subscriptions: Sequence[SubscriptionFacts],
        accounts: dict[str, str],
        now: datetime,
        retry_of: Mapping[str, int],
    ) -> list[tuple[int, str]]:
        """Insert upgrades and their first events; row numbers follow the order of the request."""
        same = {
            "batch_id": batch.id,
            "target_plan_id": batch.target_plan_id,
            "status": UpgradeStatus.PENDING,
            "attempts": 0,
            "due_at": now,
            "scheduled_at": now,
            "changed_at": now,
        }
        rows = [
            (
                *same.values(),
                facts.id,
                accounts[facts.id],
                facts.microsoft_tenant_id,
                facts.application_instance_id,
                facts.service_plan_id,
                retry_of.get(facts.id),
                uuid4(),
                uuid4(),
            )
            for facts in subscriptions
        ]
        # Objects of so many rows would cost more than everything else here.
        insert_rows(self._db.connection(), cast("Table", Upgrade.__table__), [*same, *_COLUMNS], rows)
        detail = f"Requested by {self._caller.name}"
        add_events(self._db, Upgrade.batch_id == batch.id, "scheduled", detail, now)
        made = select(Upgrade.id, Upgrade.subscription_id).where(Upgrade.batch_id == batch.id)
        return [(row.id, row.subscription_id) for row in self._db.execute(made.order_by(Upgrade.id))]


_COLUMNS = (
    "subscription_id",
    "account_id",
    "microsoft_tenant_id",
    "application_instance_id",
    "source_plan_id",
    "retry_of_id",
    "request_id",
    "correlation_id",
)
"""Of an upgrade, those that differ within a batch."""


class _TargetOffers:
    """What the offers of one request can be upgraded to; there are few of them for many subscriptions."""

    def __init__(self, paths: UpgradePaths, now: datetime) -> None:
        self._paths = paths
        self._now = now
        self._known: dict[tuple[str, str], frozenset[str] | None] = {}

    def of(self, facts: SubscriptionFacts) -> frozenset[str] | None:
        if facts.license is None or facts.license.offer_id is None:
            return None
        key = facts.application_instance_id, facts.license.offer_id
        if key not in self._known:
            self._known[key] = self._paths.target_offer_ids(*key, self._now)
        return self._known[key]


def _check_list(subscription_ids: Sequence[str]) -> None:
    if not subscription_ids:
        raise NoSubscriptionsError("subscription_ids is empty; expected at least one")
    if len(subscription_ids) > MOST_SUBSCRIPTIONS:
        raise TooManySubscriptionsError(
            f"{len(subscription_ids)} subscriptions in one request; expected at most {MOST_SUBSCRIPTIONS}"
        )
    repeated = [key for key, count in Counter(subscription_ids).items() if count > 1]
    if repeated:
        raise DuplicateSubscriptionError(repeated)
