"""The appSettings of Settings.config: a form, what it would change, and saving that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from pyramid.request import Request
from pyramid.response import Response

from gateway.errors import GatewayError
from gateway.services.audit import AuditAction
from gateway.settings import GatewaySettings, SettingChange, app_keys
from gateway.web.panels.forms import Form, sent, sentence
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.pool_views import NO_POOL, back, pool_tabs, record
from gateway.web.panels.rendering import Message, page
from gateway.web.registry import POOL_DESK, PoolDesk

WAS = "was-"
"""Stands before a key in the name of the hidden field with the value that the form was opened with."""
FILE_CHANGED = "settings_file_changed"
"""The code of the error that says so."""
CHANGED_MEANWHILE = (
    "Settings.config is not what it was when this form was opened: somebody has changed it, the pool was"
    " started anew, or another node answers now. The fields hold your values; look at the differences again"
)
NO_DIFFERENCE = "No value differs from that of Settings.config"
APPLIED_NOW = "The pool recycles its worker"
APPLIED_LATER = "The next recycle applies it, for disallowRotationOnConfigChange is true"


class Judged(NamedTuple):
    """Values that are good, and what they change."""

    values: dict[str, str]
    changes: Sequence[SettingChange]
    digest: str
    """Of the file that they were compared with."""
    applies_later: bool


def show_settings(request: Request) -> Response:
    return _form_page(request, Form())


def preview(request: Request) -> Response:
    """Show what saving would change; nothing is written."""
    form = _typed(request)
    judged = _judge(request, form)
    if judged is None or "again" in form.values:
        return _form_page(request, form)
    here = Crumb("Preview", Places(request).url("pool_settings_preview"))
    return page(request, "pool_preview.jinja2", trail=[*_trail(request), here], judged=judged)


def save(request: Request) -> Response:
    """Write the values; the entry of the audit log first, since nothing may change that is not recorded."""
    form = _typed(request)
    judged = _judge(request, form)
    if judged is None:
        return _form_page(request, form)
    desk: PoolDesk = request.registry[POOL_DESK]
    words = "; ".join(f"{each.key}: {each.old or 'empty'} → {each.new or 'empty'}" for each in judged.changes)
    try:
        record(request, AuditAction.SETTINGS_CHANGED, f"Settings.config on {desk.status()['node']}", words)
        desk.save(judged.values, judged.digest)
    except GatewayError as exc:
        request.tm.doom()
        form.refuse("", _told(exc))
        return _form_page(request, form)
    then = APPLIED_LATER if judged.applies_later else APPLIED_NOW
    return back(request, Message("done", f"Saved {words}. {then}"))


def check(request: Request) -> Response:
    """For the script of the form: what is wrong with its values, and which ones differ from the file."""
    desk: PoolDesk | None = request.registry[POOL_DESK]
    form = _typed(request)
    problems, differ = _problems(form), []
    if desk is not None:
        try:
            settings, _ = desk.settings_file()
            differ = [name for name in _wanted(form, settings) if name not in problems]
        except GatewayError as exc:
            problems[""] = sentence(exc)
    body = json.dumps({"problems": problems, "differ": differ}).encode()
    return Response(body, content_type="application/json")


def _typed(request: Request) -> Form:
    """What was sent but for values left as the form had them: they are none of this person's business."""
    form = sent(request)
    left = {name for name, value in form.values.items() if form.values.get(f"{WAS}{name}") == value}
    return Form({name: value for name, value in form.values.items() if name not in left})


def _judge(request: Request, form: Form) -> Judged | None:
    """Hold the values against the file that the form was made of; what is wrong goes into the form."""
    desk: PoolDesk | None = request.registry[POOL_DESK]
    for name, text in _problems(form).items():
        form.refuse(name, text)
    if desk is None or form.problems:
        return None
    digest = form.value("digest")
    try:
        settings, _ = desk.settings_file()
        values = _wanted(form, settings)
        changes = desk.preview(values, digest)
    except GatewayError as exc:
        form.refuse("", _told(exc))
        return None
    if not changes:
        form.refuse("", NO_DIFFERENCE)
        return None
    later = settings.application_pool.recycling.disallow_rotation_on_config_change
    return Judged(values, changes, digest, later)


def _problems(form: Form) -> dict[str, str]:
    """What is wrong with the values, by their keys; a key that was not sent stays as it is."""
    found = {key.name: key.problem(form.values[key.name]) for key in app_keys() if key.name in form.values}
    return {name: problem for name, problem in found.items() if problem}


def _wanted(form: Form, settings: GatewaySettings) -> dict[str, str]:
    """The values that differ from those of the file."""
    sent_values = {key: form.values[key.name].strip() for key in app_keys() if key.name in form.values}
    return {key.name: value for key, value in sent_values.items() if value != key.text(settings.app)}


def _told(error: GatewayError) -> str:
    return CHANGED_MEANWHILE if error.code == FILE_CHANGED else sentence(error)


def _form_page(request: Request, form: Form) -> Response:
    """The form with what was typed; without it where the file cannot be changed from here."""
    desk: PoolDesk | None = request.registry[POOL_DESK]
    settings, digest, trouble = None, "", f"{NO_POOL}. Edit Settings.config, and start the gateway anew"
    if desk is not None:
        try:
            settings, digest = desk.settings_file()
        except GatewayError as exc:
            trouble = sentence(exc)
    is_conflict = form.problem("") == CHANGED_MEANWHILE
    refused = HTTPStatus.CONFLICT if is_conflict else HTTPStatus.UNPROCESSABLE_ENTITY
    return page(
        request,
        "pool_settings.jinja2",
        refused if form.problems else HTTPStatus.OK,
        trail=_trail(request),
        tabs=pool_tabs(request, "pool_settings"),
        form=form,
        problem=bool(form.problems),
        labels={key.name: key.name for key in app_keys()},
        keys=app_keys(),
        settings=settings,
        digest=digest,
        trouble=trouble,
        was=WAS,
    )


def _trail(request: Request) -> list[Crumb]:
    places = Places(request)
    return [*places.pool_trail(), Crumb("Settings", places.url("pool_settings"))]
