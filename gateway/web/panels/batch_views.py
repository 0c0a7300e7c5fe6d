"""Batches of upgrades and single upgrades: how far they are, and what can be done about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import pairwise
from typing import Any

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
from gateway.services.sorting import Order
from gateway.services.upgrade_queries import BatchProgress, BatchSort, UpgradeQueries, UpgradeSort
from gateway.web.panels.csv_files import csv_line, csv_response
from gateway.web.panels.licenses import licenses_of
from gateway.web.panels.live import changed_rows, live_response, shown_rows, version_of
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.plan_views import describe_cancellation
from gateway.web.panels.rendering import Message, page, part, see_other
from gateway.web.panels.sorting import asked_sort, heads
from gateway.web.panels.words import (
    MOVE_RESULTS,
    UPGRADE_STATUSES,
    USER_LICENSE_BADGES,
    USER_LICENSE_STATES,
    counted,
)
from gateway.web.registry import CLIENTS, DATABASE, SETTINGS
from gateway.web.security import Permission

ROWS = 50
ALL_FAILED = "all_failed"
"""In place of upgrades that were selected."""

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
    places = Places(request)
    sort, descending = asked_sort(BatchSort, request.GET.get("sort"), "-number")
    found = UpgradeQueries(request.db, request.caller).list_batches(
        order=sort.order(descending=descending), cursor=request.GET.get("cursor") or None, limit=ROWS
    )
    return page(
        request,
        "batches.jinja2",
        trail=places.batches_trail(),
        batches=found,
        statuses=UPGRADE_STATUSES,
        heads=heads(BatchSort, sort, descending, lambda name: places.url("batches", {"sort": name})),
        sorting=_sort_query(request, BatchSort, "-number"),
    )


def show_batch(request: Request) -> Response:
    places = Places(request)
    batch_id = batch_id_of(request)
    queries = UpgradeQueries(request.db, request.caller)
    progress = _progress(request, queries, batch_id)
    status = _status(request)
    sort, descending = asked_sort(UpgradeSort, request.GET.get("sort"), "-number")
    found = queries.list(
        batch_id=batch_id,
        status=status,
        order=sort.order(descending=descending),
        cursor=request.GET.get("cursor") or None,
        limit=ROWS,
    )
    filtered = _status_query(request)
    return page(
        request,
        "batch.jinja2",
        trail=places.batch_trail(batch_id),
        upgrades=found,
        status=status,
        query=[*filtered, *_sort_query(request, UpgradeSort, "-number")],
        heads=heads(
            UpgradeSort,
            sort,
            descending,
            lambda name: places.url("batch", [*filtered, ("sort", name)], batch_id=batch_id),
        ),
        successors=queries.successors([each.id for each in found.items]),
        versions={each.id: version_of(each.changed_at) for each in found.items},
        may_cancel=_may_cancel(request, found.items),
        **progress,
    )


def live_batch(request: Request) -> Response:
    """What has changed since the page was made, for its script; 304 while nothing has."""
    batch_id = batch_id_of(request)
    queries = UpgradeQueries(request.db, request.caller)
    shown = shown_rows(request)
    version = version_of(queries.version(batch_id), _limit(request), sorted(shown))
    return live_response(request, version, lambda: _changes(request, queries, batch_id, shown))


def export_batch(request: Request) -> Response:
    batch_id = batch_id_of(request)
    UpgradeQueries(request.db, request.caller).check_batch(batch_id)
    sort, descending = asked_sort(UpgradeSort, request.GET.get("sort"), "-number")
    order = sort.order(descending=descending)
    lines = _lines(request.registry[DATABASE], request.caller, batch_id, _status(request), order)
    return csv_response(f"upgrade-batch-{batch_id}.csv", lines)


def cancel_upgrades(request: Request) -> Response:
    """Cancel Upgrade: of the selected ones or of the whole batch, those that are Pending."""
    batch_id = batch_id_of(request)
    back = Places(request).url("batch", _list_query(request), batch_id=batch_id)
    ids = selected_upgrades(request)
    cancellation = UpgradeCancellation(request.db, request.caller)
    if request.POST.get("all"):
        result = cancellation.cancel(batch_id=batch_id, now=request.now)
    elif ids:
        result = cancellation.cancel(upgrade_ids=ids, now=request.now)
    else:
        return see_other(request, back, Message("failed", "Select the upgrades to cancel, or all Pending"))
    return see_other(request, back, describe_cancellation(result))


def refresh_statuses(request: Request) -> Response:
    batch_id = batch_id_of(request)
    result = StatusRefresh(request.db, request.caller).refresh(batch_id=batch_id, now=request.now)
    request.wake_engine_after_commit()
    text = f"Statuses refreshed; {counted(len(result.refreshed), 'upgrade')} read again from Microsoft"
    back = Places(request).url("batch", _list_query(request), batch_id=batch_id)
    return see_other(request, back, Message("done", text))


def show_upgrade(request: Request) -> Response:
    places = Places(request)
    upgrade = UpgradeQueries(request.db, request.caller).get(upgrade_id_of(request))
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
        successor=UpgradeQueries(request.db, request.caller).successors([upgrade.id]).get(upgrade.id),
        pauses=_pauses(upgrade),
        licenses=licenses_of(request, upgrade),
        license_states=USER_LICENSE_STATES,
        state_badges=USER_LICENSE_BADGES,
        move_results=MOVE_RESULTS,
    )


def _changes(
    request: Request, queries: UpgradeQueries, batch_id: int, shown: Mapping[str, str]
) -> dict[str, Any]:
    ids = [int(key) for key in shown if key.isascii() and key.isdecimal() and len(key) < 12]
    upgrades = [each for each in queries.by_ids(ids) if each.batch_id == batch_id]
    versions = {each.id: version_of(each.changed_at) for each in upgrades}
    changed = set(changed_rows(shown, {str(key): version for key, version in versions.items()}))
    common = {
        "statuses": UPGRADE_STATUSES,
        "versions": versions,
        "successors": queries.successors(ids),
        "may_cancel": _may_cancel(request, upgrades),
    }
    rows = {
        str(each.id): part(request, "batch_row.jinja2", upgrade=each, **common)
        for each in upgrades
        if str(each.id) in changed
    }
    progress = _progress(request, queries, batch_id)
    return {
        "rows": rows,
        "progress": part(request, "batch_progress.jinja2", status=_status(request), **progress),
        "ended": progress["batch"].live == 0,
        "words": progress["words"],
    }


def _progress(request: Request, queries: UpgradeQueries, batch_id: int) -> dict[str, Any]:
    batch = queries.batch(batch_id)
    done = f"{batch.finished} of {batch.total} done"
    failed = batch.counts[UpgradeStatus.FAILED]
    return {
        "batch": batch,
        "statuses": UPGRADE_STATUSES,
        "waiting": _waiting(queries, batch, _turn(request, batch)),
        "limit": _limit(request),
        "may_retry": bool(failed) and bool(request.has_permission(Permission.UPGRADE_CREATE)),
        "words": done if not failed else f"{done}, {failed} failed",
    }


def _waiting(
    queries: UpgradeQueries, batch: BatchProgress, turn: str
) -> list[tuple[UpgradeStatus, str, int]]:
    """What waits, and why: first what has not begun, then what has."""
    pending = batch.counts[UpgradeStatus.PENDING]
    found: list[tuple[UpgradeStatus, str, int]] = []
    if pending:
        behind = min(pending, queries.count_behind_others(batch.batch.id))
        busy = "Another upgrade of the same customer is in progress"
        found = [(UpgradeStatus.PENDING, busy, behind), (UpgradeStatus.PENDING, turn, pending - behind)]
    if batch.live:
        found += [
            (UpgradeStatus.IN_PROGRESS, words, number) for words, number in queries.waiting(batch.batch.id)
        ]
    return [each for each in found if each[2]]


def _turn(request: Request, batch: BatchProgress) -> str:
    """Why those that could begin do not."""
    if batch.live:
        instance = batch.batch.target_plan.service_template.application_instance
        if pause := request.registry[CLIENTS].pause(instance.name):
            return f"{pause[1]}; Microsoft is asked again at {pause[0]:%H:%M:%S} UTC"
    limit = _limit(request)
    return f"All {limit} places are taken" if batch.running >= limit else "Next in line"


def _limit(request: Request) -> int:
    """How many upgrades may be in progress at once."""
    limit: int = request.registry[SETTINGS].app.max_allowed_nb_of_simultaneous_upgrades
    return limit


def _may_cancel(request: Request, upgrades: Any) -> bool:
    """Whether Cancel Upgrade would be allowed; all upgrades of a batch are of one instance."""
    instances = {each.application_instance_id for each in upgrades}
    return any(Abilities(request.db).may_upgrade(request.caller, each) for each in instances)


def _status(request: Request) -> UpgradeStatus | None:
    asked = request.params.get("upgrade_status")
    return next((each for each in UpgradeStatus if each.value == asked), None)


def _status_query(request: Request) -> list[tuple[str, str]]:
    status = _status(request)
    return [("upgrade_status", status.value)] if status else []


def _list_query(request: Request) -> list[tuple[str, str]]:
    return [*_status_query(request), *_sort_query(request, UpgradeSort, "-number")]


def _sort_query(request: Request, sorts: type[Enum], default: str) -> list[tuple[str, str]]:
    """The order, where it is not that of every list."""
    sort, descending = asked_sort(sorts, request.params.get("sort"), default)
    name = f"-{sort.value}" if descending else str(sort.value)
    return [("sort", name)] if name != default else []


def batch_id_of(request: Request) -> int:
    """:raises UpgradeBatchNotFoundError: if the address cannot mean one"""
    return _row_id(request, "batch_id", UpgradeBatchNotFoundError)


def upgrade_id_of(request: Request) -> int:
    """:raises UpgradeNotFoundError: if the address cannot mean one"""
    return _row_id(request, "upgrade_id", UpgradeNotFoundError)


def selected_upgrades(request: Request) -> list[int]:
    return [int(text) for text in request.params.getall("u") if text.isdecimal() and len(text) < 12]


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


def _lines(
    database: Database, caller: Caller, batch_id: int, status: UpgradeStatus | None, order: Order
) -> Iterator[str]:
    """Read in a session of its own, since the request's ends before the last line is sent."""
    yield csv_line(COLUMNS)
    with database.read() as db:
        queries = UpgradeQueries(db, caller)
        cursor = None
        while True:
            found = queries.list(
                batch_id=batch_id, status=status, order=order, cursor=cursor, limit=MAXIMUM_LIMIT
            )
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
