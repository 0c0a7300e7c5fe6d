"""The application pool: what it does, what happened to it, and what an administrator may ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import utcnow
from gateway.errors import GatewayError
from gateway.services.audit import Audit, AuditAction
from gateway.web.panels.forms import sentence
from gateway.web.panels.navigating import engine_figures
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.tabs import Tab
from gateway.web.registry import POOL_DESK, SETTINGS, PoolDesk
from gateway.web.security import Permission

EVENTS_READ = 1000
EVENTS_SHOWN = 50
RECYCLES_SHOWN = 10

NO_POOL = "No application pool runs this gateway, so there is none to command"
OTHER_NODE = (
    "Another node of the gateway has answered than the one whose page this was, so nothing was done."
    " What is shown now is of the node that answers"
)
RECYCLING = "The pool recycles its worker"

_STATE_BADGES = {"Started": "active", "Starting": "in_progress", "Stopping": "in_progress"}
_NO_DETAILS = frozenset({"at", "id", "level", "event", "changes"})


def show_pool(request: Request) -> Response:
    desk: PoolDesk | None = request.registry[POOL_DESK]
    return page(
        request,
        "pool.jinja2",
        trail=Places(request).pool_trail(),
        tabs=pool_tabs(request, "pool"),
        limit=request.registry[SETTINGS].app.max_allowed_nb_of_simultaneous_upgrades,
        engine=engine_figures(request),
        pool=_look(desk) if desk else None,
        may_control=may_control(request),
        may_change=may_change(request),
    )


def recycle(request: Request) -> Response:
    def act(desk: PoolDesk) -> Response:
        desk.recycle()
        return back(request, Message("done", RECYCLING))

    return _command(request, AuditAction.POOL_RECYCLED, act)


def ask_to_stop(request: Request) -> Response:
    desk: PoolDesk | None = request.registry[POOL_DESK]
    if desk is None:
        return back(request, Message("failed", NO_POOL))
    try:
        status = desk.status()
    except GatewayError as exc:
        return back(request, Message("failed", sentence(exc)))
    return page(
        request,
        "pool_stop.jinja2",
        trail=[*Places(request).pool_trail(), Crumb("Stop", Places(request).url("pool_stop"))],
        status=status,
        engine=engine_figures(request),
    )


def stop(request: Request) -> Response:
    """The last page that this worker shows: the answer is on its way before the pool lets it end.

    From this page alone the pool can be started again; without a worker the pool itself takes its form.
    """
    failure = request.registry[SETTINGS].application_pool.failure

    def act(desk: PoolDesk) -> Response:
        return _last_page(
            request,
            permit=desk.stop(_who(request)),
            node=request.POST["node"],
            answers=failure.load_balancer_capabilities != "TcpLevel",
        )

    return _command(request, AuditAction.POOL_STOPPED, act)


def start(request: Request) -> Response:
    """The form of the page that follows Stop reaches a worker that is about to end, or one that is new."""
    desk: PoolDesk | None = request.registry[POOL_DESK]
    if desk is None:
        return back(request, Message("failed", NO_POOL))
    try:
        status = desk.status()
        if request.POST.get("node") != status["node"]:
            return back(request, Message("failed", OTHER_NODE))
        if status["state"] != "Stopping":
            return back(request, Message("done", "The pool is started"))
        desk.start_again(_who(request))
    except GatewayError as exc:
        return back(request, Message("failed", sentence(exc)))
    return _last_page(request, permit="", node="", answers=True)


def _who(request: Request) -> dict[str, str | None]:
    """In whose name `record_start` will write."""
    who: dict[str, str | None] = request.caller.actor._asdict()
    return who


def _last_page(request: Request, **values: Any) -> Response:
    places = Places(request)
    trail = [*places.pool_trail(), Crumb("Stop", places.url("pool_stop"))]
    return page(request, "pool_stopped.jinja2", trail=trail, **values)


def pool_tabs(request: Request, current: str) -> list[Tab]:
    tabs = [("General", "pool")]
    if may_change(request):
        tabs.append(("Settings", "pool_settings"))
    return [Tab(name, Places(request).url(screen), screen == current) for name, screen in tabs]


def may_control(request: Request) -> bool:
    return bool(request.has_permission(Permission.POOL_CONTROL))


def may_change(request: Request) -> bool:
    return bool(request.has_permission(Permission.SETTINGS_CHANGE))


def back(request: Request, message: Message) -> Response:
    return see_other(request, Places(request).url("pool"), message)


def _command(request: Request, action: AuditAction, act: Callable[[PoolDesk], Response]) -> Response:
    """Do what a form asks for, and record it; what speaks against it is told on the page of the pool.

    The entry of the audit log is written first, since nothing may be done that cannot be recorded.
    """
    desk: PoolDesk | None = request.registry[POOL_DESK]
    if desk is None:
        return back(request, Message("failed", NO_POOL))
    try:
        status = desk.status()
        if request.POST.get("node") != status["node"]:
            return back(request, Message("failed", OTHER_NODE))
        record(request, action, f"application pool {status['name']} on {status['node']}")
        return act(desk)
    except GatewayError as exc:
        request.tm.doom()
        return back(request, Message("failed", sentence(exc)))


def record(request: Request, action: AuditAction, subject: str, detail: str | None = None) -> None:
    """Write an entry of the audit log, as far as it can be without being committed."""
    Audit(request.db).record(action, request.caller.actor, utcnow(), subject=subject, detail=detail)
    request.db.flush()


def _look(desk: PoolDesk) -> dict[str, Any]:
    """What the page shows of the pool; `problem` alone where it does not answer."""
    try:
        status, workers = desk.status(), desk.workers()
        events, recycles = desk.history(EVENTS_READ)
    except GatewayError as exc:
        return {"problem": sentence(exc)}
    is_changing = bool(status.get("starting_pids")) or _will_recycle(desk, status)
    return {
        "problem": None,
        "status": status,
        "badge": _STATE_BADGES.get(status["state"], "disabled"),
        "worker_started_at": _time(status.get("worker_started_at")),
        "started_at": _time(status.get("started_at")),
        "workers": workers,
        "is_changing": is_changing,
        "follow": is_changing or bool(status.get("leaving_pids")),
        "recycles": [each | {"at": _time(each["at"])} for each in reversed(recycles[-RECYCLES_SHOWN:])],
        "events": [_event(each) for each in reversed(events[-EVENTS_SHOWN:])],
    }


def _will_recycle(desk: PoolDesk, status: Mapping[str, Any]) -> bool:
    """Whether the file has other values, which the pool will take over in a moment."""
    if status["config_error"] or status["changes_not_applied"]:
        return False
    try:
        settings, _ = desk.settings_file()
    except GatewayError:
        return False  # The pool says so itself, once it has seen it.
    return bool(settings.revision != status["revision"])


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "at": _time(event.get("at")),
        "id": event.get("id"),
        "level": str(event.get("level", "")).lower(),
        "text": event.get("event", ""),
        "reason": event.get("reason") if event.get("level") == "INFO" else None,
        "changes": event.get("changes") or [],
        "details": [(name, value) for name, value in event.items() if name not in _NO_DETAILS],
    }


def _time(text: object) -> datetime | None:
    """A time of the event log or the status; None if it is none."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
