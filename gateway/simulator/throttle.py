"""Microsoft's limit of requests a minute, counted for each partner."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

WINDOW = timedelta(minutes=1)


class Throttle:
    """A fixed window for each partner tenant; refused requests count too, as they do at Microsoft."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[datetime, int]] = {}

    def seconds_to_wait(self, partner: str, limit: int, now: datetime) -> int:
        """Count a request; return 0, or for how many seconds the partner is to wait."""
        if not limit:
            return 0
        since, count = self._windows.get(partner, (now, 0))
        if now >= since + WINDOW:
            since, count = now, 0
        self._windows[partner] = (since, count + 1)
        return ceil((since + WINDOW - now).total_seconds()) if count >= limit else 0
