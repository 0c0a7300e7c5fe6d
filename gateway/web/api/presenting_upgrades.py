"""From rows to what the API says of upgrades."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway import models
from gateway.models import UpgradeStatus
from gateway.services.cancellation import Cancellation
from gateway.services.eligibility import Refusal
from gateway.services.refresh import Refresh
from gateway.services.scheduling import Assessment, Scheduled
from gateway.services.upgrade_queries import BatchProgress, BatchSummary
from gateway.web.api.schemas_problem import Violation
from gateway.web.api.schemas_upgrade import (
    CancelAnswer,
    NotCanceled,
    NotRefreshed,
    RefreshAnswer,
    ScheduledBatch,
    ScheduledUpgrade,
    Upgrade,
    UpgradeBatch,
    UpgradeBatchWithPace,
    UpgradeCounts,
    UpgradeEvent,
    UpgradeWithEvents,
    UserLicense,
)


def present_upgrade(upgrade: models.Upgrade) -> Upgrade:
    return Upgrade(**_members(upgrade))


def present_upgrade_with_events(upgrade: models.Upgrade) -> UpgradeWithEvents:
    return UpgradeWithEvents(**_members(upgrade), events=[_event(event) for event in upgrade.events])


def present_batch(summary: BatchSummary) -> UpgradeBatch:
    return UpgradeBatch(**_batch_members(summary))


def present_batch_with_pace(progress: BatchProgress) -> UpgradeBatchWithPace:
    return UpgradeBatchWithPace(
        **_batch_members(progress),
        throughput_per_minute=progress.throughput_per_minute,
        estimated_end_at=progress.estimated_end_at,
    )


def present_scheduled(scheduled: Scheduled) -> ScheduledBatch:
    upgrades = [
        ScheduledUpgrade(id=key, subscription_id=subscription_id, upgrade_status=UpgradeStatus.PENDING)
        for key, subscription_id in scheduled.upgrades
    ]
    return ScheduledBatch(
        id=scheduled.batch.id, upgrades=upgrades, refused=present_refusals(scheduled.refused)
    )


def present_assessment(assessment: Assessment) -> ScheduledBatch:
    """The same lists as if it had been scheduled, without the ids that only a schedule gives."""
    upgrades = [
        ScheduledUpgrade(id=None, subscription_id=key, upgrade_status=None) for key in assessment.eligible
    ]
    return ScheduledBatch(id=None, upgrades=upgrades, refused=present_refusals(assessment.refused))


def present_refusals(refusals: Iterable[Refusal]) -> list[Violation]:
    return [
        Violation(
            subscription_id=refusal.subscription_id, code=each.code, detail=each.detail, remedy=each.remedy
        )
        for refusal in refusals
        for each in refusal.violations
    ]


def present_cancellation(result: Cancellation) -> CancelAnswer:
    not_canceled = [
        NotCanceled(upgrade_id=each.upgrade_id, upgrade_status=each.status, detail=each.detail)
        for each in result.not_canceled
    ]
    return CancelAnswer(canceled=result.canceled, not_canceled=not_canceled, finished=result.finished)


def present_refresh(result: Refresh) -> RefreshAnswer:
    not_refreshed = [
        NotRefreshed(upgrade_id=each.upgrade_id, upgrade_status=each.status, detail=each.detail)
        for each in result.not_refreshed
    ]
    return RefreshAnswer(refreshed=result.refreshed, not_refreshed=not_refreshed, others=result.others)


def present_user_license(user: models.UserLicense) -> UserLicense:
    return UserLicense(
        user_id=user.user_id,
        user_principal_name=user.user_principal_name,
        state=user.state,
        holds_old=user.holds_old,
        holds_new=user.holds_new,
        result=user.result,
        detail=user.detail,
        changed_at=user.changed_at,
    )


def _members(upgrade: models.Upgrade) -> dict[str, Any]:
    return {
        "id": upgrade.id,
        "batch_id": upgrade.batch_id,
        "subscription_id": upgrade.subscription_id,
        "account_id": upgrade.account_id,
        "source_service_plan_id": upgrade.source_plan_id,
        "target_service_plan_id": upgrade.target_plan_id,
        "upgrade_status": upgrade.status,
        "step": upgrade.step,
        "attempts": upgrade.attempts,
        "due_at": upgrade.due_at,
        "waiting_for": upgrade.waiting_for,
        "license_check": upgrade.license_check,
        "reason_code": upgrade.reason_code,
        "reason": upgrade.reason,
        "remedy": upgrade.remedy,
        "request_id": str(upgrade.request_id),
        "correlation_id": str(upgrade.correlation_id),
        "scheduled_at": upgrade.scheduled_at,
        "started_at": upgrade.started_at,
        "finished_at": upgrade.finished_at,
        "changed_at": upgrade.changed_at,
    }


def _batch_members(summary: BatchSummary) -> dict[str, Any]:
    batch = summary.batch
    return {
        "id": batch.id,
        "account_id": batch.account_id,
        "requested_by": batch.requested_by,
        "target_service_plan_id": batch.target_plan_id,
        "created_at": batch.created_at,
        "total": summary.total,
        "counts": UpgradeCounts(**{status.value: count for status, count in summary.counts.items()}),
        "progress": summary.share_done,
    }


def _event(event: models.UpgradeEvent) -> UpgradeEvent:
    return UpgradeEvent(
        at=event.at,
        name=event.name,
        detail=event.detail,
        attempt=event.attempt,
        request_id=event.request_id,
        correlation_id=event.correlation_id,
    )
