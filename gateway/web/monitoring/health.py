"""`/health`: everything that was looked at, as application/health+json."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from gateway import __version__
from gateway.logs import utc_text
from gateway.web.monitoring.checks import Checks, Finding, Status
from gateway.web.registry import NODE

CONTENT_TYPE = "application/health+json"
WORST_FIRST = (Status.FAIL, Status.WARN, Status.PASS)


def look_at_everything(checks: Checks) -> list[Finding]:
    return [
        checks.database(),
        checks.schema(),
        checks.draining(),
        *checks.engine(),
        *checks.settings(),
        *checks.pool(),
        *checks.partner_center(),
    ]


def overall(findings: Iterable[Finding]) -> Status:
    """The worst of all. A worker that drains is not ill: that is said by its readiness."""
    statuses = {finding.status for finding in findings if finding.component != "draining"}
    return next((status for status in WORST_FIRST if status in statuses), Status.PASS)


def show_health(request: Request) -> Response:
    findings: list[Finding] = request.registry["gateway.findings"]()
    status = overall(findings)
    body = {
        "status": status.value,
        "version": __version__.split(".")[0],
        "releaseId": __version__,
        "serviceId": request.registry[NODE],
        "description": "Office 365 gateway: bulk upgrades of Microsoft 365 subscriptions",
        "checks": _by_key(findings),
    }
    failed = status is Status.FAIL
    http_status = HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK
    return Response(json.dumps(body).encode(), status=int(http_status), content_type=CONTENT_TYPE)


def _by_key(findings: Iterable[Finding]) -> dict[str, list[dict[str, Any]]]:
    checks = defaultdict(list)
    for finding in findings:
        checks[f"{finding.component}:{finding.measurement}"].append(_present(finding))
    return dict(checks)


def _present(finding: Finding) -> dict[str, Any]:
    members = {
        "componentId": finding.component_id,
        "componentType": finding.component_type,
        "observedValue": finding.value,
        "observedUnit": finding.unit,
        "status": finding.status.value,
        "time": utc_text(finding.at),
        "output": finding.output,
    }
    return {name: value for name, value in members.items() if value is not None}
