"""The first step: what was eligible when it was scheduled must still be so when it starts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from gateway.engine.context import EngineContext, Work
from gateway.engine.generation import LATER, Generation, History
from gateway.engine.legacy import Legacy
from gateway.engine.new_commerce import NewCommerce
from gateway.engine.noting import first_step_after_checking
from gateway.engine.outcome import Outcome, again, fail, move_on
from gateway.models import Subscription
from gateway.partner_center import (
    MicrosoftSubscription,
    SubscriptionStatus,
    is_new_commerce_offer,
    same_offer,
)
from gateway.services.eligibility import PlanFacts, SubscriptionFacts, ViolationCode, check
from gateway.services.facts import FactsReader

_OF_THE_REQUEST = (
    "request_id",
    "correlation_id",
    "intended_at",
    "seen_before",
    "source_microsoft_subscription_id",
    "source_offer_id",
    "source_sku_id",
    "license_check",
    "other_seats",
    "target_offer_id",
    "transition_type",
    "quantity",
)
"""Columns that say what was asked for."""


def generation_of(offer_id: str) -> Generation:
    return NewCommerce() if is_new_commerce_offer(offer_id) else Legacy()


def check_upgrade(work: Work, ctx: EngineContext) -> Outcome:
    """Ask our own data first, then Microsoft."""
    with ctx.database.read() as db:
        facts = FactsReader(db)
        subscription = facts.subscription(work.upgrade.subscription_id)
        target = facts.plan(work.upgrade.target_plan_id)
        same = Subscription.id == work.upgrade.subscription_id
        microsoft_id = db.scalar(select(Subscription.microsoft_subscription_id).where(same))
    assert subscription is not None  # Foreign keys see to that.
    assert target is not None
    trouble = _check_own_data(work, subscription, target)
    return trouble or _check_microsoft(work, ctx, subscription, target, microsoft_id or "")


def _check_own_data(work: Work, subscription: SubscriptionFacts, target: PlanFacts) -> Outcome | None:
    if work.client is None:
        return fail(
            "instance_not_configured",
            f"Settings.config has no application instance {work.instance_name!r}",
            "Add the instance to applicationInstances, then schedule the upgrade again",
        )
    if subscription.service_plan_id != work.upgrade.source_plan_id:
        return fail(
            "plan_changed",
            f"The subscription moved to plan {subscription.service_plan_id} after the upgrade was scheduled",
            "Schedule the upgrade again from its present plan",
        )
    # That an upgrade is in progress is true: it is this one. What Microsoft offers is asked for next.
    violations = [v for v in check(subscription, target, None) if v.code != ViolationCode.UPGRADE_IN_PROGRESS]
    if violations:
        return fail(
            violations[0].code,
            "; ".join(v.detail for v in violations),
            "; ".join(v.remedy for v in violations),
        )
    return None


def _check_microsoft(
    work: Work,
    ctx: EngineContext,
    subscription: SubscriptionFacts,
    target: PlanFacts,
    microsoft_subscription_id: str,
) -> Outcome:
    assert subscription.license is not None  # Else there would have been a violation.
    assert target.license is not None
    arrived = _find_earlier(work, ctx)
    if arrived:
        return arrived
    upgrade = work.upgrade
    found = work.microsoft.get_subscription(upgrade.microsoft_tenant_id, microsoft_subscription_id)
    trouble = _compare(found, subscription.license.offer_id or "", target.license.offer_id or "")
    if trouble:
        return trouble
    upgrade.source_microsoft_subscription_id = found.id
    upgrade.source_offer_id = found.offer_id
    generation = generation_of(found.offer_id)
    history = generation.history(work, target.license.offer_id or "")
    if is_unfinished(history, ctx):
        return again(LATER, "Microsoft is still carrying out another upgrade of the subscription")
    choice = generation.choose(work, target.license.offer_id or "")
    if isinstance(choice, Outcome):
        return choice
    return move_on(
        first_step_after_checking(work),
        "checked",
        f"{found.quantity} seats of {found.offer_id}, to {choice.offer_id} ({choice.transition_type})",
        source_microsoft_subscription_id=found.id,
        source_offer_id=found.offer_id,
        target_offer_id=choice.offer_id,
        transition_type=choice.transition_type,
        quantity=found.quantity,
        seen_before=list(history.seen),
    )


def _find_earlier(work: Work, ctx: EngineContext) -> Outcome | None:
    """What has shown up since of the request of an earlier try whose outcome nobody knew."""
    earlier = ctx.load_one_before(work.upgrade)
    if (
        earlier is None
        or earlier.reason_code != "outcome_unknown"
        or earlier.target_plan_id != work.upgrade.target_plan_id
    ):
        return None
    found = generation_of(earlier.source_offer_id or "").find(replace(work, upgrade=earlier))
    if found is None or found.finish:  # One that failed at Microsoft stands in nobody's way.
        return None
    taken_over = {column: getattr(earlier, column) for column in _OF_THE_REQUEST}
    detail = f"Microsoft has the request of upgrade {earlier.id}, whose outcome was not known"
    changes = {**taken_over, "submitted_at": ctx.clock(), **found.changes}
    return replace(found, detail=detail, changes=changes)


def is_unfinished(history: History, ctx: EngineContext) -> bool:
    """Whether something still runs there; what began too long ago to be awaited has got stuck."""
    oldest = ctx.clock() - timedelta(hours=ctx.app.upgrade_timeout_hours)
    return any(since is None or since > oldest for since in history.running_since)


def _compare(found: MicrosoftSubscription, source_offer_id: str, target_offer_id: str) -> Outcome | None:
    """Whether Microsoft has the subscription that our data speaks of."""
    if found.status is not SubscriptionStatus.ACTIVE:
        return fail(
            "subscription_status_not_active",
            f"The subscription is {found.status_text} at Microsoft; only an active one can be upgraded",
            "Activate the subscription at Microsoft, then schedule the upgrade again",
        )
    if same_offer(found.offer_id, target_offer_id):
        return fail(
            "already_upgraded_at_microsoft",
            f"The subscription has the target offer {found.offer_id} at Microsoft already; nothing was sent",
            "Import the catalog, so that the subscription has the plan that matches",
        )
    if not same_offer(found.offer_id, source_offer_id):
        return fail(
            "offer_differs_at_microsoft",
            f"The subscription has offer {found.offer_id} at Microsoft; its plan says {source_offer_id}",
            "Import the catalog, or correct the subscription at Microsoft, then schedule the upgrade again",
        )
    return None
