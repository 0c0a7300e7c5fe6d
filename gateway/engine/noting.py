"""The step before the request leaves: who holds the license that Microsoft is about to exchange?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.engine.context import EngineContext, Work
from gateway.engine.license_book import LicenseBook, read_licenses
from gateway.engine.outcome import Outcome, again, move_on
from gateway.engine.pace import retry_pause, spread
from gateway.models import LicenseCheck, UpgradeStep, UserLicense, UserLicenseState
from gateway.partner_center import PartnerCenterError, RefusedError, SubscribedSKU, ThrottledError, User

TRIES = 4
"""So many reads of users may fail in a row until the upgrade goes on without."""


def first_step_after_checking(work: Work) -> UpgradeStep:
    """Without a user of its own (app-only) the gateway cannot see the customer's users."""
    return UpgradeStep.NOTING_LICENSES if work.microsoft.supports_users else UpgradeStep.SUBMITTING


def note_licenses(work: Work, ctx: EngineContext) -> Outcome:
    """Write down who holds the old license. That it fails keeps no upgrade."""
    if work.upgrade.license_check is not None:  # Of an earlier try; since then it may have changed.
        LicenseBook(ctx, work.upgrade.id).forget()
        return Outcome(event=None, changes={"license_check": None})
    return without_failing(work, ctx, lambda: _note(work, ctx), lambda exc: _not_noted(work, ctx, exc))


def without_failing(
    work: Work,
    ctx: EngineContext,
    look: Callable[[], Outcome],
    give_up: Callable[[PartnerCenterError], Outcome],
) -> Outcome:
    """Look at users, more than once if it must be, and in the end go on without."""
    try:
        return look()
    except ThrottledError:
        raise  # Microsoft serves; what was read is kept.
    except PartnerCenterError as exc:
        tries = work.upgrade.attempts + 1
        if isinstance(exc, RefusedError) or tries >= TRIES:
            return replace(give_up(exc), trouble=exc)
        asked = getattr(exc, "retry_after", None)
        pause = retry_pause(ctx.app.upgrade_poll_interval_seconds, work.upgrade.attempts)
        outcome = again(asked or pause, f"Users could not be read: {exc}", event="retry", attempts=tries)
        return replace(outcome, trouble=exc, request_id=exc.request_id or None)


def interruption(work: Work, ctx: EngineContext) -> Outcome | None:
    """Why nobody else is to be looked at right now: the engine stops, or Microsoft is left alone."""
    if ctx.stopping.is_set():
        return Outcome(event=None, waiting_for=work.upgrade.waiting_for)
    pause = ctx.pauses.blocked_instances(ctx.clock()).get(work.instance_name.casefold())
    if pause is None:
        return None
    return again(spread((pause.until - ctx.clock()).total_seconds()), pause.reason)


def _note(work: Work, ctx: EngineContext) -> Outcome:
    upgrade = work.upgrade
    sku_id = work.microsoft.get_provisioning_status(
        upgrade.microsoft_tenant_id, upgrade.source_microsoft_subscription_id or ""
    ).sku_id
    is_by_numbers = ctx.app.license_check_max_users == 0
    pool = None if is_by_numbers else find_sku(work, sku_id)
    other_seats = max(0, pool.active_units - (upgrade.quantity or 0)) if pool else 0
    reader = _Reader(work, ctx, sku_id, pool)
    outcome = reader.read()
    return replace(outcome, changes={"source_sku_id": sku_id, "other_seats": other_seats, **outcome.changes})


def find_sku(work: Work, sku_id: str) -> SubscribedSKU | None:
    """What the directory has of a license."""
    skus = work.microsoft.list_subscribed_skus(work.upgrade.microsoft_tenant_id)
    return next((each for each in skus if each.sku_id.casefold() == sku_id.casefold()), None)


def _not_noted(work: Work, ctx: EngineContext, exc: PartnerCenterError) -> Outcome:
    LicenseBook(ctx, work.upgrade.id).forget()
    detail = f"It cannot be verified later whose license has moved, since the users could not be read: {exc}"
    outcome = move_on(UpgradeStep.SUBMITTING, "licenses_not_noted", detail, license_check=LicenseCheck.FAILED)
    return replace(outcome, request_id=exc.request_id or None)


class _Reader:
    """Reads users until all holders of a license are known; what it has read outlives an interruption."""

    def __init__(self, work: Work, ctx: EngineContext, sku_id: str, pool: SubscribedSKU | None) -> None:
        """:param pool: None where the directory does not tell how many use the license"""
        self._work = work
        self._ctx = ctx
        self._sku_id = sku_id
        self._wanted = pool.consumed_units if pool else None
        self._book = LicenseBook(ctx, work.upgrade.id)
        self._read = {each.user_id: each for each in self._book.users()}
        self._fresh: list[UserLicense] = []

    def read(self) -> Outcome:
        most = self._ctx.app.license_check_max_users
        if (self._wanted or 0) > most or most == 0:
            return self._too_many(most)
        try:
            outcome = self._read_users(most)
        finally:
            self._book.write(self._fresh)
        if outcome is not None:
            return outcome
        self._book.forget(UserLicenseState.OTHER)
        number = self._holders()
        detail = f"{number} user{'' if number == 1 else 's'} had the old license before the upgrade"
        return move_on(UpgradeStep.SUBMITTING, "licenses_noted", detail, license_check=LicenseCheck.PEOPLE)

    def _read_users(self, most: int) -> Outcome | None:
        """None when everybody has been read who matters."""
        if self._is_complete():
            return None
        for user in self._work.microsoft.list_users(self._work.upgrade.microsoft_tenant_id):
            if user.id in self._read:
                continue
            if len(self._read) >= most:
                return self._too_many(most)
            if stop := interruption(self._work, self._ctx):
                return stop
            self._look_at(user)
            if self._is_complete():
                return None
        return None

    def _look_at(self, user: User) -> None:
        held = read_licenses(self._work.microsoft, self._work.upgrade.microsoft_tenant_id, user.id) or {}
        state = UserLicenseState.NOTED if self._sku_id.casefold() in held else UserLicenseState.OTHER
        row = UserLicense(user_id=user.id, user_principal_name=user.user_principal_name, state=state)
        self._read[user.id] = row
        self._fresh.append(row)

    def _is_complete(self) -> bool:
        return self._wanted is not None and self._holders() >= self._wanted

    def _holders(self) -> int:
        return sum(each.state is UserLicenseState.NOTED for each in self._read.values())

    def _too_many(self, most: int) -> Outcome:
        self._fresh.clear()
        self._book.forget()
        detail = (
            f"Only the numbers of licenses are compared after the upgrade: LICENSE_CHECK_MAX_USERS is {most}"
        )
        return move_on(
            UpgradeStep.SUBMITTING, "licenses_not_noted", detail, license_check=LicenseCheck.COUNTS
        )
