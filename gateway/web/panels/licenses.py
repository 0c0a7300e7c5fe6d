"""What the panels say of the users' licenses: on the page of an upgrade, and before it is scheduled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pyramid.request import Request

from gateway.models import LicenseCheck, Upgrade, UpgradeStatus, UserLicense
from gateway.services.abilities import Abilities
from gateway.services.license_moves import LicenseMoves, LicenseSummary
from gateway.web.registry import SETTINGS

MOST_USERS = 200
"""On one page, those first who need attention; the API lists all."""

APP_ONLY = (
    "Users' licenses are not verified: this application instance signs in at Microsoft without a user"
    " (app-only), so that only Microsoft's own report of an upgrade is known. To have the licenses verified"
    " person by person, an administrator gives the instance a refreshToken (App+User) in Settings.config."
)
BY_NUMBERS = "Users' licenses are verified by their numbers only, since LICENSE_CHECK_MAX_USERS is 0."
TOO_MANY = (
    "There were more users than LICENSE_CHECK_MAX_USERS allows; only the numbers of licenses were compared."
)
NOT_READ = "The users could not be read before the upgrade, so that it is not known whose license has moved."


class LicensesShown(NamedTuple):
    """The users of one upgrade, as its page has them."""

    summary: LicenseSummary
    users: Sequence[UserLicense]
    note: str | None
    """Why there are none, or what limits what is known."""
    may_move: bool


def licenses_of(request: Request, upgrade: Upgrade) -> LicensesShown:
    """:param upgrade: one that the caller sees"""
    moves = LicenseMoves(request.db, request.caller)
    summary = moves.summary(upgrade.id)
    may_upgrade = Abilities(request.db).may_upgrade(request.caller, upgrade.application_instance_id)
    has_warnings = upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
    return LicensesShown(
        summary,
        moves.first(upgrade.id, MOST_USERS) if summary.total else (),
        _note(request, upgrade),
        may_upgrade and has_warnings and summary.left_behind > 0 and summary.move is None,
    )


def note_before(request: Request, instance_name: str) -> str | None:
    """What is to be known of users' licenses before upgrades of the instance are scheduled."""
    settings = request.registry[SETTINGS]
    configured = settings.instance(instance_name)
    if configured is not None and not configured.signs_in_as_user:
        return APP_ONLY
    return BY_NUMBERS if settings.app.license_check_max_users == 0 else None


def _note(request: Request, upgrade: Upgrade) -> str | None:
    if upgrade.license_check is LicenseCheck.COUNTS:
        return TOO_MANY
    if upgrade.license_check is LicenseCheck.FAILED:
        return NOT_READ
    if upgrade.license_check is LicenseCheck.PEOPLE:
        return None
    instance = upgrade.target_plan.service_template.application_instance
    return note_before(request, instance.name)
