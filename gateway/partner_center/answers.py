"""Turns an answer that says no into the error that tells the caller what to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.partner_center.connection import Answer
from gateway.partner_center.errors import (
    BusyError,
    Facts,
    PartnerCenterError,
    RefusedError,
    SignInError,
    ThrottledError,
    UnavailableError,
)
from gateway.partner_center.reading import Record, UnreadableError, is_integer, parse_record, printable

LONGEST_PAUSE = 3600.0
"""Seconds; nobody waits longer before looking again, whatever the answer asks for."""

_THROTTLED_PAUSE = 60.0
_BUSY_PAUSE = 300.0
_BUSY_PAUSES = {800060: 300.0, 800064: 300.0, 800082: 300.0, 900261: 300.0, 900278: LONGEST_PAUSE}
_APPLICATION_ONLY = 900329

_WAIT_TEXT = re.compile(r"again in ([0-9]{1,9}) second", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

_SIGN_IN_REMEDIES = {
    900420: (
        "Partner Center does not accept the audience of the token:"
        " check partnerCenterUrl and authorityUrl of the application instance"
    ),
    _APPLICATION_ONLY: (
        "Partner Center wants a user for this call, and the application signed in alone:"
        " give the application instance a refreshToken of a partner user"
    ),
}
_NOT_ACCEPTED = (
    "Partner Center does not accept the application's token: check that tenantId is the partner's tenant,"
    " that the application is registered in Partner Center, and that its consent was not withdrawn"
)


def error_for(answer: Answer) -> PartnerCenterError:
    """The error of an answer that is no success (or is one that no call expects)."""
    record = _record(answer)
    fault = _read_fault(answer, record)
    facts = facts_of(answer)
    facts["code"], facts["description"] = fault
    message = _message(answer, *fault)
    pause = pause_asked_for(answer, facts["description"])
    # The front end that throttles may speak of it in the body alone.
    if answer.status == 429 or (answer.status == 503 and record.text("statusCode") == "429"):
        return ThrottledError(message, retry_after=_THROTTLED_PAUSE if pause is None else pause, **facts)
    if answer.status == 401 or facts["code"] == _APPLICATION_ONLY:
        facts["description"] = _SIGN_IN_REMEDIES.get(facts["code"] or 0, _NOT_ACCEPTED)
        return SignInError(message, **facts)
    if not 400 <= answer.status < 500 or answer.status == 408:
        return UnavailableError(message, retry_after=pause, **facts)
    if answer.status == 409 or facts["code"] in _BUSY_PAUSES:
        usual = _BUSY_PAUSES.get(facts["code"] or 0, _BUSY_PAUSE)
        return BusyError(message, retry_after=usual if pause is None else pause, **facts)
    return RefusedError(message, **facts)


def unreadable(answer: Answer, exc: UnreadableError) -> UnavailableError:
    """The error of an answer that says yes, and then something that cannot be read."""
    text = f"{answer.request.name}: HTTP {answer.status}, but the answer is unreadable: {exc}"
    return UnavailableError(printable(text, answer.request.secrets), **facts_of(answer))


def facts_of(answer: Answer) -> Facts:
    return {
        "status": answer.status,
        "request_id": _echoed(answer, "MS-RequestId"),
        "correlation_id": _echoed(answer, "MS-CorrelationId"),
    }


def _echoed(answer: Answer, header: str) -> str:
    """The id that Microsoft knows the call by; it sometimes gives it twice, and sometimes not at all."""
    given = answer.headers.get(header, "").split(",")[0]
    return printable(given, answer.request.secrets)[:100] or answer.request.headers.get(header, "")


def _message(answer: Answer, code: int | None, description: str) -> str:
    text = f"{answer.request.name}: HTTP {answer.status}"
    if code is not None:
        text += f", code {code}"
    return f"{text}: {description}" if description else text


def _record(answer: Answer) -> Record:
    """The object in the body; an empty one for an HTML page."""
    try:
        return parse_record(answer.body)
    except UnreadableError:
        return Record({})


def _read_fault(answer: Answer, record: Record) -> tuple[int | None, str]:
    """Code and description out of any of the shapes of an error."""
    record = record.record("error") if isinstance(record.value("error"), dict) else record
    words = (
        record.text(name) for name in ("description", "message", "errorName", "error_description", "error")
    )
    return fault_code(record.value("code")), printable(next(filter(None, words), ""), answer.request.secrets)


def fault_code(value: Any) -> int | None:
    text = Record({"code": value}).text("code")
    return int(text) if is_integer(text) else None


def pause_asked_for(answer: Answer, description: str = "") -> float | None:
    """Seconds to wait as the answer asks: in a header or in words; None when it does not."""
    header = answer.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(header):
        seconds = float(header)
    elif (moment := _http_date(header)) is not None:
        seconds = (moment - (_http_date(answer.headers.get("Date", "")) or datetime.now(UTC))).total_seconds()
    elif match := _WAIT_TEXT.search(description):
        seconds = float(match[1])
    else:
        return None
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
