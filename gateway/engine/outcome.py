"""What a step of an upgrade came to. Steps return it, and one place writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.models import UpgradeStatus, UpgradeStep


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One change of an upgrade, written in one transaction together with its event."""

    event: str | None
    """Name of the line in the timeline; None for a look that found nothing new."""
    detail: str | None = None
    step: UpgradeStep | None = None
    """The step to go on with; None stays."""
    after: float = 0.0
    """Seconds until the engine looks again; 0 goes on at once."""
    waiting_for: str | None = None
    counts: bool = False
    """Whether it was a failed try, of which there are only so many."""
    changes: Mapping[str, object] = field(default_factory=dict)
    """Columns of the upgrade to set."""
    finish: UpgradeStatus | None = None
    reason_code: str | None = None
    reason: str | None = None
    remedy: str | None = None
    request_id: str | None = None
    """MS-RequestId of the call that it speaks of, where that is not the upgrade's own."""

    def is_news_after(self, waiting_for: str | None) -> bool:
        """Whether there is anything to write down for an upgrade that has waited for this until now."""
        return bool(
            self.event
            or self.finish
            or self.step
            or self.changes
            or self.counts
            or self.waiting_for != waiting_for
        )


def move_on(step: UpgradeStep, event: str, detail: str | None = None, **changes: object) -> Outcome:
    return Outcome(event=event, detail=detail, step=step, changes=changes)


def again(after: float, waiting_for: str, *, event: str | None = None, **changes: object) -> Outcome:
    """Look again later; this is how an upgrade waits, and no failure."""
    return Outcome(event=event, detail=waiting_for, after=after, waiting_for=waiting_for, changes=changes)


def fail(code: str, reason: str, remedy: str, *, request_id: str | None = None) -> Outcome:
    return Outcome(
        event="failed",
        detail=reason,
        finish=UpgradeStatus.FAILED,
        reason_code=code,
        reason=reason,
        remedy=remedy,
        request_id=request_id,
    )
