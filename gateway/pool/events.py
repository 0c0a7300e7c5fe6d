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

log = logging.getLogger(__name__)

KEPT_IN_MEMORY = 200
LARGEST_FILE = 1 << 20


class EventLog:
    """Writes one JSON object a line; the file is renamed away when it is large, and one old one is kept."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._recent: deque[dict[str, Any]] = deque(maxlen=KEPT_IN_MEMORY)

    def information(self, text: str, **details: object) -> None:
        self._add(logging.INFO, text, details)

    def warning(self, text: str, **details: object) -> None:
        self._add(logging.WARNING, text, details)

    def error(self, text: str, **details: object) -> None:
        self._add(logging.ERROR, text, details)

    def recent(self, count: int) -> list[dict[str, Any]]:
        """Return the last events, oldest first."""
        return list(self._recent)[-count:]

    def _add(self, level: int, text: str, details: dict[str, object]) -> None:
        shown = {key: value for key, value in details.items() if value is not None}
        event = {"at": utc_text(self._now()), "level": logging.getLevelName(level), "event": text, **shown}
        self._recent.append(event)
        words = " ".join(f"{key}={value}" for key, value in shown.items())
        log.log(level, "%s%s", text, f": {words}" if words else "")
        self._write(mask_secrets(json.dumps(event, ensure_ascii=False, default=str)))

    def _write(self, line: str) -> None:
        try:
            if self._path.exists() and self._path.stat().st_size > LARGEST_FILE:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as exc:
            log.warning("Event not written: path=%s error=%s", self._path, exc)
