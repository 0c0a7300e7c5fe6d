"""One upgrade under way or done, of either generation; its progress is a matter of the clock alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

CONVERSION_SHARE = 0.8
"""How much of an upgrade's time the conversion takes, before licences are reassigned."""

TIMES = ("started_at", "conversion_at", "finished_at")


@dataclass(slots=True)
class Transition:
    operation_id: str
    kind: str
    """`transition` in new commerce, `upgrade` for legacy."""
    customer_id: str
    source_id: str
    target_id: str
    """The subscription that results: the source itself when it is converted in place."""
    from_item: str
    to_item: str
    quantity: int
    transition_type: str
    request_id: str
    started_at: datetime
    conversion_at: datetime | None
    """None when it never finishes."""
    finished_at: datetime | None
    into_existing: bool = False
    moves_licenses: bool = False
    term: str = ""
    billing_cycle: str = ""
    promotion_id: str = ""
    failure_code: int | None = None
    licenses_failed: int = 0
    left_behind: float = 0.0
    """The share of the people who keep the old licence although Microsoft calls it a success."""
    license_lag: float = 0.0
    """Seconds from the end that Microsoft tells of until the people really have the new licence."""
    history_lag: float = 0.0
    offer_lag: float = 0.0
    converted: bool = False
    settled: bool = False
    seq: int = field(default=0, compare=False)

    @property
    def in_place(self) -> bool:
        return self.target_id == self.source_id

    @property
    def shows_at(self) -> datetime | None:
        """When subscriptions show the new offer."""
        return self.conversion_at and self.conversion_at + timedelta(seconds=self.offer_lag)

    def is_visible(self, now: datetime) -> bool:
        return now >= self.started_at + timedelta(seconds=self.history_lag)

    def outcome(self, now: datetime) -> str:
        if self.finished_at is None or now < self.finished_at:
            return "running"
        return "completed" if self.failure_code is None else "failed"

    def plan(self, latency: float) -> None:
        """Set when its stages end."""
        conversion = latency * (CONVERSION_SHARE if self.moves_licenses else 1.0)
        self.conversion_at = self.started_at + timedelta(seconds=conversion)
        failed = self.failure_code is not None
        self.finished_at = self.conversion_at if failed else self.started_at + timedelta(seconds=latency)

    def to_json(self) -> str:
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> Transition:
        values: dict[str, Any] = json.loads(text)
        for name in TIMES:
            if values[name] is not None:
                values[name] = datetime.fromisoformat(values[name])
        return cls(**values)
