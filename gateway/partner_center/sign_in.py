"""Asks the login host for a token, and words its refusals for an administrator."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlencode

from gateway.partner_center.answers import error_for, facts_of, fault_code
from gateway.partner_center.connection import Answer, Connection, Request
from gateway.partner_center.credentials import Credentials
from gateway.partner_center.errors import PartnerCenterError, SignInError, ThrottledError, UnavailableError
from gateway.partner_center.reading import Record, UnreadableError, parse_record, printable

_USUAL_LIFE = 3600.0
"""Seconds; for an answer that does not say."""
_LONGEST_LIFE = 86400.0
_TOKEN = re.compile(r"[!-~]+")
_MICROSOFT_CODE = re.compile(r"AADSTS([0-9]{1,9})")
_TRANSIENT_ERRORS = {"temporarily_unavailable", "server_error"}

_BAD_SECRET = "the client secret is wrong or has expired: create a new one and set clientSecret"  # noqa: S105
_BAD_APPLICATION = "the application is not known in the partner's tenant: check clientId and tenantId"
_BAD_TENANT = "the tenant is not known: check tenantId and authorityUrl"
_BAD_REFRESH_TOKEN = (
    "the refresh token has expired or was revoked:"  # noqa: S105
    " let a partner user give consent again, with multi-factor authentication, and set refreshToken"
)
_NO_FACTOR = (
    "multi-factor authentication is needed:"
    " let a partner user give consent again, with multi-factor authentication, and set refreshToken"
)
_NO_CONSENT = "consent is missing: let an administrator of the partner's tenant give the application consent"
_BLOCKED = "Conditional Access blocks the sign-in: let an administrator of the partner's tenant allow it"
_BAD_USER = "the partner user is disabled or gone: give consent with another user, and set refreshToken"

_REMEDIES = {
    7000215: _BAD_SECRET,
    7000222: _BAD_SECRET,
    7000216: _BAD_SECRET,
    700016: _BAD_APPLICATION,
    7000112: "the application is disabled in the partner's tenant: enable it",
    90002: _BAD_TENANT,
    900023: _BAD_TENANT,
    50034: _BAD_USER,
    50057: _BAD_USER,
    50076: _NO_FACTOR,
    50079: _NO_FACTOR,
    50158: _NO_FACTOR,
    53003: _BLOCKED,
    65001: _NO_CONSENT,
}
_REMEDIES_BY_ERROR = {
    "invalid_client": _BAD_SECRET,
    "unauthorized_client": _BAD_APPLICATION,
    "invalid_grant": _BAD_REFRESH_TOKEN,
    "interaction_required": _NO_FACTOR,
    "consent_required": _NO_CONSENT,
}
_CHECK_ALL = (
    "check authorityUrl, tenantId, clientId, clientSecret and refreshToken of the application instance"
)


@dataclass(frozen=True)
class Token:
    value: str = field(repr=False)
    lifetime: float
    """Seconds."""
    refresh_token: str = field(default="", repr=False)
    """Replaces the one that was sent; empty when the answer holds none."""


def fetch_token(connection: Connection, credentials: Credentials, refresh_token: str) -> Token:
    """Ask the login host for a token; with a refresh token for the user who gave it.

    :raises SignInError: if the login host says no
    :raises ThrottledError: if it says to come back later
    :raises UnavailableError: if it cannot be reached or understood; nothing reached Partner Center then
    """
    request = _request(credentials, refresh_token)
    try:
        answer = connection.send(request)
    except UnavailableError as exc:
        exc.may_have_been_done = False
        raise
    if not answer.is_success:
        raise _refusal(answer)
    try:
        return _read_token(parse_record(answer.body))
    except UnreadableError as exc:
        text = f"{request.name}: HTTP {answer.status}, but the answer is no token: {exc}"
        raise UnavailableError(text, may_have_been_done=False, **facts_of(answer)) from exc


def _request(credentials: Credentials, refresh_token: str) -> Request:
    grant = {"grant_type": "client_credentials"}
    if refresh_token:
        grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    form = {
        **grant,
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "scope": f"{credentials.audience}/.default",
    }
    return Request(
        method="POST",
        url=credentials.token_url,
        headers={"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
        content=urlencode(form, errors="replace").encode(),
        secrets=(credentials.client_secret, refresh_token),
    )


def _read_token(record: Record) -> Token:
    value = record.text("access_token")
    if not _TOKEN.fullmatch(value):
        # The value stays out of the message: it may be a token all the same.
        raise UnreadableError("access_token is missing or no token")
    lifetime = record.number("expires_in")
    seconds = _USUAL_LIFE if lifetime is None else float(lifetime)
    return Token(value, min(max(seconds, 0.0), _LONGEST_LIFE), record.text("refresh_token"))


def _refusal(answer: Answer) -> PartnerCenterError:
    error, record, facts = error_for(answer), _body(answer), facts_of(answer)
    if isinstance(error, ThrottledError):
        return error
    if isinstance(error, UnavailableError) or record.text("error") in _TRANSIENT_ERRORS:
        return UnavailableError(str(error), may_have_been_done=False, **facts)
    code = _microsoft_code(record)
    remedy = _REMEDIES.get(code or 0) or _REMEDIES_BY_ERROR.get(record.text("error"), _CHECK_ALL)
    said = printable(record.text("error_description"), answer.request.secrets) or record.text("error")
    facts["code"], facts["description"] = code, remedy
    return SignInError(f"{answer.request.name}: HTTP {answer.status}: {said or 'no reason given'}", **facts)


def _body(answer: Answer) -> Record:
    try:
        return parse_record(answer.body)
    except UnreadableError:
        return Record({})


def _microsoft_code(record: Record) -> int | None:
    """The number of the refusal, which stands in a list and in the text."""
    codes = record.value("error_codes")
    if isinstance(codes, list) and codes and (code := fault_code(codes[0])) is not None:
        return code
    match = _MICROSOFT_CODE.search(record.text("error_description"))
    return int(match[1]) if match else None
