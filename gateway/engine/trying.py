"""Tries out whether Partner Center serves an application instance, and words what to do if it does not."""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

from httpx2 import BaseTransport

from gateway.partner_center import (
    BusyError,
    Credentials,
    PartnerCenterClient,
    PartnerCenterError,
    RefusedError,
    SignInError,
    ThrottledError,
    Timeouts,
)

log = logging.getLogger(__name__)

SHORT = Timeouts(connect=5, read=10, write=5, pool=5, total=15)
"""Somebody waits for the answer: two calls, of which each may take so long."""

_NO_SUCH_TENANT = (90002, 900023)
"""Microsoft's numbers for a sign-in at a tenant that it does not know."""

_TO_DO_WHEN_AWAY = (
    "Check authorityUrl and partnerCenterUrl, the name service, the firewall and the proxy of this machine;"
    " if all is well here, Microsoft may be out of order. Upgrades wait and go on by themselves"
)
_TO_DO_WHEN_REFUSED = (
    "Look in Partner Center whether the application is registered there, and whether the partner user who"
    " gave consent is an Admin agent of this tenant"
)


class Outcome(enum.Enum):
    SERVES = "serves"
    SIGN_IN_REFUSED = "sign_in_refused"
    WRONG_TENANT = "wrong_tenant"
    NOT_REACHABLE = "not_reachable"
    THROTTLED = "throttled"
    REFUSED = "refused"
    NOT_TRIED = "not_tried"


class Report(NamedTuple):
    """How a trial ended, in words for an administrator; nothing in it is a secret."""

    outcome: Outcome
    said: str
    """What went wrong in detail; empty when all is well."""
    to_do: str
    """The next step; empty when there is none."""
    seconds: float
    request_id: str = ""
    correlation_id: str = ""
    """By which Microsoft's support finds the call."""


class Trials:
    """Trials of the instances, of each at most one at a time: it keeps a thread of the web server."""

    def __init__(self, credentials: Mapping[str, Credentials], transport: BaseTransport | None) -> None:
        """:param credentials: by the name of the instance in lower case
        :param transport: takes the place of the network
        """
        self._credentials = credentials
        self._transport = transport
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def run(self, instance_name: str) -> Report:
        """Sign in anew, with what Settings.config has, and read one customer.

        Nothing is changed at Microsoft.
        """
        key = instance_name.casefold()
        if key not in self._credentials:
            return _not_tried("Start the gateway by its application pool, which runs the simulator")
        with self._lock:
            if key in self._running:
                return _not_tried("Somebody else tests this instance right now; try again in a moment")
            self._running.add(key)
        try:
            return _try(self._credentials[key], self._transport)
        finally:
            with self._lock:
                self._running.discard(key)


def _try(credentials: Credentials, transport: BaseTransport | None) -> Report:
    began = time.monotonic()
    client = PartnerCenterClient(credentials, timeout=SHORT, max_connections=1, transport=transport)
    with client:
        try:
            client.check_connection()
        except PartnerCenterError as exc:
            outcome, to_do = _judge(exc)
            seconds = time.monotonic() - began
            report = Report(outcome, str(exc), to_do, seconds, exc.request_id, exc.correlation_id)
        else:
            report = Report(Outcome.SERVES, "", "", time.monotonic() - began)
    log.info("Connection tried: outcome=%s seconds=%.1f", report.outcome.value, report.seconds)
    return report


def _not_tried(to_do: str) -> Report:
    return Report(Outcome.NOT_TRIED, "", to_do, 0)


def _judge(error: PartnerCenterError) -> tuple[Outcome, str]:
    match error:
        case SignInError():
            wrong = error.code in _NO_SUCH_TENANT
            return (Outcome.WRONG_TENANT if wrong else Outcome.SIGN_IN_REFUSED), _sentence(error.description)
        case ThrottledError() | BusyError():
            return Outcome.THROTTLED, f"Wait {error.retry_after:.0f} s; upgrades wait and go on by themselves"
        case RefusedError():
            return Outcome.REFUSED, _TO_DO_WHEN_REFUSED
        case _:
            return Outcome.NOT_REACHABLE, _TO_DO_WHEN_AWAY


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
