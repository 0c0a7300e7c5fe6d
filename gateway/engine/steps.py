"""Carries one upgrade forward. Safe to run again at any point: what was done is in the database."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace

from gateway.db import DATABASE_AWAY
from gateway.engine.checking import check_upgrade
from gateway.engine.context import EngineContext, Work
from gateway.engine.entries import LeaseLostError, NotClaimedError
from gateway.engine.following import verify, wait
from gateway.engine.noting import note_licenses
from gateway.engine.outcome import Outcome, again, refused
from gateway.engine.pace import jittered, retry_pause, spread
from gateway.engine.pauses import SIGN_IN_PAUSE
from gateway.engine.submitting import submit
from gateway.models import UpgradeStep
from gateway.partner_center import (
    BusyError,
    PartnerCenterError,
    RefusedError,
    SignInError,
    ThrottledError,
)

log = logging.getLogger(__name__)

WRITTEN_LATER = math.inf
"""Until there is more to do with an upgrade whose end is left to be written: somebody says when it is."""

DATABASE_PAUSE = 2.0
"""Seconds after which work goes on that the database could not take."""

STEPS: dict[UpgradeStep, Callable[[Work, EngineContext], Outcome]] = {
    UpgradeStep.CHECKING: check_upgrade,
    UpgradeStep.NOTING_LICENSES: note_licenses,
    UpgradeStep.SUBMITTING: submit,
    UpgradeStep.WAITING: wait,
    UpgradeStep.VERIFYING: verify,
}


def advance(upgrade_id: int, ctx: EngineContext) -> float | None:
    """Do what can be done now; the seconds until there is more to do, or None when nothing is left.

    `WRITTEN_LATER` when only its end has to be written, which is done elsewhere.
    It stops between two steps when the engine is stopping: the next worker goes on there.
    """
    try:
        return _advance(upgrade_id, ctx)
    except NotClaimedError as exc:
        log.info("Left off: %s", exc)
        return None
    except LeaseLostError as exc:
        log.warning("Lease lost: %s", exc)
        return None
    except DATABASE_AWAY:
        log.exception("Database does not answer: upgrade=%s", upgrade_id)
        return DATABASE_PAUSE


def _advance(upgrade_id: int, ctx: EngineContext) -> float | None:
    while not ctx.stopping.is_set():
        work = ctx.load(upgrade_id)
        if work is None:
            return None
        try:
            ctx.hear_of_failure(upgrade_id)
            outcome = ctx.bounded(work.upgrade, _step(work, ctx))
            if outcome.is_news_after(work.upgrade.waiting_for):
                outcome = ctx.record(upgrade_id, outcome)
        except (LeaseLostError, *DATABASE_AWAY):
            raise
        except Exception as exc:  # A mistake of ours must end one upgrade, not the engine.
            log.exception("Unexpected error: upgrade=%s step=%s", upgrade_id, work.upgrade.step)
            detail = f"Unexpected error in the gateway ({type(exc).__name__}), see its log"
            outcome = ctx.record(upgrade_id, _retry(work, ctx, detail))
        if outcome.finish:
            return WRITTEN_LATER if ctx.on_ended else None
        if outcome.after:
            return outcome.after
    return 0.0


def _step(work: Work, ctx: EngineContext) -> Outcome:
    """One step, or what its failure means."""
    pause = ctx.pauses.wait(work.instance_name, ctx.clock()) if work.client else None
    if pause:
        seconds = (pause.until - ctx.clock()).total_seconds()
        return again(spread(seconds), pause.reason)
    step = work.upgrade.step or UpgradeStep.CHECKING
    try:
        outcome = (ctx.steps or STEPS)[step](work, ctx)
    except PartnerCenterError as exc:
        ctx.clients.note(work.instance_name, exc, ctx.clock())
        return _react(work, ctx, exc)
    ctx.clients.note(work.instance_name, outcome.trouble, ctx.clock())
    return outcome


def _react(work: Work, ctx: EngineContext, exc: PartnerCenterError) -> Outcome:
    """What each kind of error means for an upgrade: try later, give up, or wait for an administrator."""
    if isinstance(exc, RefusedError):
        outcome = _refused(work, ctx, exc)
    elif isinstance(exc, ThrottledError):
        outcome = again(spread(exc.retry_after), f"Microsoft asked for a pause: {exc}", event="throttled")
    elif isinstance(exc, BusyError):
        outcome = again(
            jittered(exc.retry_after), f"Microsoft is busy with the customer: {exc}", event="busy"
        )
    elif isinstance(exc, SignInError):
        outcome = again(spread(SIGN_IN_PAUSE), f"Sign-in at Microsoft fails: {exc}", event="sign_in_failed")
    else:
        outcome = _retry(work, ctx, f"Microsoft does not answer: {exc}")
    return replace(outcome, request_id=exc.request_id or None)


def _refused(work: Work, ctx: EngineContext, exc: RefusedError) -> Outcome:
    if work.upgrade.may_be_at_microsoft:
        return _retry(work, ctx, f"Microsoft refuses to tell: {exc}")  # Its end matters.
    return refused(exc)


def _retry(work: Work, ctx: EngineContext, detail: str) -> Outcome:
    """Try again later. What may be at Microsoft is followed as long as the time allows."""
    pause = retry_pause(ctx.app.upgrade_poll_interval_seconds, work.upgrade.attempts)
    # While Microsoft is away for all, no upgrade loses one of its tries.
    counts = not work.upgrade.may_be_at_microsoft and not ctx.pauses.is_down(work.instance_name)
    return replace(again(pause, detail, event="retry"), counts=counts)
