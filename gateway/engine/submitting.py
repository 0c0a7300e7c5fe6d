"""The step that spends money: asked for once, and looked for before it is ever asked for again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.engine.checking import generation_of
from gateway.engine.context import EngineContext, Work
from gateway.engine.outcome import Outcome, again, move_on
from gateway.engine.pace import poll_pause, retry_pause
from gateway.models import UpgradeStep
from gateway.partner_center import (
    BusyError,
    PartnerCenterError,
    RefusedError,
    SignInError,
    ThrottledError,
    UnavailableError,
)


def submit(work: Work, ctx: EngineContext) -> Outcome:
    """Ask Microsoft for the upgrade, unless an earlier attempt may have done so."""
    if work.upgrade.intended_at is None:
        return _send(work, ctx)
    found = generation_of(work.upgrade.source_offer_id or "").find(work)
    if found:
        return _accepted(found, ctx)
    looked_for = ctx.clock() - work.upgrade.intended_at
    if looked_for < timedelta(seconds=ctx.app.upgrade_look_up_seconds):
        pause = poll_pause(ctx.app.upgrade_poll_interval_seconds, looked_for.total_seconds())
        return again(pause, "Looking at Microsoft whether the upgrade arrived there")
    if work.upgrade.attempts + 1 >= ctx.app.upgrade_max_attempts:
        return replace(again(1.0, "Microsoft shows no trace of the upgrade"), counts=True)  # Which ends it.
    return _send(work, ctx)


def _send(work: Work, ctx: EngineContext) -> Outcome:
    """Commit the intent, then send. A process that dies in between leaves the intent to be looked into."""
    is_repeated = work.upgrade.intended_at is not None
    intent = Outcome(
        event="submitting",
        detail="Sent again with the same MS-RequestId" if is_repeated else None,
        changes={"intended_at": ctx.clock()},
        counts=is_repeated,
        request_id=str(work.upgrade.request_id),
    )
    ctx.record(work.upgrade.id, intent)
    try:
        return _accepted(generation_of(work.upgrade.source_offer_id or "").send(work), ctx)
    except UnavailableError as exc:
        if exc.may_have_been_done:
            return _unknown(work, ctx, exc)
        return _not_done(work, ctx, exc, is_repeated)
    except (ThrottledError, SignInError) as exc:
        return _not_done(work, ctx, exc, is_repeated)
    except BusyError as exc:
        # The other change that Microsoft is busy with may be this very upgrade: look before the next try.
        return again(exc.retry_after, f"Microsoft is busy with the customer: {exc}", event="busy")
    except RefusedError:
        # The first attempt may be what stands in the way of the second.
        found = generation_of(work.upgrade.source_offer_id or "").find(work) if is_repeated else None
        if found is None:
            raise
        return _accepted(found, ctx)


def _accepted(outcome: Outcome, ctx: EngineContext) -> Outcome:
    if outcome.step is not UpgradeStep.WAITING:
        return outcome
    return replace(outcome, changes={**outcome.changes, "submitted_at": ctx.clock()})


def _unknown(work: Work, ctx: EngineContext, exc: PartnerCenterError) -> Outcome:
    pause = poll_pause(ctx.app.upgrade_poll_interval_seconds, 0)
    outcome = again(pause, f"The outcome is not known: {exc}", event="outcome_unknown")
    return replace(outcome, request_id=str(work.upgrade.request_id))


def _not_done(work: Work, ctx: EngineContext, exc: PartnerCenterError, is_repeated: bool) -> Outcome:
    """Surely not carried out. Unless an earlier attempt may have been, it is checked and sent anew."""
    if is_repeated:
        return _unknown(work, ctx, exc)
    if isinstance(exc, ThrottledError):
        ctx.pauses.pause(work.instance_name, ctx.clock() + timedelta(seconds=exc.retry_after))
    pause = getattr(exc, "retry_after", None) or retry_pause(
        ctx.app.upgrade_poll_interval_seconds, work.upgrade.attempts
    )
    outcome = move_on(UpgradeStep.CHECKING, "retry", str(exc), intended_at=None)
    return replace(outcome, after=pause, waiting_for=str(exc), counts=isinstance(exc, UnavailableError))
