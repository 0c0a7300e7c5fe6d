"""Turns a template and its values into a page."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, NamedTuple

from markupsafe import Markup
from pyramid.config import Configurator
from pyramid.renderers import render
from pyramid.request import Request
from pyramid.response import Response
from pyramid_jinja2 import add_jinja2_renderer

from gateway.models import SubscriptionResource
from gateway.web.panels.places import Places, area_of
from gateway.web.panels.preferences import preferences
from gateway.web.registry import SETTINGS
from gateway.web.security import Permission
from gateway.web.sessions import form_token, set_cookie

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Our own scripts, style sheet and pictures, and nothing that is written into a page."""

FLASH_COOKIE = "gateway_flash"
FLASH_SECONDS = 60
LONGEST_FLASH = 1500
"""Browsers keep about 4,000 bytes in a cookie."""


class Message(NamedTuple):
    """What became of the last action, shown on the next page."""

    kind: str
    """`done`, `partly` or `failed`."""
    text: str


def page(request: Request, template: str, http_status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
    """Return the page; every template knows who is signed in, where it is, and what was just done."""
    message = _take_message(request)
    common = {
        "area": area_of(request),
        "places": Places(request),
        "signed_in": request.signed_in,
        "form_token": form_token(request),
        "preferences": preferences(request),
        "message": message,
        "simulated": [
            each.name for each in request.registry[SETTINGS].application_instances if each.is_simulated
        ],
        "may_upgrade": bool(request.has_permission(Permission.UPGRADE_CREATE)),
        "may_edit_catalog": bool(request.has_permission(Permission.CATALOG_EDIT)),
        "request": request,
    }
    html = render(f"gateway.web.panels:templates/{template}", common | values, request)
    response = Response(html, status=int(http_status), content_type="text/html", charset="utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "same-origin"  # A form that is refused leads back to its page.
    if message is not None:
        response.delete_cookie(FLASH_COOKIE)
    return response


def part(request: Request, template: str, **values: Any) -> str:
    """A piece of a page, for the script that puts it in its place."""
    common = {"places": Places(request)}
    return str(render(f"gateway.web.panels:templates/{template}", common | values, request))


def see_other(request: Request, location: str, message: Message | None = None) -> Response:
    """Send the browser on, so that reloading the next page repeats nothing."""
    response = Response(status=int(HTTPStatus.SEE_OTHER), headerlist=[("Location", location)])
    if message is not None:
        text = json.dumps([message.kind, message.text[:LONGEST_FLASH]])
        value = urlsafe_b64encode(text.encode()).decode()
        set_cookie(request, response, FLASH_COOKIE, value, FLASH_SECONDS)
    return response


def _take_message(request: Request) -> Message | None:
    """A cookie is what the browser says, so anything else than a message of ours is nothing."""
    try:
        kind, text = json.loads(urlsafe_b64decode(request.cookies.get(FLASH_COOKIE, "")))
    except (ValueError, TypeError):
        return None
    is_ours = kind in ("done", "partly", "failed") and isinstance(text, str)
    return Message(kind, text[:LONGEST_FLASH]) if is_ours else None


def as_number(value: float) -> str:
    """With narrow blanks between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def as_money(value: Decimal) -> str:
    return f"{value:,.2f}".replace(",", "\u202f")


def as_time(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def as_seconds(value: float) -> str:
    """Such as `850 ms`, `12.3 s`, `4 min 10 s` or `2 h 5 min`."""
    if value < 1:
        return f"{round(value * 1000)} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def as_period(months: int) -> str:
    """Such as `per month`, `per year`, `per 3 years` or `per 6 months`."""
    years, rest = divmod(months, 12)
    number, unit = (months, "month") if rest else (years, "year")
    return f"per {unit}" if number == 1 else f"per {number} {unit}s"


def breakable(name: str) -> Markup:
    """A name of a domain, which may go on in the next line before each dot."""
    return Markup("<wbr>.").join(name.split("."))


def counted_licenses(resources: Sequence[SubscriptionResource]) -> Sequence[SubscriptionResource]:
    """Those with a limit other than 0; all of them where none has one, since that is worth seeing."""
    return [each for each in resources if each.limit != 0] or resources


def add_templates(config: Configurator) -> None:
    # Its own `includeme` looks where every module of the process came from, to find out who calls it.
    config.add_directive("add_jinja2_renderer", add_jinja2_renderer)
    config.add_jinja2_renderer(".jinja2")
    config.add_settings(
        {
            "jinja2.undefined": "strict",
            "jinja2.trim_blocks": "true",
            "jinja2.lstrip_blocks": "true",
            "jinja2.directories": "gateway.web.panels:templates",
            "jinja2.filters": {
                "number": as_number,
                "money": as_money,
                "utc": as_time,
                "seconds": as_seconds,
                "period": as_period,
                "counted": counted_licenses,
                "breakable": breakable,
            },
        }
    )
