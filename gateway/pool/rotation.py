"""One change of workers, from the request to its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.logs import utc_text
from gateway.pool.reasons import Reason
from gateway.settings import GatewaySettings, SettingChange

Waiter = Callable[[str | None], None]
"""Is told once how it ended: None is well, otherwise what went wrong."""


@dataclass
class Request:
    """Somebody wants new workers; at most one waits while another is carried out."""

    reason: Reason
    settings: GatewaySettings
    by_file: bool = False
    """The settings file changed, so its values are what is tried out."""
    waiters: list[Waiter] = field(default_factory=list)
    reached: str | None = None
    """How far the old worker has come, where that is the reason."""
    only: frozenset[int] = frozenset()
    """Numbers of the workers meant; empty for all."""

    def tell(self, problem: str | None) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            waiter(problem)

    def absorb(self, later: Request) -> None:
        """Become one with a later request: its values are newer."""
        self.reason, self.settings, self.reached = later.reason, later.settings, later.reached
        self.by_file = self.by_file or later.by_file
        self.waiters += later.waiters
        self.only = self.only | later.only if self.only and later.only else frozenset()


@dataclass
class Rotation:
    """A request that is being carried out."""

    request: Request
    began: float
    """By the clock that only goes forward."""
    began_at: datetime
    numbers: tuple[int, ...]
    """Of the workers that are to come."""
    is_of_all: bool
    """No worker that serves now is to serve on beside the new ones."""
    is_recycle: bool
    """It replaces workers that serve, rather than starting some where there are none."""
    changes: tuple[SettingChange, ...]
    has_served: bool = False
    """One of the new workers is in use: the values are good."""


def describe(rotation: Rotation, now: float) -> dict[str, Any]:
    """Return what `last_recycle` of the status says."""
    return {
        "reason": rotation.request.reason.value,
        "changed_keys": [change.key for change in rotation.changes],
        "changes": worded(rotation.changes) or [],
        "seconds": round(now - rotation.began, 3),
        "at": utc_text(rotation.began_at),
    }


def worded(changes: tuple[SettingChange, ...]) -> list[dict[str, str]] | None:
    """Return what changed as events and status show it, None if nothing did; secrets are hidden already."""
    return [{"key": c.key, "old": c.old, "new": c.new} for c in changes] or None
