"""What a step of an upgrade came to. Steps return it, and one place writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.models import Upgrade, UpgradeStatus, UpgradeStep
from gateway.partner_center import PartnerCenterError, RefusedError

LONGEST_WAITING_FOR = 200
"""Characters of the column."""


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

    trouble: PartnerCenterError | None = None
    """What went wrong at Microsoft, where the step knew what it means for the upgrade."""

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
    short = waiting_for[:LONGEST_WAITING_FOR]
    return Outcome(event=event, detail=waiting_for, after=after, waiting_for=short, changes=changes)


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


def refused(exc: RefusedError) -> Outcome:
    """Microsoft's no to a call, which it would say again."""
    return fail(
        "refused_by_microsoft",
        f"Microsoft refused: {exc}",
        "Look at the subscription in Partner Center, then schedule the upgrade again",
        request_id=exc.request_id or None,
    )


def outcome_unknown(upgrade: Upgrade, detail: str) -> Outcome:
    """The end of what cannot be decided: a person looks, for a second request may be a second purchase."""
    return fail(
        "outcome_unknown",
        f"It is not known what became of the upgrade at Microsoft: {detail}",
        f"Look at subscription {upgrade.source_microsoft_subscription_id} of the customer with tenant"
        f" {upgrade.microsoft_tenant_id} in Partner Center: its product, its order history and, for a legacy"
        f" offer, whether the customer has a new subscription of {upgrade.target_offer_id}. Then schedule the"
        f" upgrade again: if Microsoft had carried it out, that is found and nothing is sent. Microsoft's"
        f" support finds the call by MS-RequestId {upgrade.request_id} and MS-CorrelationId"
        f" {upgrade.correlation_id}",
        request_id=str(upgrade.request_id),
    )
