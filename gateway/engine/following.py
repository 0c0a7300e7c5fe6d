"""The last two steps: waiting until Microsoft is done, and looking whether it did what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.engine.checking import generation_of
from gateway.engine.context import EngineContext, Work
from gateway.engine.generation import warn
from gateway.engine.new_commerce import MOVE_BY_HAND
from gateway.engine.outcome import Outcome, again
from gateway.engine.pace import poll_pause
from gateway.models import Upgrade, UpgradeStatus
from gateway.partner_center import same_offer


def wait(work: Work, ctx: EngineContext) -> Outcome:
    """Look how far Microsoft is."""
    news = generation_of(work.upgrade.source_offer_id or "").follow(work)
    return news or again(_poll_pause(work, ctx), "Microsoft carries out the upgrade")


def verify(work: Work, ctx: EngineContext) -> Outcome:
    """Look whether the subscription has the new offer, and its users the new license."""
    upgrade = work.upgrade
    subscription_id = (
        upgrade.target_microsoft_subscription_id or upgrade.source_microsoft_subscription_id or ""
    )
    found = work.microsoft.get_subscription(upgrade.microsoft_tenant_id, subscription_id)
    if not same_offer(found.offer_id, upgrade.target_offer_id or ""):
        return again(_poll_pause(work, ctx), f"Microsoft still shows offer {found.offer_id}")
    upgrade.quantity = found.quantity or upgrade.quantity
    if upgrade.reason_code is None:
        left_behind = _users_left_behind(work)
        if left_behind:
            reason = f"{left_behind} users still have the old license without a seat for it"
            return _finished(upgrade, warn(reason, MOVE_BY_HAND))
    return _finished(upgrade, {})


def _users_left_behind(work: Work) -> int:
    """How many hold the old license although its seats are gone; 0 where users cannot be seen."""
    old = work.upgrade.source_sku_id
    if old is None or not work.microsoft.supports_users:
        return 0
    skus = work.microsoft.list_subscribed_skus(work.upgrade.microsoft_tenant_id)
    sku = next((s for s in skus if s.sku_id.casefold() == old.casefold()), None)
    return max(0, sku.consumed_units - sku.active_units) if sku else 0


def _finished(upgrade: Upgrade, warning: Mapping[str, str]) -> Outcome:
    """The end; a warning that waiting left in the row counts as well."""
    outcome = Outcome(
        event="completed",
        detail=f"{upgrade.quantity} seats of {upgrade.target_offer_id}",
        finish=UpgradeStatus.COMPLETED,
        changes={"quantity": upgrade.quantity},
    )
    reason = warning.get("reason", upgrade.reason)
    if reason is None:
        return outcome
    return replace(
        outcome,
        event="completed_with_warnings",
        detail=reason,
        finish=UpgradeStatus.COMPLETED_WITH_WARNINGS,
        reason_code=warning.get("reason_code", upgrade.reason_code),
        reason=reason,
        remedy=warning.get("remedy", upgrade.remedy),
    )


def _poll_pause(work: Work, ctx: EngineContext) -> float:
    since = work.upgrade.submitted_at or ctx.clock()
    return poll_pause(ctx.app.upgrade_poll_interval_seconds, (ctx.clock() - since).total_seconds())
