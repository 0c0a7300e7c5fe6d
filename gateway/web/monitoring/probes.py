"""`/livez`, `/readyz` and `/startupz`: machines look at the status, people ask with `?verbose`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

from pyramid.request import Request
from pyramid.response import Response

from gateway.web.monitoring.checks import Checks, Finding, Status

Look = Callable[[], Sequence[Finding]]


class Readiness:
    """What still keeps the gateway from serving."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._has_started = False

    def findings(self) -> list[Finding]:
        return [self._checks.database(), self._checks.schema(), self._checks.draining()]

    def startup_findings(self) -> list[Finding]:
        """As long as the first start lasts; what goes wrong later is no longer about starting."""
        if self._has_started:
            return []
        found = [self._checks.database(), self._checks.schema()]
        self._has_started = all(finding.status is not Status.FAIL for finding in found)
        return found

    def problems(self) -> list[str]:
        return [
            f"{finding.component}: {finding.output}"
            for finding in self.findings()
            if finding.status is Status.FAIL
        ]


def answer(name: str, request: Request, findings: Sequence[Finding]) -> Response:
    failed = [finding for finding in findings if finding.status is Status.FAIL]
    lines = [_word(failed)]
    if "verbose" in request.GET:
        lines = [*map(_line, findings), f"{name} check {'failed' if failed else 'passed'}", *lines]
    status = HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK
    return Response("\n".join(lines) + "\n", status=int(status), content_type="text/plain", charset="utf-8")


def _word(failed: Sequence[Finding]) -> str:
    """A line that never changes, for balancers that look for a text."""
    if not failed:
        return "status: pass"
    drains = all(finding.component == "draining" for finding in failed)
    return "status: draining" if drains else "status: fail"


def _line(finding: Finding) -> str:
    if finding.status is Status.FAIL:
        return f"[-]{finding.component} failed: {finding.output}"
    return f"[+]{finding.component} ok"
