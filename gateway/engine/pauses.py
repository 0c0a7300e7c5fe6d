"""When the gateway leaves a partner account alone, and how much it does for it at once.

Microsoft asks for pauses, refuses a sign-in, or is away; each concerns all upgrades of an application
instance, so that one of them finding out is enough. In memory: another node learns it from a call of its own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.partner_center import PartnerCenterError, SignInError, ThrottledError, UnavailableError

OPEN_AFTER = 5
"""Calls in a row that Microsoft did not answer, until it counts as away."""

FIRST_OUTAGE_PAUSE = 15.0
LONGEST_OUTAGE_PAUSE = 300.0

SIGN_IN_PAUSE = 60.0
"""Seconds after which a sign-in that was refused is tried again: an administrator has to act first."""

PROBE_TIME = 10.0
"""Seconds that all others wait for the answer to the one call that tries whether Microsoft is back."""

BACK_OFF = 0.5
"""What is left of the width after a sign of overload."""

MEMORY = 20
"""How many of the newest calls say whether a 503 is overload, or one of those that happen now and then."""

CHANCE = 0.1
"""Up to this share of them may be 503, as long as none of those asks for a pause."""


class Pause(NamedTuple):
    until: datetime
    reason: str
    """In words for people, without anything secret or long."""


def outage_pause(failures: int) -> float:
    """Seconds until Microsoft is tried again after that many calls in a row went wrong; doubling."""
    return float(min(FIRST_OUTAGE_PAUSE * 2.0 ** min(failures - OPEN_AFTER, 10), LONGEST_OUTAGE_PAUSE))


def narrowed(width: float) -> float:
    """How many may be in progress at once after a sign of overload."""
    return max(1.0, width * BACK_OFF)


def widened(width: float) -> float:
    """The same after a call that went well: one more for every round of calls."""
    return width + 1.0 / width


@dataclass
class _Account:
    """What is known of one partner account."""

    width: float
    failures: int = 0
    unavailable: float = 0.0
    """The share of 503 among the newest calls, since it was narrowed last."""
    is_refused: bool = False
    """The sign-in does not work."""
    pause: Pause | None = None
    throttled: Pause | None = None
    is_tried: bool = False
    """A call is under way, or was, that tries whether Microsoft is back."""

    @property
    def is_down(self) -> bool:
        return self.is_refused or self.failures >= OPEN_AFTER

    def is_waited_for(self, now: datetime) -> bool:
        """Whether a failure is of a call that was under way when the pause began, and says nothing new."""
        return self.pause is not None and self.pause.until > now and not self.is_tried

    def longest(self, now: datetime) -> Pause | None:
        if self.pause is None and self.throttled is None:
            return None
        pauses = [each for each in (self.pause, self.throttled) if each and each.until > now]
        return max(pauses, default=None)


class Pauses:
    """One for each worker; its threads share it. Instances go by their names."""

    def __init__(self, limit: int) -> None:
        """:param limit: how many upgrades are in progress at most, of all instances together"""
        self._limit = float(limit)
        self._accounts: dict[str, _Account] = {}
        self._lock = threading.Lock()

    def note(self, instance_name: str, trouble: PartnerCenterError | None, now: datetime) -> None:
        """Take in how a step went; None, and a no to a question of business, mean that Microsoft serves."""
        with self._lock:
            account = self._account(instance_name)
            if isinstance(trouble, ThrottledError):
                self._note_throttled(account, trouble.retry_after, now)
            elif isinstance(trouble, SignInError):
                account.is_refused, account.is_tried = True, False
                account.pause = Pause(_after(now, SIGN_IN_PAUSE), "Sign-in at Microsoft fails")
            elif isinstance(trouble, UnavailableError):
                if not trouble.is_shared:  # One call failed, and who made it says so.
                    self._note_failure(account, trouble, now)
            else:
                account.failures, account.is_refused, account.pause = 0, False, None
                account.is_tried = False
                account.unavailable -= account.unavailable / MEMORY
                account.width = min(self._limit, widened(account.width))

    def wait(self, instance_name: str, now: datetime) -> Pause | None:
        """What a step has to wait for; None for going on, as the one that tries where Microsoft was away."""
        with self._lock:
            account = self._account(instance_name)
            pause = account.longest(now)
            if pause is None and account.is_down:
                account.pause = Pause(_after(now, PROBE_TIME), "Microsoft is tried again")
                account.is_tried = True
            return pause

    def is_down(self, instance_name: str) -> bool:
        """Whether no upgrade can be blamed for its failures."""
        with self._lock:
            return self._account(instance_name).is_down

    def blocked_instances(self, now: datetime) -> dict[str, Pause]:
        """The instances that are left alone at this moment, by their names in lower case."""
        with self._lock:
            found = {name: account.longest(now) for name, account in self._accounts.items()}
        return {name: pause for name, pause in found.items() if pause is not None}

    def rooms(self, now: datetime) -> dict[str, int]:
        """How many upgrades may be in progress of those instances that may not use the whole limit."""
        with self._lock:
            return {
                name: room
                for name, account in self._accounts.items()
                if (room := _room(account, now)) < self._limit
            }

    def _account(self, instance_name: str) -> _Account:
        return self._accounts.setdefault(instance_name.casefold(), _Account(self._limit))

    def _note_throttled(self, account: _Account, retry_after: float, now: datetime) -> None:
        if account.longest(now) is None:  # Others whose calls were under way at the same time say the same.
            account.width = narrowed(account.width)
        asked = Pause(_after(now, retry_after), "Microsoft asked for a pause between calls")
        account.throttled = max(asked, account.throttled or asked)

    def _note_failure(self, account: _Account, trouble: UnavailableError, now: datetime) -> None:
        if trouble.status == 503 and account.longest(now) is None:
            account.unavailable += (1.0 - account.unavailable) / MEMORY
            if account.unavailable > CHANCE or trouble.retry_after is not None:
                account.width, account.unavailable = narrowed(account.width), 0.0
        if not account.is_waited_for(now):
            account.failures += 1
        if account.is_down:
            until = _after(now, max(outage_pause(account.failures), trouble.retry_after or 0.0))
            away = Pause(until, "Microsoft does not answer")
            account.pause = max(away, account.pause or away)
        account.is_tried = False


def _room(account: _Account, now: datetime) -> int:
    if account.longest(now) is not None:
        return 0
    return 1 if account.is_down else int(account.width)


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)
