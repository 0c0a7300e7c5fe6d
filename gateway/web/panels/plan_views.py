"""The page of a service plan: its subscriptions, and what can be done with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import Database
from gateway.models import PlanKind, SubscriptionStatus, UpgradeStatus
from gateway.services.caller import Caller
from gateway.services.cancellation import Cancellation, UpgradeCancellation
from gateway.services.paging import MAXIMUM_LIMIT
from gateway.services.refresh import StatusRefresh
from gateway.services.selection import MOST_UPGRADES
from gateway.services.subscription_queries import SubscriptionFilter, SubscriptionQueries, SubscriptionRow
from gateway.web.panels.csv_files import csv_line, csv_response
from gateway.web.panels.places import Places
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.selecting import Chosen, chosen, find_plan
from gateway.web.panels.words import SUBSCRIPTION_STATUSES, UPGRADE_STATUSES, counted
from gateway.web.registry import DATABASE

ROWS = 50
MOST_COUNTED = 10_000
"""A longer list is said to have more than that; counting it all would take too long."""

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
    row = find_plan(request)
    asked = chosen(request, row.plan)
    queries = SubscriptionQueries(request.db, request.caller)
    return page(
        request,
        "plan.jinja2",
        trail=places.plan_trail(row.plan),
        row=row,
        asked=asked,
        is_upgradable=row.plan.kind is PlanKind.STANDARD,
        rows=queries.find(asked.wanted, cursor=request.GET.get("cursor") or None, limit=ROWS),
        matching=queries.count(asked.wanted, at_most=MOST_COUNTED + 1),
        most_counted=MOST_COUNTED,
        vendors=queries.vendors(row.plan.id),
        statuses=SUBSCRIPTION_STATUSES,
        upgrade_statuses=UPGRADE_STATUSES,
        status_options=[(status.value, word) for status, word in SUBSCRIPTION_STATUSES.items()],
        upgrade_options=[
            ("none", "Never upgraded"),
            *((status.value, word) for status, word in UPGRADE_STATUSES.items()),
        ],
        current_upgrade_status=dict(asked.filter_query()).get("upgrade_status", ""),
    )


def export_plan(request: Request) -> Response:
    """All that the filter matches, written while it is read."""
    row = find_plan(request)
    wanted = chosen(request, row.plan).wanted
    lines = _lines(request.registry[DATABASE], request.caller, wanted)
    return csv_response(f"{row.plan.id}-subscriptions.csv", lines)


def cancel_upgrades(request: Request) -> Response:
    """Cancel Upgrade: of the selected ones, those that are Pending."""
    row = find_plan(request)
    asked = chosen(request, row.plan)
    if not asked.is_all and not asked.ids:
        return _back(request, asked, Message("failed", "Select the subscriptions whose upgrade to cancel"))
    queries = SubscriptionQueries(request.db, request.caller)
    ids = None if asked.is_all else asked.ids
    upgrade_ids = queries.upgrade_ids(
        asked.wanted if asked.is_all else _of(row.plan.id), ids, at_most=MOST_UPGRADES
    )
    if not upgrade_ids:
        return _back(request, asked, Message("failed", "None of the selected subscriptions has an upgrade"))
    result = UpgradeCancellation(request.db, request.caller).cancel(upgrade_ids=upgrade_ids, now=request.now)
    return _back(request, asked, describe_cancellation(result))


def refresh_statuses(request: Request) -> Response:
    """Refresh Statuses: of the selected ones, or of the whole list when none is."""
    row = find_plan(request)
    asked = chosen(request, row.plan)
    queries = SubscriptionQueries(request.db, request.caller)
    by_ids = bool(asked.ids) and not asked.is_all
    wanted = _of(row.plan.id, UpgradeStatus.IN_PROGRESS)
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


def _of(plan_id: str, upgrade_status: UpgradeStatus | None = None) -> SubscriptionFilter:
    return SubscriptionFilter(service_plan_id=plan_id, upgrade_status=upgrade_status)


def _back(request: Request, asked: Chosen, message: Message) -> Response:
    row = find_plan(request)
    return see_other(request, Places(request).plan(row.plan, query=asked.filter_query()), message)


def _lines(database: Database, caller: Caller, wanted: SubscriptionFilter) -> Iterator[str]:
    """Read in a session of its own, since the request's ends before the last line is sent."""
    yield csv_line(COLUMNS)
    with database.read() as db:
        queries = SubscriptionQueries(db, caller)
        vendors = queries.vendors(wanted.service_plan_id or "")
        cursor = None
        while True:
            found = queries.find(wanted, cursor=cursor, limit=MAXIMUM_LIMIT)
            yield "".join(csv_line(_cells(row, vendors)) for row in found.items)
            db.expunge_all()
            cursor = found.next_cursor
            if cursor is None:
                return


def _cells(row: SubscriptionRow, vendors: dict[str, str]) -> tuple[str, ...]:
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
