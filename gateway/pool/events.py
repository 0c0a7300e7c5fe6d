"""What happened to the pool: the last events in memory, all recent ones in a file, each in the log too."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.logs import mask_secrets, utc_text
from gateway.pool.event_kinds import EventKind
from gateway.pool.protocol import from_line

log = logging.getLogger(__name__)

KEPT_IN_MEMORY = 200
LARGEST_FILE = 1 << 20
OLD_FILES = 3
"""How many files that grew large are kept beside the newest one."""


def events_file(var: Path) -> Path:
    """Return where a pool with this data folder writes its events."""
    return var / "events.jsonl"


class EventLog:
    """Writes one JSON object a line; a large file is renamed to `.1`, that one to `.2`, and so on."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._recent: deque[dict[str, Any]] = deque(maxlen=KEPT_IN_MEMORY)

    def add(self, kind: EventKind, **details: object) -> None:
        """Record an event; details that are None are left out.

        A detail `changes` holds the changed settings, each with `key`, `old` and `new`.
        """
        shown = {key: value for key, value in details.items() if value is not None}
        about = {"id": kind.id, "level": logging.getLevelName(kind.level), "event": kind.text}
        line = mask_secrets(
            json.dumps({"at": utc_text(self._now()), **about, **shown}, ensure_ascii=False, default=str)
        )
        event = from_line(line.encode("utf-8"))
        assert event is not None
        self._recent.append(event)
        words = detail_words(event)
        log.log(kind.level, "%s%s", kind.text, f": {words}" if words else "")
        self._write(line)

    def recent(self, count: int) -> list[dict[str, Any]]:
        """Return the last events, oldest first."""
        return list(self._recent)[-count:]

    def _write(self, line: str) -> None:
        try:
            if self._path.exists() and self._path.stat().st_size > LARGEST_FILE:
                self._rotate()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as exc:
            log.warning("Event not written: path=%s error=%s", self._path, exc)

    def _rotate(self) -> None:
        for number in range(OLD_FILES, 0, -1):
            newer = old_file(self._path, number - 1)
            if newer.exists():
                newer.replace(old_file(self._path, number))


def old_file(path: Path, number: int) -> Path:
    """Return the name of the file that was put aside so many times; 0 is the newest one."""
    return path.with_name(f"{path.name}.{number}") if number else path


def read_events(path: Path, count: int) -> list[dict[str, Any]]:
    """Return the last events of the files, oldest first; lines that a crash cut off are left out.

    :raises OSError: if a file that is there cannot be read
    """
    found: list[dict[str, Any]] = []
    for number in range(OLD_FILES + 1):
        file = old_file(path, number)
        if len(found) >= count or not file.exists():
            break
        lines = file.read_bytes().splitlines()
        found = [event for line in lines if (event := from_line(line)) is not None] + found
    return found[-count:] if count else []


def detail_words(event: dict[str, Any]) -> str:
    """Return the details of an event as `key=value key=value`."""
    known = ("at", "id", "level", "event")
    return " ".join(f"{key}={_worded(value)}" for key, value in event.items() if key not in known)


def event_line(event: dict[str, Any]) -> str:
    """Return an event for a person, on one line."""
    words = " ".join(detail_words(event).split())
    head = f"{event['at']} {event.get('id', ''):>4} {event['level']:<7} {event['event']}"
    return f"{head}: {words}" if words else head


def _worded(value: object) -> str:
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return ", ".join(f"{c.get('key')}: {c.get('old')} -> {c.get('new')}" for c in value)
    return str(value)
