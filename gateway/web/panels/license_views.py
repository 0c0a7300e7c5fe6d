"""Move Licenses: of the users whom an upgrade left behind."""

from __future__ import annotations

from pyramid.request import Request
from pyramid.response import Response

from gateway.services.errors import NoLicensesToMoveError
from gateway.services.license_moves import LicenseMoves
from gateway.web.panels.batch_views import upgrade_id_of
from gateway.web.panels.places import Places
from gateway.web.panels.rendering import Message, see_other
from gateway.web.panels.words import counted


def move_licenses(request: Request) -> Response:
    """Ask for it; the engine does it, and the page of the upgrade tells of each user."""
    upgrade_id = upgrade_id_of(request)
    back = Places(request).url("upgrade", upgrade_id=upgrade_id)
    try:
        users = LicenseMoves(request.db, request.caller).request(upgrade_id, request.now)
    except NoLicensesToMoveError as exc:
        request.tm.doom()
        return see_other(request, back, Message("failed", f"No license is moved: {exc}"))
    request.wake_engine_after_commit()
    text = f"Moving the licenses of {counted(users, 'user')}; the list below tells of each"
    return see_other(request, back, Message("done", text))
