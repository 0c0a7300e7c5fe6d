"""Keeps one access token fresh for all threads."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from gateway.partner_center.connection import Connection
from gateway.partner_center.credentials import Credentials
from gateway.partner_center.errors import PartnerCenterError, ThrottledError, UnavailableError
from gateway.partner_center.sign_in import Token, fetch_token

log = logging.getLogger(__name__)

EARLIEST_RENEWAL = 300.0
"""Seconds before the end of a token's life; a fifth of its life where that is shorter."""
LONGEST_WAIT = 330.0
"""Seconds that a thread waits for the renewal of another one, which its time-outs end sooner."""
_NEXT_TRY = 30.0
"""Seconds between renewals that fail while the old token is still good."""


class TokenSource:
    """Gives the current token; renews it in time, one renewal at a time."""

    def __init__(
        self,
        credentials: Credentials,
        connection: Connection,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_refresh_token: Callable[[str], None] | None = None,
    ) -> None:
        """`on_refresh_token` is handed each new refresh token; what it raises reaches the renewing call."""
        self.supports_users = credentials.supports_users
        """Whether calls are made for a user (App+User), as licence calls need it."""
        self._credentials = credentials
        self._connection = connection
        self._clock = clock
        self._on_refresh_token = on_refresh_token
        self._refresh_token = credentials.refresh_token
        self._lock = threading.Lock()
        self._renewal: Future[str] | None = None
        self._current = ""
        self._renew_at = self._expires_at = float("-inf")

    def token(self) -> str:
        """The current token, fetched or renewed first where necessary.

        :raises SignInError: if the login host refuses
        :raises ThrottledError: if the login host says to come back later
        :raises UnavailableError: if it cannot be reached
        """
        with self._lock:
            if self._current and self._clock() < self._renew_at:
                return self._current
            renewal = self._renewal
            if renewal is None:
                mine = self._renewal = Future()
        return self._renew(mine) if renewal is None else _share(renewal)

    def invalidate(self, token: str) -> None:
        """Forget a token that was refused, unless another thread replaced it meanwhile."""
        with self._lock:
            if token == self._current:
                self._current = ""

    def _renew(self, renewal: Future[str]) -> str:
        try:
            value, new_refresh_token = self._fetch()
        except BaseException as exc:
            # Whatever it is, those who wait must not wait for ever.
            self._end_renewal()
            renewal.set_exception(exc if isinstance(exc, PartnerCenterError) else _interrupted())
            raise
        self._end_renewal()
        renewal.set_result(value)
        if new_refresh_token and self._on_refresh_token is not None:
            self._on_refresh_token(new_refresh_token)
        return value

    def _end_renewal(self) -> None:
        with self._lock:
            self._renewal = None

    def _fetch(self) -> tuple[str, str]:
        """Get a token; return it and, if it came with a new one, the refresh token."""
        asked_at = self._clock()
        try:
            token = fetch_token(self._connection, self._credentials, self._refresh_token)
        except (UnavailableError, ThrottledError) as exc:
            return self._make_do(exc), ""
        with self._lock:
            self._current = token.value
            self._expires_at = asked_at + token.lifetime
            self._renew_at = self._expires_at - min(EARLIEST_RENEWAL, token.lifetime / 5)
        log.info("Token renewed: tenant=%s lifetime=%s", self._credentials.tenant_id, token.lifetime)
        return token.value, self._keep(token)

    def _keep(self, token: Token) -> str:
        """Use the newest refresh token for the next renewal; return it if it is new."""
        if not self.supports_users or token.refresh_token in ("", self._refresh_token):
            return ""
        self._refresh_token = token.refresh_token
        return token.refresh_token

    def _make_do(self, exc: PartnerCenterError) -> str:
        """Go on with the old token while it is good, for the login host may be back soon."""
        with self._lock:
            now = self._clock()
            if not self._current or now >= self._expires_at:
                raise exc
            self._renew_at = min(self._expires_at, now + _NEXT_TRY)
            log.warning("Token not renewed, the old one still good: error=%s", exc)
            return self._current


def _interrupted() -> UnavailableError:
    return UnavailableError("the renewal of the token was interrupted", may_have_been_done=False)


def _share(renewal: Future[str]) -> str:
    try:
        return renewal.result(timeout=LONGEST_WAIT)
    except TimeoutError:
        raise UnavailableError("no token in time", may_have_been_done=False) from None
    except PartnerCenterError as exc:
        # Each thread raises a copy, for an exception collects the traceback of who raises it.
        mine = copy.copy(exc)
        mine.is_shared = True
        raise mine from exc
