"""The page of a service plan: its subscriptions, and what can be done with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import Database
from gateway.models import PlanKind, ServicePlan, SubscriptionStatus, UpgradeStatus
from gateway.services.caller import Caller
from gateway.services.cancellation import Cancellation, UpgradeCancellation
from gateway.services.paging import MAXIMUM_LIMIT
from gateway.services.refresh import StatusRefresh
from gateway.services.selection import MOST_UPGRADES
from gateway.services.subscription_queries import (
    SubscriptionFilter,
    SubscriptionQueries,
    SubscriptionRow,
    SubscriptionSort,
)
from gateway.web.panels.csv_files import csv_line, csv_response
from gateway.web.panels.live import changed_rows, live_response, shown_rows, version_of
from gateway.web.panels.places import Places
from gateway.web.panels.rendering import Message, page, part, see_other
from gateway.web.panels.selecting import Chosen, check_plan, chosen, find_plan
from gateway.web.panels.sorting import heads
from gateway.web.panels.tabs import plan_tabs
from gateway.web.panels.words import SUBSCRIPTION_STATUSES, UPGRADE_STATUSES, counted
from gateway.web.registry import DATABASE
from gateway.web.security import Permission

ROWS = 50
MOST_COUNTED = 10_000
MOST_FOUND = 200
"""Longer lists are said to have more than that, those of a search sooner; counting all takes too long."""

COLUMNS = (
    "Subscription",
    "Customer",
    "Domain",
    "Vendor",
    "License",
    "Limit",
    "Status",
    "Upgrade Status",
    "Reason",
    "Last change (UTC)",
)


def show_plan(request: Request) -> Response:
    places = Places(request)
    plan = find_plan(request)
    asked = chosen(request, plan)
    queries = SubscriptionQueries(request.db, request.caller)
    most = MOST_FOUND if asked.wanted.text else MOST_COUNTED
    cursor = request.GET.get("cursor") or None
    found, matching = queries.find_counted(
        asked.wanted, order=asked.order, cursor=cursor, limit=ROWS, at_most=most + 1
    )
    return page(
        request,
        "plan.jinja2",
        trail=places.plan_trail(plan),
        tabs=plan_tabs(places, plan, "Subscriptions"),
        plan=plan,
        asked=asked,
        may_select=_may_select(request, plan),
        rows=found,
        versions={each.subscription.id: _version(each) for each in found.items},
        is_moving=any(each.upgrade and each.upgrade.is_live for each in found.items),
        matching=matching,
        most_counted=most,
        heads=heads(SubscriptionSort, asked.sort, asked.descending, _sorted_by(places, plan, asked)),
        vendors=queries.vendors(plan.id),
        statuses=SUBSCRIPTION_STATUSES,
        upgrade_statuses=UPGRADE_STATUSES,
        status_options=[(status.value, word) for status, word in SUBSCRIPTION_STATUSES.items()],
        upgrade_options=[
            ("none", "Never upgraded"),
            *((status.value, word) for status, word in UPGRADE_STATUSES.items()),
        ],
        current_upgrade_status=dict(asked.filter_query()).get("upgrade_status", ""),
    )


def live_plan(request: Request) -> Response:
    """What has changed in the rows of a page, for its script; 304 while nothing has."""
    check_plan(request)
    shown = shown_rows(request)
    queries = SubscriptionQueries(request.db, request.caller)
    versions = {key: version_of(*values) for key, values in queries.versions(list(shown)).items()}
    return live_response(
        request, version_of(versions), lambda: _changes(request, queries, changed_rows(shown, versions))
    )


def export_plan(request: Request) -> Response:
    """All that the filter matches, written while it is read."""
    plan = find_plan(request)
    lines = _lines(request.registry[DATABASE], request.caller, chosen(request, plan))
    return csv_response(f"{plan.id}-subscriptions.csv", lines)


def cancel_upgrades(request: Request) -> Response:
    """Cancel Upgrade: of the selected ones, those that are Pending."""
    plan = find_plan(request)
    asked = chosen(request, plan)
    if not asked.is_all and not asked.ids:
        return _back(request, asked, Message("failed", "Select the subscriptions whose upgrade to cancel"))
    queries = SubscriptionQueries(request.db, request.caller)
    ids = None if asked.is_all else asked.ids
    upgrade_ids = queries.upgrade_ids(
        asked.wanted if asked.is_all else _of(plan.id), ids, at_most=MOST_UPGRADES
    )
    if not upgrade_ids:
        return _back(request, asked, Message("failed", "None of the selected subscriptions has an upgrade"))
    result = UpgradeCancellation(request.db, request.caller).cancel(upgrade_ids=upgrade_ids, now=request.now)
    return _back(request, asked, describe_cancellation(result))


def refresh_statuses(request: Request) -> Response:
    """Refresh Statuses: of the selected ones, or of the whole list when none is."""
    plan = find_plan(request)
    asked = chosen(request, plan)
    queries = SubscriptionQueries(request.db, request.caller)
    by_ids = bool(asked.ids) and not asked.is_all
    wanted = _of(plan.id, UpgradeStatus.IN_PROGRESS)
    upgrade_ids = queries.upgrade_ids(wanted, asked.ids if by_ids else None, at_most=MOST_UPGRADES)
    if not upgrade_ids:
        return _back(
            request, asked, Message("done", "Statuses refreshed; no upgrade here waits for Microsoft")
        )
    result = StatusRefresh(request.db, request.caller).refresh(upgrade_ids=upgrade_ids, now=request.now)
    request.wake_engine_after_commit()
    text = f"Statuses refreshed; {counted(len(result.refreshed), 'upgrade')} read again from Microsoft"
    return _back(request, asked, Message("done", text))


def describe_cancellation(result: Cancellation) -> Message:
    """What was canceled and what was not, and why."""
    parts = [f"{counted(len(result.canceled), 'upgrade')} canceled"]
    reasons = Counter((each.status, each.detail) for each in result.not_canceled)
    parts += [
        f"{counted(number, 'upgrade')} not canceled, {UPGRADE_STATUSES[status]}: {detail}"
        for (status, detail), number in reasons.items()
    ]
    if result.finished and not result.not_canceled:
        parts.append(f"{counted(result.finished, 'upgrade')} had ended before")
    kind = "done" if not result.not_canceled and result.canceled else "partly"
    return Message(kind if result.canceled else "failed", ". ".join(parts))


def _changes(request: Request, queries: SubscriptionQueries, changed: Sequence[str]) -> dict[str, Any]:
    rows = queries.by_ids(changed)
    common = {
        "vendors": queries.names_of_vendors({each.subscription.branch_id for each in rows}),
        "versions": {each.subscription.id: _version(each) for each in rows},
        "statuses": SUBSCRIPTION_STATUSES,
        "upgrade_statuses": UPGRADE_STATUSES,
        "may_select": _may_select(request, find_plan(request)),
    }
    html = {each.subscription.id: part(request, "plan_row.jinja2", each=each, **common) for each in rows}
    return {"rows": html, "words": _words(rows), "ended": False}


def _may_select(request: Request, plan: ServicePlan) -> bool:
    """Whether there is anything to do with the rows."""
    return plan.kind is PlanKind.STANDARD and bool(request.has_permission(Permission.UPGRADE_CREATE))


def _version(row: SubscriptionRow) -> str:
    return version_of(*row.version)


def _words(rows: Sequence[SubscriptionRow]) -> str:
    """How many of the rows that changed have which status now, to be read aloud."""
    counts = Counter(row.upgrade.status for row in rows if row.upgrade)
    return ", ".join(f"{word}: {counts[each]}" for each, word in UPGRADE_STATUSES.items() if counts[each])


def _sorted_by(places: Places, plan: ServicePlan, asked: Chosen) -> Callable[[str], str]:
    return lambda sort: places.plan(plan, query=[*asked.filter_query(), ("sort", sort)])


def _of(plan_id: str, upgrade_status: UpgradeStatus | None = None) -> SubscriptionFilter:
    return SubscriptionFilter(service_plan_id=plan_id, upgrade_status=upgrade_status)


def _back(request: Request, asked: Chosen, message: Message) -> Response:
    plan = find_plan(request)
    return see_other(request, Places(request).plan(plan, query=asked.list_query()), message)


def _lines(database: Database, caller: Caller, asked: Chosen) -> Iterator[str]:
    """Read in a session of its own, since the request's ends before the last line is sent."""
    yield csv_line(COLUMNS)
    with database.read() as db:
        queries = SubscriptionQueries(db, caller)
        vendors = queries.vendors(asked.wanted.service_plan_id or "")
        cursor = None
        while True:
            found = queries.find(asked.wanted, order=asked.order, cursor=cursor, limit=MAXIMUM_LIMIT)
            yield "".join(csv_line(_cells(row, vendors)) for row in found.items)
            db.expunge_all()
            cursor = found.next_cursor
            if cursor is None:
                return


def _cells(row: SubscriptionRow, vendors: Mapping[str, str]) -> tuple[str, ...]:
    subscription, upgrade = row.subscription, row.upgrade
    licenses = [each for each in subscription.licenses if each.limit != 0]
    return (
        subscription.id,
        subscription.account.name,
        subscription.account.domain or "",
        vendors.get(subscription.branch_id, ""),
        ", ".join(each.resource_type.name for each in licenses),
        ", ".join(str(each.limit) for each in licenses),
        _status(subscription.status),
        UPGRADE_STATUSES[upgrade.status] if upgrade else "",
        (upgrade.reason or upgrade.waiting_for or "") if upgrade else "",
        f"{upgrade.changed_at if upgrade else subscription.updated_at:%Y-%m-%d %H:%M:%S}",
    )


def _status(status: SubscriptionStatus) -> str:
    return SUBSCRIPTION_STATUSES[status]
