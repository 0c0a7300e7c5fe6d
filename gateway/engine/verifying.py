"""Did the users' licenses move? Person by person where they were written down before the upgrade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from gateway.engine.context import EngineContext, Work
from gateway.engine.generation import warn
from gateway.engine.license_book import LicenseBook, read_licenses
from gateway.engine.new_commerce import MOVE_BY_HAND
from gateway.engine.noting import find_sku, interruption, without_failing
from gateway.engine.outcome import Outcome, again
from gateway.models import LicenseCheck, Upgrade, UpgradeStatus, UserLicense, UserLicenseState
from gateway.partner_center import PartnerCenterError, TransitionType, UpgradeType

NAMED_USERS = 5
"""A reason names at most so many; the list has them all."""

MOVE_THEM = (
    "Move Licenses on the page of the upgrade gives them the new license in place of the old one;"
    " it can also be done in the Microsoft 365 admin center"
)
LOOK_BY_HAND = "Look at the users' licenses in the Microsoft 365 admin center"
SETTLED = (UserLicenseState.MOVED, UserLicenseState.GONE)


def verify_licenses(work: Work, ctx: EngineContext, poll_pause: float) -> Outcome:
    """An outcome that finishes the upgrade, with or without a warning; one without an end to look later."""
    upgrade = work.upgrade
    if not work.microsoft.supports_users:
        return _ending(_reported(upgrade))
    if upgrade.license_check is LicenseCheck.FAILED:
        return _ending(_reported(upgrade) or _not_verified("they could not be read before the upgrade"))
    return without_failing(
        work, ctx, lambda: _verify(work, ctx, poll_pause), lambda exc: _gave_up(upgrade, exc)
    )


def left_behind_warning(
    users: Sequence[UserLicense], total: int, reported: str | None = None
) -> dict[str, str]:
    """What to say of those who do not have the new license in place of the old one.

    :param users: those left behind
    :param total: how many held the old license before
    :param reported: what Microsoft said
    """
    names = ", ".join(each.user_principal_name or each.user_id for each in users[:NAMED_USERS])
    more = f" and {len(users) - NAMED_USERS} more" if len(users) > NAMED_USERS else ""
    have = "does" if len(users) == 1 else "do"
    reason = (
        f"{len(users)} of {total} users {have} not have the new license in place of the old: {names}{more}"
    )
    return warn(f"{reported}. {reason}" if reported else reason, MOVE_THEM)


def _verify(work: Work, ctx: EngineContext, poll_pause: float) -> Outcome:
    if work.upgrade.license_check is LicenseCheck.PEOPLE:
        return _verify_people(work, ctx, poll_pause)
    return _verify_counts(work, ctx, poll_pause)


def _verify_counts(work: Work, ctx: EngineContext, poll_pause: float) -> Outcome:
    upgrade = work.upgrade
    left = 0 if upgrade.reason else _without_a_seat(work)
    until = upgrade.licenses_awaited_until or ctx.clock() + _patience(upgrade, ctx)
    seconds = (until - ctx.clock()).total_seconds()
    if left and seconds > 0:
        waiting = f"Microsoft moves the users' licenses: {left} users have the old one without a seat for it"
        return replace(again(min(poll_pause, seconds), waiting), changes={"licenses_awaited_until": until})
    warning = f"{left} users still have the old license without a seat for it"
    return _ending(warn(warning, MOVE_BY_HAND) if left else _reported(upgrade))


def _verify_people(work: Work, ctx: EngineContext, poll_pause: float) -> Outcome:
    upgrade = work.upgrade
    book = LicenseBook(ctx, upgrade.id)
    users = book.users() or _taken_over(work, ctx, book)
    new_sku_id = upgrade.target_sku_id or _new_license(work)
    until = upgrade.licenses_awaited_until or ctx.clock() + _patience(upgrade, ctx)
    changes: dict[str, object] = {"target_sku_id": new_sku_id, "licenses_awaited_until": until}
    stop = _look_at_all(work, ctx, users, new_sku_id)
    left = [] if stop else _judge(users, upgrade.other_seats or 0)
    book.write(each for each in users if each.state is not UserLicenseState.NOTED)
    if stop is not None:
        return replace(stop, changes={**stop.changes, **changes})
    seconds = (until - ctx.clock()).total_seconds()
    if left and seconds > 0:
        waiting = f"Microsoft moves the users' licenses: {len(left)} of {len(users)} are left"
        return replace(again(min(poll_pause, seconds), waiting), changes=changes)
    return replace(_ended(upgrade, users, left), changes=changes)


def _ended(upgrade: Upgrade, users: Sequence[UserLicense], left: Sequence[UserLicense]) -> Outcome:
    if left:
        # The timeline is logged too, where names of people have no place.
        detail = f"{len(left)} of {len(users)} users were left behind with the old license"
        return replace(_ending(left_behind_warning(left, len(users), upgrade.reason)), detail=detail)
    if any(each.state is UserLicenseState.KEPT for each in users) and upgrade.reason:
        return _ending(_reported(upgrade))  # Who of them it speaks of cannot be told.
    return replace(_ending({}), detail=_all_moved(users))


def _look_at_all(
    work: Work, ctx: EngineContext, users: Sequence[UserLicense], new_sku_id: str
) -> Outcome | None:
    """Read those who have not moved yet; None when it was not interrupted."""
    upgrade = work.upgrade
    old, new = (upgrade.source_sku_id or "").casefold(), new_sku_id.casefold()
    for user in users:
        if user.state in SETTLED:
            continue
        if stop := interruption(work, ctx):
            return stop
        held = read_licenses(work.microsoft, upgrade.microsoft_tenant_id, user.user_id)
        if held is None:
            user.state, user.holds_old, user.holds_new = UserLicenseState.GONE, None, None
            continue
        user.holds_old, user.holds_new = old in held, new in held
        has_moved = user.holds_new and (old == new or not user.holds_old)
        user.state = UserLicenseState.MOVED if has_moved else UserLicenseState.NOTED
    return None


def _judge(users: Sequence[UserLicense], other_seats: int) -> list[UserLicense]:
    """Those left behind.

    Other subscriptions of the customer may have seats of the old license, which so many users keep; whose
    seats those are nobody can tell, so that the last ones by name are taken for them.
    """
    late = [each for each in users if each.state is UserLicenseState.NOTED]
    holders = [each for each in late if each.holds_old and not each.holds_new]
    kept = {each.user_id for each in holders[max(0, len(holders) - other_seats) :]}
    for user in late:
        user.state = UserLicenseState.KEPT if user.user_id in kept else UserLicenseState.LEFT_BEHIND
    return [each for each in late if each.state is UserLicenseState.LEFT_BEHIND]


def _patience(upgrade: Upgrade, ctx: EngineContext) -> timedelta:
    """Nobody needs to wait for licenses of which Microsoft has said that it does not move them."""
    only_seats = upgrade.transition_type in (UpgradeType.ONLY, TransitionType.ONLY)
    is_hopeless = upgrade.reason_code is not None or only_seats
    return timedelta(minutes=0 if is_hopeless else ctx.app.license_patience_minutes)


def _taken_over(work: Work, ctx: EngineContext, book: LicenseBook) -> list[UserLicense]:
    """The users of the earlier upgrade whose request to Microsoft this one took over, if it did."""
    earlier = ctx.load_one_before(work.upgrade)
    if earlier is None or earlier.request_id != work.upgrade.request_id:
        return []
    book.take_over(earlier.id)
    return book.users()


def _new_license(work: Work) -> str:
    upgrade = work.upgrade
    subscription_id = upgrade.target_microsoft_subscription_id or upgrade.source_microsoft_subscription_id
    status = work.microsoft.get_provisioning_status(upgrade.microsoft_tenant_id, subscription_id or "")
    return status.sku_id


def _without_a_seat(work: Work) -> int:
    """How many more hold the old license than there are seats of it."""
    old = work.upgrade.source_sku_id
    pool = find_sku(work, old) if old else None
    return max(0, pool.consumed_units - pool.active_units) if pool else 0


def _reported(upgrade: Upgrade) -> dict[str, str]:
    """The warning that Microsoft's own report left in the row."""
    if upgrade.reason is None:
        return {}
    return {
        "reason_code": upgrade.reason_code or "",
        "reason": upgrade.reason,
        "remedy": upgrade.remedy or "",
    }


def _not_verified(why: str) -> dict[str, str]:
    warning = warn(f"It is not known whose license has moved: {why}", LOOK_BY_HAND)
    return warning | {"reason_code": "licenses_not_verified"}


def _gave_up(upgrade: Upgrade, exc: PartnerCenterError) -> Outcome:
    outcome = _ending(_reported(upgrade) or _not_verified(f"Microsoft does not let users be read: {exc}"))
    return replace(outcome, request_id=exc.request_id or None)


def _all_moved(users: Sequence[UserLicense]) -> str:
    moved = sum(each.state is UserLicenseState.MOVED for each in users)
    kept = sum(each.state is UserLicenseState.KEPT for each in users)
    words = f"licenses of {moved} user{'' if moved == 1 else 's'} moved"
    return f"{words}, {kept} kept the old one with the seats of another subscription" if kept else words


def _ending(warning: dict[str, str]) -> Outcome:
    if not warning:
        return Outcome(event=None, finish=UpgradeStatus.COMPLETED)
    return Outcome(
        event=None,
        detail=warning["reason"],
        finish=UpgradeStatus.COMPLETED_WITH_WARNINGS,
        reason_code=warning["reason_code"],
        reason=warning["reason"],
        remedy=warning["remedy"],
    )
