"""The audit log: who did what, when and from where."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import NamedTuple

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import Database
from gateway.services.audit import AuditAction
from gateway.services.audit_queries import AuditFilter, AuditQueries, AuditRow
from gateway.services.caller import Caller
from gateway.services.keys import is_text_id
from gateway.services.paging import MAXIMUM_LIMIT
from gateway.web.panels.csv_files import csv_line, csv_response
from gateway.web.panels.forms import Form
from gateway.web.panels.places import Places
from gateway.web.panels.rendering import page
from gateway.web.panels.words import AUDIT_ACTIONS, audit_action
from gateway.web.registry import DATABASE

ROWS = 50
LONGEST_TEXT = 200
FIELDS = ("text", "action", "account", "from", "to")
LABELS = {"from": "From", "to": "To"}

COLUMNS = ("When (UTC)", "Account", "Who", "Action", "Concerning", "Detail", "Address")


class Asked(NamedTuple):
    """What the filter says."""

    form: Form
    wanted: AuditFilter

    def query(self) -> list[tuple[str, str]]:
        return [(name, self.form.value(name)) for name in FIELDS if self.form.value(name)]


def show_audit(request: Request) -> Response:
    asked = _asked(request)
    queries = AuditQueries(request.db, request.caller)
    cursor = request.GET.get("cursor") or None
    status = HTTPStatus.UNPROCESSABLE_ENTITY if asked.form.problems else HTTPStatus.OK
    return page(
        request,
        "audit.jinja2",
        status,
        trail=Places(request).audit_trail(),
        asked=asked,
        labels=LABELS,
        rows=queries.find(asked.wanted, cursor=cursor, limit=ROWS),
        accounts=queries.accounts(),
        actions=[(action.value, word) for action, word in AUDIT_ACTIONS.items()],
        audit_action=audit_action,
    )


def export_audit(request: Request) -> Response:
    """All that the filter matches, written while it is read."""
    asked = _asked(request)
    if asked.form.problems:
        return show_audit(request)
    return csv_response("audit-log.csv", _lines(request.registry[DATABASE], request.caller, asked.wanted))


def _asked(request: Request) -> Asked:
    form = Form({name: request.GET.get(name, "").strip()[:LONGEST_TEXT] for name in FIELDS})
    since, until = _day(form, "from"), _day(form, "to")
    if since and until and until < since:
        form.refuse("to", f"{until} is before {since}; expected the same day or a later one")
    account_id = form.value("account")
    return Asked(
        form,
        AuditFilter(
            text="".join(each for each in form.value("text") if each.isprintable()) or None,
            action=next((each for each in AuditAction if each.value == form.value("action")), None),
            account_id=account_id if is_text_id(account_id) else None,
            since=_midnight(since),
            before=_midnight(until + timedelta(days=1)) if until and until < date.max else None,
        ),
    )


def _day(form: Form, name: str) -> date | None:
    text = form.value(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        form.refuse(name, f"{text} is no date; expected a day such as 2026-11-23")
        return None


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def _lines(database: Database, caller: Caller, wanted: AuditFilter) -> Iterator[str]:
    """Read in a session of its own, since the request's ends before the last line is sent."""
    yield csv_line(COLUMNS)
    with database.read() as db:
        queries = AuditQueries(db, caller)
        cursor = None
        while True:
            found = queries.find(wanted, cursor=cursor, limit=MAXIMUM_LIMIT)
            yield "".join(csv_line(_cells(row)) for row in found.items)
            db.expunge_all()
            cursor = found.next_cursor
            if cursor is None:
                return


def _cells(row: AuditRow) -> tuple[str, ...]:
    entry = row.entry
    return (
        f"{entry.at:%Y-%m-%d %H:%M:%S}",
        row.account_name or "",
        entry.actor,
        audit_action(entry.action),
        entry.subject or "",
        entry.detail or "",
        row.address or "",
    )
