"""The recycles that events tell of, each with how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.pool.event_kinds import (
    RECYCLE_FAILED,
    RECYCLE_OTHER,
    RECYCLES,
    WORKER_NOT_STARTED,
    WORKER_SERVES,
)

_BEGINNINGS = frozenset(kind.id for kind in (*RECYCLES.values(), RECYCLE_OTHER))
_FAILURES = frozenset({RECYCLE_FAILED.id, WORKER_NOT_STARTED.id})


def recycles_of(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one dict a recycle, in the order of the events, the oldest first.

    `at`, `reason` and `changes` (None or a list of `key`, `old`, `new`) are those of the event; `seconds`
    passed until the last of the new workers served, None if none did; `problem` says why it failed.
    """
    found: list[dict[str, Any]] = []
    for event in events:
        if event.get("id") in _BEGINNINGS:
            about = {name: event.get(name) for name in ("at", "reason", "changes")}
            found.append({**about, "seconds": None, "problem": None})
        elif found and event.get("id") == WORKER_SERVES.id and event.get("reason") == found[-1]["reason"]:
            found[-1]["seconds"] = event.get("seconds")
        elif found and event.get("id") in _FAILURES and found[-1]["seconds"] is None:
            found[-1]["problem"] = found[-1]["problem"] or event.get("reason")
    return found
