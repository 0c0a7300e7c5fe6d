"""The last two steps: waiting until Microsoft is done, and looking whether it did what was asked for."""

from __future__ import annotations

from dataclasses import replace

from gateway.engine.checking import generation_of
from gateway.engine.context import EngineContext, Work
from gateway.engine.outcome import Outcome, again
from gateway.engine.pace import poll_pause
from gateway.engine.verifying import verify_licenses
from gateway.models import Upgrade
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
    licenses = verify_licenses(work, ctx, _poll_pause(work, ctx))
    return licenses if licenses.finish is None else _finished(upgrade, licenses)


def _finished(upgrade: Upgrade, licenses: Outcome) -> Outcome:
    """The end, with what is to be said of the seats and of the users' licenses."""
    seats = f"{upgrade.quantity} seats of {upgrade.target_offer_id}"
    return replace(
        licenses,
        event=licenses.finish.value if licenses.finish else None,
        detail=f"{seats}; {licenses.detail}" if licenses.detail else seats,
        changes={"quantity": upgrade.quantity, **licenses.changes},
    )


def _poll_pause(work: Work, ctx: EngineContext) -> float:
    since = work.upgrade.submitted_at or ctx.clock()
    return poll_pause(ctx.app.upgrade_poll_interval_seconds, (ctx.clock() - since).total_seconds())
