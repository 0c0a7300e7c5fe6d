"""The step that spends money: sent again only when Microsoft surely did nothing with what was sent."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from gateway.db import DATABASE_AWAY
from gateway.engine.checking import generation_of
from gateway.engine.context import EngineContext, Work
from gateway.engine.entries import LeaseLostError
from gateway.engine.outcome import LONGEST_WAITING_FOR, Outcome, again, move_on, outcome_unknown, refused
from gateway.engine.pace import look_up_pause, retry_pause
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
    """Ask Microsoft for the upgrade, or look what became of the request that may have left."""
    intended_at = work.upgrade.intended_at
    if intended_at is None or (work.upgrade.id, intended_at) in ctx.unsent:
        return _send(work, ctx)
    found = generation_of(work.upgrade.source_offer_id or "").find(work)
    return _accepted(found, ctx) if found else _look_again(work, ctx)


def _look_again(work: Work, ctx: EngineContext) -> Outcome:
    """Wait for a history that lags, and never send again: the request may still be on its way."""
    looks = work.upgrade.attempts
    pause = look_up_pause(ctx.app.upgrade_poll_interval_seconds, ctx.app.upgrade_look_up_seconds, looks)
    if pause is None:
        return outcome_unknown(work.upgrade, f"its answer was lost, and {looks + 1} looks found no trace")
    return again(pause, "Looking at Microsoft whether the upgrade arrived there", attempts=looks + 1)


def _send(work: Work, ctx: EngineContext) -> Outcome:
    generation = generation_of(work.upgrade.source_offer_id or "")
    request = generation.prepare(work)
    if isinstance(request, Outcome):
        return request
    _commit_intent(work, ctx)
    try:
        outcome = request()
    except UnavailableError as exc:
        return _unknown(work, ctx, exc) if exc.may_have_been_done else _not_done(work, ctx, str(exc), exc)
    except (ThrottledError, SignInError) as exc:
        return _not_done(work, ctx, str(exc), exc)
    except RefusedError as exc:
        outcome = refused(exc)
    except BusyError as exc:
        outcome = again(exc.retry_after, f"Microsoft is busy with the customer: {exc}")
    if outcome.step is None:
        # Something between us and Microsoft may have sent it twice, and this be the answer to the second.
        outcome = generation.find(work) or outcome
    if outcome.step is None and outcome.finish is None:
        return _not_done(work, ctx, outcome.waiting_for or "", outcome)
    return _accepted(outcome, ctx)


def _commit_intent(work: Work, ctx: EngineContext) -> None:
    """A process that dies after this leaves the intent to be looked into."""
    upgrade, at = work.upgrade, ctx.clock()
    changes: dict[str, object] = {"intended_at": at, "attempts": 0}
    try:
        ctx.record(
            upgrade.id, Outcome(event="submitting", changes=changes, request_id=str(upgrade.request_id))
        )
    except DATABASE_AWAY:
        ctx.unsent.add((upgrade.id, at))  # It may be committed all the same.
        raise
    upgrade.intended_at, upgrade.attempts = at, 0
    if ctx.clock() - at >= ctx.lease:
        # This process stood still, and another one may have given the request up for lost.
        ctx.unsent.add((upgrade.id, at))
        raise LeaseLostError(f"upgrade {upgrade.id} was not sent: the lease may be over")


def _accepted(outcome: Outcome, ctx: EngineContext) -> Outcome:
    if outcome.step is not UpgradeStep.WAITING:
        return outcome
    return replace(outcome, changes={**outcome.changes, "submitted_at": ctx.clock()})


def _unknown(work: Work, ctx: EngineContext, exc: PartnerCenterError) -> Outcome:
    pause = ctx.app.upgrade_poll_interval_seconds
    outcome = again(pause, f"The outcome is not known: {exc}", event="outcome_unknown")
    return replace(outcome, request_id=str(work.upgrade.request_id), trouble=exc)


def _not_done(work: Work, ctx: EngineContext, detail: str, cause: PartnerCenterError | Outcome) -> Outcome:
    """Surely not carried out: it is checked and sent anew."""
    changes: dict[str, object] = {"intended_at": None}
    if isinstance(cause, Outcome) or cause.status is not None:
        # Microsoft answered this MS-RequestId, and may give the same answer to it for ever.
        changes["request_id"] = uuid4()
    outcome = move_on(UpgradeStep.CHECKING, "retry", detail, **changes)
    return replace(
        outcome,
        after=_pause(work, ctx, cause),
        waiting_for=detail[:LONGEST_WAITING_FOR],
        counts=isinstance(cause, UnavailableError),
        request_id=str(work.upgrade.request_id),
        trouble=cause if isinstance(cause, PartnerCenterError) else None,
    )


def _pause(work: Work, ctx: EngineContext, cause: PartnerCenterError | Outcome) -> float:
    asked = cause.after if isinstance(cause, Outcome) else getattr(cause, "retry_after", None)
    return asked or retry_pause(ctx.app.upgrade_poll_interval_seconds, work.upgrade.attempts)
