"""What the threads of an engine have to write about their upgrades."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from gateway.engine.successors import Begun
from gateway.services.plan_change import PlanChange

OnWritten = Callable[[Exception | None], None]
"""Is told that it was written, or what has kept it from being written."""


class LeaseLostError(Exception):
    """Another worker has taken the upgrade over, so this one must not touch it any more."""


class NotClaimedError(LeaseLostError):
    """It began before it was claimed, in vain: it was canceled, had no place, or the engine stops."""


class End(NamedTuple):
    """Whose upgrade has ended."""

    subscription_id: str
    """It keeps the status of its newest upgrade, by a trigger."""
    tenant_id: str
    """It can have its next upgrade."""


@dataclass
class Entry:
    """What one thread has to write about one upgrade."""

    upgrade_id: int
    values: Mapping[str, Any]
    """Columns of the upgrade."""
    event: Mapping[str, Any] | None = None
    change: PlanChange | None = None
    ends: End | None = None
    intended_at: datetime | None = None
    """When a request was last about to leave, as far as this thread knows."""


@dataclass(eq=False)
class Waiting:
    """A thread that waits until its entry is written; without an entry, until something was claimed."""

    entry: Entry | None
    everything: bool = False
    on_written: OnWritten | None = None
    """Whom to tell, where no thread waits."""
    begun: Begun | None = None
    """What has begun in the place of the upgrade that ends here."""
    gate: threading.Lock = field(default_factory=threading.Lock)
    is_lost: bool = False
    must_go_alone: bool = False
    error: Exception | None = None
    claimed: list[int] = field(default_factory=list)


def in_turns(group: Sequence[Waiting]) -> list[list[Waiting]]:
    """What has begun as a successor comes after the end of the one before it."""
    turns, left = [], list(group)
    while left:
        begun = {waiting.begun.upgrade_id for waiting in left if waiting.begun}
        turn = [w for w in left if w.entry is None or w.entry.upgrade_id not in begun]
        left = [w for w in left if w.entry is not None and w.entry.upgrade_id in begun]
        turns.append(turn)
    return turns
