"""Batches of upgrades and single upgrades: how far they are, and what can be done about them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import Any

from pyramid.renderers import render
from pyramid.request import Request
from pyramid.response import Response

from gateway.db import Database, utcnow
from gateway.models import LIVE, Upgrade, UpgradeStatus
from gateway.services.abilities import Abilities
from gateway.services.caller import Caller
from gateway.services.cancellation import UpgradeCancellation
from gateway.services.errors import UpgradeBatchNotFoundError, UpgradeNotFoundError
from gateway.services.keys import is_row_id
from gateway.services.paging import MAXIMUM_LIMIT
from gateway.services.refresh import StatusRefresh
from gateway.services.upgrade_queries import BatchSummary, UpgradeQueries
from gateway.web.panels.csv_files import csv_line, csv_response
from gateway.web.panels.navigating import engine_figures
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.plan_views import describe_cancellation
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.words import UPGRADE_STATUSES, counted
from gateway.web.registry import DATABASE

ROWS = 50
LATE = timedelta(seconds=5)
"""A change may be seen so much later than the time that it bears."""

COLUMNS = (
    "Upgrade",
    "Subscription",
    "Customer",
    "From",
    "To",
    "Upgrade Status",
    "Reason code",
    "Reason",
    "Remedy",
    "Scheduled (UTC)",
    "Started (UTC)",
    "Finished (UTC)",
    "MS-RequestId",
    "MS-CorrelationId",
)


def show_batches(request: Request) -> Response:
    found = UpgradeQueries(request.db, request.caller).list_batches(
        cursor=request.GET.get("cursor") or None, limit=ROWS
    )
    trail = Places(request).batches_trail()
    return page(request, "batches.jinja2", trail=trail, batches=found, statuses=UPGRADE_STATUSES)


def show_batch(request: Request) -> Response:
    places = Places(request)
    batch_id = _row_id(request, "batch_id", UpgradeBatchNotFoundError)
    queries = UpgradeQueries(request.db, request.caller)
    status = _status(request)
    found = queries.list(
        batch_id=batch_id, status=status, cursor=request.GET.get("cursor") or None, limit=ROWS
    )
    return page(
        request,
        "batch.jinja2",
        trail=places.batch_trail(batch_id),
        upgrades=found,
        status=status,
        may_cancel=_may_cancel(request, found.items),
        loaded_at=request.now - LATE,
        **_progress(request, queries, batch_id),
    )


def live_batch(request: Request) -> Response:
    """What has changed since the page was made, for its script; 304 while nothing has."""
    batch_id = _row_id(request, "batch_id", UpgradeBatchNotFoundError)
    queries = UpgradeQueries(request.db, request.caller)
    version = _version(queries.summary(batch_id), queries.last_change(batch_id))
    if version in request.if_none_match:
        response = Response(status=int(HTTPStatus.NOT_MODIFIED))
    else:
        body = json.dumps(_changes(request, queries, batch_id)).encode()
        response = Response(body, content_type="application/json")
    response.etag = version
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def export_batch(request: Request) -> Response:
    batch_id = _row_id(request, "batch_id", UpgradeBatchNotFoundError)
    UpgradeQueries(request.db, request.caller).summary(batch_id)
    lines = _lines(request.registry[DATABASE], request.caller, batch_id, _status(request))
    return csv_response(f"upgrade-batch-{batch_id}.csv", lines)


def cancel_upgrades(request: Request) -> Response:
    """Cancel Upgrade: of the selected ones or of the whole batch, those that are Pending."""
    batch_id = _row_id(request, "batch_id", UpgradeBatchNotFoundError)
    back = Places(request).url("batch", _status_query(request), batch_id=batch_id)
    ids = [int(text) for text in request.POST.getall("u") if text.isdecimal() and len(text) < 12]
    cancellation = UpgradeCancellation(request.db, request.caller)
    if request.POST.get("all"):
        result = cancellation.cancel(batch_id=batch_id, now=request.now)
    elif ids:
        result = cancellation.cancel(upgrade_ids=ids, now=request.now)
    else:
        return see_other(request, back, Message("failed", "Select the upgrades to cancel, or all Pending"))
    return see_other(request, back, describe_cancellation(result))


def refresh_statuses(request: Request) -> Response:
    batch_id = _row_id(request, "batch_id", UpgradeBatchNotFoundError)
    result = StatusRefresh(request.db, request.caller).refresh(batch_id=batch_id, now=request.now)
    request.wake_engine_after_commit()
    text = f"Statuses refreshed; {counted(len(result.refreshed), 'upgrade')} read again from Microsoft"
    back = Places(request).url("batch", _status_query(request), batch_id=batch_id)
    return see_other(request, back, Message("done", text))


def show_upgrade(request: Request) -> Response:
    places = Places(request)
    upgrade = UpgradeQueries(request.db, request.caller).get(
        _row_id(request, "upgrade_id", UpgradeNotFoundError)
    )
    here = Crumb(f"Upgrade {upgrade.id}", places.url("upgrade", upgrade_id=upgrade.id))
    sees_batch = request.caller.sees(upgrade.batch.account_id)
    trail = places.batch_trail(upgrade.batch_id) if sees_batch else places.batches_trail()
    return page(
        request,
        "upgrade.jinja2",
        trail=[*trail, here],
        upgrade=upgrade,
        statuses=UPGRADE_STATUSES,
        seconds=_seconds(upgrade),
        pauses=_pauses(upgrade),
    )


def _changes(request: Request, queries: UpgradeQueries, batch_id: int) -> dict[str, Any]:
    ids = [int(text) for text in request.GET.get("rows", "").split(",") if text.isdecimal()][:MAXIMUM_LIMIT]
    until = request.now - LATE
    changed = queries.changed_since(batch_id, ids, _since(request))
    common = {"places": Places(request), "statuses": UPGRADE_STATUSES}
    may_cancel = _may_cancel(request, changed)
    rows = {
        str(each.id): _render("batch_row.jinja2", request, upgrade=each, may_cancel=may_cancel, **common)
        for each in changed
    }
    progress = _progress(request, queries, batch_id)
    summary = _render("batch_progress.jinja2", request, status=_status(request), **common | progress)
    return {
        "rows": rows,
        "progress": summary,
        "since": until.isoformat(),
        "live": progress["batch"].live,
        "words": progress["words"],
    }


def _progress(request: Request, queries: UpgradeQueries, batch_id: int) -> dict[str, Any]:
    batch = queries.batch(batch_id)
    done = f"{batch.finished} of {batch.total} done"
    failed = batch.counts[UpgradeStatus.FAILED]
    return {
        "batch": batch,
        "statuses": UPGRADE_STATUSES,
        "waiting": queries.waiting(batch_id) if batch.live else [],
        "engine": engine_figures(request) if batch.live else {},
        "words": done if not failed else f"{done}, {failed} failed",
    }


def _render(template: str, request: Request, **values: Any) -> str:
    return str(render(f"gateway.web.panels:templates/{template}", values, request))


def _may_cancel(request: Request, upgrades: Any) -> bool:
    """Whether Cancel Upgrade would be allowed; all upgrades of a batch are of one instance."""
    instances = {each.application_instance_id for each in upgrades}
    return any(Abilities(request.db).may_upgrade(request.caller, each) for each in instances)


def _version(summary: BatchSummary, last_change: datetime | None) -> str:
    text = f"{last_change} {[summary.counts[status] for status in UpgradeStatus]}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _since(request: Request) -> datetime | None:
    try:
        at = datetime.fromisoformat(request.GET.get("since", ""))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _status(request: Request) -> UpgradeStatus | None:
    asked = request.params.get("upgrade_status")
    return next((each for each in UpgradeStatus if each.value == asked), None)


def _status_query(request: Request) -> list[tuple[str, str]]:
    status = _status(request)
    return [("upgrade_status", status.value)] if status else []


def _row_id(
    request: Request, name: str, error: type[UpgradeBatchNotFoundError] | type[UpgradeNotFoundError]
) -> int:
    text = request.matchdict[name]
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and is_row_id(int(text))):
        raise error([text])
    return int(text)


def _seconds(upgrade: Upgrade) -> float | None:
    """How long it has run, or ran."""
    if upgrade.started_at is None:
        return None
    return ((upgrade.finished_at or utcnow()) - upgrade.started_at).total_seconds()


def _pauses(upgrade: Upgrade) -> list[float | None]:
    """The seconds before each event since the one before it."""
    times = [event.at for event in upgrade.events]
    later = [(at - before).total_seconds() for before, at in pairwise(times)]
    return [None, *later] if times else []


def _lines(database: Database, caller: Caller, batch_id: int, status: UpgradeStatus | None) -> Iterator[str]:
    """Read in a session of its own, since the request's ends before the last line is sent."""
    yield csv_line(COLUMNS)
    with database.read() as db:
        queries = UpgradeQueries(db, caller)
        cursor = None
        while True:
            found = queries.list(batch_id=batch_id, status=status, cursor=cursor, limit=MAXIMUM_LIMIT)
            yield "".join(csv_line(_cells(upgrade)) for upgrade in found.items)
            db.expunge_all()
            cursor = found.next_cursor
            if cursor is None:
                return


def _cells(upgrade: Upgrade) -> tuple[str, ...]:
    times = upgrade.scheduled_at, upgrade.started_at, upgrade.finished_at
    waits = upgrade.waiting_for if upgrade.status in LIVE else None
    return (
        str(upgrade.id),
        upgrade.subscription_id,
        upgrade.account.name,
        upgrade.source_plan.name,
        upgrade.target_plan.name,
        UPGRADE_STATUSES[upgrade.status],
        upgrade.reason_code or "",
        upgrade.reason or waits or "",
        upgrade.remedy or "",
        *(f"{at:%Y-%m-%d %H:%M:%S}" if at else "" for at in times),
        str(upgrade.request_id),
        str(upgrade.correlation_id),
    )
