"""The settings that a worker last served with, on disk."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from gateway.logs import utc_text
from gateway.pool.files import write_private
from gateway.settings import GatewaySettings, SettingsError, dump_settings, restore_settings

log = logging.getLogger(__name__)


class LastGoodSettings:
    """Keeps `last-good.json`: values that proved themselves. It holds secrets, for its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, settings: GatewaySettings) -> None:
        content = {
            "saved_at": utc_text(datetime.now(UTC)),
            "revision": settings.revision,
            "settings": dump_settings(settings),
        }
        try:
            write_private(self._path, json.dumps(content))
        except OSError as exc:
            # The pool itself restarts workers from memory, so serving goes on.
            log.warning("Last good settings not written: path=%s error=%s", self._path, exc)

    def load(self) -> GatewaySettings | None:
        """Return what was saved, or None if there is nothing, or nothing this version understands."""
        try:
            return restore_settings(json.loads(self._path.read_text(encoding="utf-8"))["settings"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, SettingsError) as exc:
            log.warning("Last good settings not readable: path=%s error=%s", self._path, type(exc).__name__)
            return None
