"""Schedules upgrades: checks what was asked for, and makes the rows that the engine takes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from secrets import token_bytes
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    ColumnElement,
    Integer,
    LargeBinary,
    SQLColumnExpression,
    Uuid,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from gateway.models import (
    Account,
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
from gateway.services.eligibility import PlanFacts, Refusal, SubscriptionFacts, Violation, check
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
from gateway.services.keys import Listed, among, chunks, is_text_id, listed
from gateway.services.newest_upgrades import HAS_LIVE_UPGRADE
from gateway.services.planning import one_plan_for_all_rows
from gateway.services.upgrade_paths import UpgradePaths
from gateway.services.upsert import is_postgresql

log = logging.getLogger(__name__)

MOST_SUBSCRIPTIONS = 100_000
"""In one request."""

UUID_BYTES = 16

LONGEST_NAME = 200
"""Of who asked, as the batch keeps it."""


class Assessment(NamedTuple):
    """Which subscriptions could go to the target, both in the order of the request."""

    target: PlanFacts
    eligible: dict[str, SubscriptionFacts]
    refused: list[Refusal]


class Scheduled(NamedTuple):
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
        self._check_visible(subscription_ids)
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
        self.lock(subscription_ids)
        assessment = self._assess(subscription_ids, target, now)
        if assessment.refused and not (only_eligible and assessment.eligible):
            raise NotEligibleError(assessment.refused)
        batch = self._add_batch(target, now)
        upgrades = self._add_upgrades(batch, list(assessment.eligible), now, retry_of)
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

        Whoever comes second finds the upgrade of the first. All lock in one order, that of the bytes, and so
        never wait for each other in a circle. SQLite has one writer at a time and needs none of it.

        :raises SubscriptionNotFoundError: for what the caller does not see
        """
        if is_postgresql(self._db):
            asked = listed(self._db, [key for key in subscription_ids if is_text_id(key)])
            # Those that are being upgraded are refused anyway; they belong to the engine, which never waits.
            wanted = select(Subscription.id).where(
                ~HAS_LIVE_UPGRADE, sees_subscription(self._caller), Subscription.id == asked.key
            )
            locked = wanted.order_by(Subscription.id.collate("C")).with_for_update(of=Subscription)
            self._db.execute(select(func.count()).select_from(locked.subquery()))
        self._check_visible(subscription_ids)

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

    def _check_visible(self, subscription_ids: Sequence[str]) -> None:
        asked = listed(self._db, [key for key in subscription_ids if is_text_id(key)])
        is_visible = exists().where(Subscription.id == asked.key, sees_subscription(self._caller))
        missing = set(self._db.scalars(select(asked.key).where(~is_visible)))
        missing |= {key for key in subscription_ids if not is_text_id(key)}
        if missing:
            raise SubscriptionNotFoundError([key for key in subscription_ids if key in missing])

    def _assess(self, subscription_ids: Sequence[str], target: PlanFacts, now: datetime) -> Assessment:
        found: dict[int, tuple[SubscriptionFacts, tuple[Violation, ...]]] = {}
        targets = _TargetOffers(self._paths, now)
        for facts, places in self._facts.subscriptions(subscription_ids):
            found.update(dict.fromkeys(places, (facts, check(facts, target, targets.of(facts)))))
        assessment = Assessment(target, {}, [])
        for place, key in enumerate(subscription_ids):
            facts, violations = found[place]
            if violations:
                assessment.refused.append(Refusal(key, violations))
            else:
                assessment.eligible[key] = facts
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
        subscription_ids: Sequence[str],
        now: datetime,
        retry_of: Mapping[str, int] | None,
    ) -> list[tuple[int, str]]:
        """Insert upgrades and their first events; row numbers follow the order of the request."""
        repeated = None if retry_of is None else [retry_of.get(key) for key in subscription_ids]
        asked = listed(self._db, subscription_ids, repeated)
        request_id, correlation_id = _new_uuids(self._db, asked, len(subscription_ids))
        columns: dict[InstrumentedAttribute[Any], SQLColumnExpression[Any]] = {
            Upgrade.batch_id: literal(batch.id),
            Upgrade.subscription_id: Subscription.id,
            Upgrade.account_id: Subscription.account_id,
            Upgrade.microsoft_tenant_id: Account.microsoft_tenant_id,
            Upgrade.application_instance_id: ServiceTemplate.application_instance_id,
            Upgrade.source_plan_id: Subscription.service_plan_id,
            Upgrade.target_plan_id: literal(batch.target_plan_id),
            Upgrade.status: literal(UpgradeStatus.PENDING, Upgrade.status.type),
            Upgrade.attempts: literal(0),
            Upgrade.retry_of_id: asked.number,
            Upgrade.request_id: request_id,
            Upgrade.correlation_id: correlation_id,
        }
        times = (Upgrade.due_at, Upgrade.scheduled_at, Upgrade.changed_at)
        columns |= {column: literal(now, column.type) for column in times}
        rows = (
            select(*columns.values())
            .join_from(Subscription, Account, Account.id == Subscription.account_id)
            .join(ServicePlan, ServicePlan.id == Subscription.service_plan_id)
            .join(ServiceTemplate, ServiceTemplate.id == ServicePlan.service_template_id)
            .where(Subscription.id == asked.key)
            .order_by(asked.place)
        )
        detail = f"Requested by {self._caller.name}"
        with one_plan_for_all_rows(self._db.connection()):
            # One statement for all: objects, and even rows, would cost more than everything else here.
            self._db.execute(insert(Upgrade).from_select(list(columns), rows, include_defaults=False))
            add_events(self._db, Upgrade.batch_id == batch.id, "scheduled", detail, now)
        return self._of_batch(batch)

    def _of_batch(self, batch: UpgradeBatch) -> list[tuple[int, str]]:
        together = func.json_agg if is_postgresql(self._db) else func.json_group_array
        made = select(Upgrade.id, Upgrade.subscription_id).where(Upgrade.batch_id == batch.id).subquery()
        lists = (together(column, type_=JSON) for column in (made.c.id, made.c.subscription_id))
        ids, subscription_ids = self._db.execute(select(*lists)).one()
        return sorted(zip(ids, subscription_ids, strict=True))


def _new_uuids(db: Session, asked: Listed, count: int) -> Sequence[ColumnElement[Any]]:
    """Two random ones for each row, of version 4, as a column of them is stored.

    PostgreSQL is given the random bytes of all rows at once. It may have to open a file for each of its own,
    which takes longer than to write the row.
    """
    if not is_postgresql(db):
        made: ColumnElement[Any] = literal_column(
            "lower(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2)"
            " || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(8)), 2))"
        )
        return made, made
    drawn = bindparam(None, token_bytes(2 * UUID_BYTES * count), type_=LargeBinary)
    starts = [cast(1 + UUID_BYTES * (2 * asked.place + n), Integer) for n in (0, 1)]
    return [_uuid(func.substr(drawn, start, UUID_BYTES)) for start in starts]


def _uuid(drawn: ColumnElement[Any]) -> ColumnElement[Any]:
    """Random bytes in the shape of version 4."""
    digits = func.encode(drawn, "hex")
    for digit, place in (("4", 13), ("8", 17)):
        digits = func.overlay(digits, digit, place)
    return cast(digits, Uuid)


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
