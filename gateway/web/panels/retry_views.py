"""Schedule Again: a preview of what would become of failed upgrades, and the batch that repeats them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy.orm import Session

from gateway.models import Upgrade
from gateway.services.errors import NotEligibleError
from gateway.services.retrying import RetryAssessment, UpgradeRetry
from gateway.services.scheduling import UpgradeScheduling
from gateway.web.api.catalog_views import upgrade_paths
from gateway.web.panels.batch_views import ALL_FAILED, batch_id_of, selected_upgrades
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.words import counted

STEP = "Schedule Again"
MOST_SHOWN = 200
"""Of those that may be scheduled again; the refused ones are what is worth reading."""


def show_retry(request: Request) -> Response:
    places = Places(request)
    batch_id = batch_id_of(request)
    if not selected_upgrades(request) and ALL_FAILED not in request.GET:
        message = Message("failed", "Select the failed upgrades to schedule again, or all failed ones")
        return see_other(request, places.url("batch", batch_id=batch_id), message)
    assessment = _retry(request, request.db).assess(batch_id, _wanted(request), request.now)
    return page(
        request,
        "retry.jinja2",
        trail=[*places.batch_trail(batch_id), Crumb(STEP, request.path_qs)],
        batch_id=batch_id,
        assessment=assessment,
        shown=assessment.eligible[:MOST_SHOWN],
        refused=assessment.refused[:MOST_SHOWN],
        digest=_digest(assessment.eligible),
        query=_query(request),
    )


def retry(request: Request) -> Response:
    """Schedule exactly what the preview showed; who presses twice comes to the same batch."""
    places = Places(request)
    batch_id = batch_id_of(request)
    again = places.url("batch_retry", _query(request), batch_id=batch_id)
    service = _retry(request, request.db)
    try:
        batch, assessment = service.retry(batch_id, _wanted(request), request.now)
    except NotEligibleError:
        assessment = service.assess(batch_id, _wanted(request), request.now)
        request.tm.doom()
        return _nothing(request, assessment, again)
    if _digest(assessment.eligible) != request.POST.get("digest"):
        request.tm.doom()
        text = "Nothing was scheduled: the upgrades have changed since the preview"
        return see_other(request, again, Message("failed", text))
    request.wake_engine_after_commit()
    text = f"{counted(len(assessment.eligible), 'upgrade')} scheduled again"
    return see_other(request, places.url("batch", batch_id=batch.id), Message("done", text))


def _nothing(request: Request, assessment: RetryAssessment, again: str) -> Response:
    if assessment.done_before_in is None:
        return see_other(request, again, Message("failed", "None of them can be scheduled again"))
    url = Places(request).url("batch", batch_id=assessment.done_before_in)
    return see_other(request, url, Message("done", "They were scheduled again before, in this batch"))


def _retry(request: Request, db: Session) -> UpgradeRetry:
    scheduling = UpgradeScheduling(db, request.caller, upgrade_paths(request, db))
    return UpgradeRetry(db, request.caller, scheduling)


def _wanted(request: Request) -> Sequence[int] | None:
    return None if ALL_FAILED in request.params else selected_upgrades(request)


def _query(request: Request) -> list[tuple[str, str]]:
    if ALL_FAILED in request.params:
        return [(ALL_FAILED, "1")]
    return [("u", str(key)) for key in selected_upgrades(request)]


def _digest(upgrades: Sequence[Upgrade]) -> str:
    return hashlib.sha256(",".join(str(each.id) for each in upgrades).encode()).hexdigest()
