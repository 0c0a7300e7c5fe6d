"""Pauses that Microsoft asked a whole partner account to make."""

from __future__ import annotations

import threading
from datetime import datetime


class Pauses:
    """Until when each application instance leaves Microsoft alone. Threads share it."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def pause(self, instance_name: str, until: datetime) -> None:
        """A later end wins, so that one answer does not shorten what another asked for."""
        with self._lock:
            self._until[instance_name] = max(until, self._until.get(instance_name, until))

    def seconds_left(self, instance_name: str, now: datetime) -> float:
        with self._lock:
            until = self._until.get(instance_name)
        return max(0.0, (until - now).total_seconds()) if until else 0.0
