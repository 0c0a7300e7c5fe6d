"""The two ways in which Microsoft upgrades: transitions of the new commerce, and legacy upgrades.

A subscription belongs to one of the two by its offer, and everything that differs stands behind this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from gateway.engine.context import Work
from gateway.engine.outcome import Outcome, again, fail, move_on
from gateway.models import UpgradeStep
from gateway.partner_center import Reason

LATER = 300.0
"""Pause in seconds when Microsoft says that something else must end first, but not when it will."""

TEMPORARY = frozenset({"concurrency_conflicts", "subscription_not_provisioned"})
"""Reasons of Microsoft that pass by themselves."""

REMEDIES: Mapping[str, str] = {
    "delegated_admin_permissions_disabled": "Ask the customer to accept the delegated administration again",
    "insufficient_granular_admin_permissions": "Ask the customer for the Directory Writer role (GDAP)",
    "subscription_status_not_active": "Activate the subscription at Microsoft",
    "conflicting_service_types": "Remove the subscription that already provides services of the target offer",
    "subscription_add_ons_present": "Remove the add-ons of the subscription at Microsoft",
    "offer_does_not_support_billing_cycle": "Choose a target plan whose offer has the same billing cycle",
    "user_context_required": "Give the instance a refreshToken in Settings.config (App+User sign-in)",
}


class Choice(NamedTuple):
    """What to ask Microsoft for."""

    offer_id: str
    """With the availability of today, for the new commerce."""
    transition_type: str


class History(NamedTuple):
    """What Microsoft has of upgrades of a subscription before one is asked for."""

    seen: tuple[str, ...]
    """Ids by which such an upgrade is told from one that is asked for later."""
    running_since: tuple[datetime | None, ...] = ()
    """When those began that are not over, as far as Microsoft says."""


class Generation(Protocol):
    def history(self, work: Work, target_offer_id: str) -> History:
        """What is at Microsoft already."""

    def choose(self, work: Work, target_offer_id: str) -> Choice | Outcome:
        """What Microsoft offers for the upgrade now, or why it is not possible."""

    def prepare(self, work: Work) -> Callable[[], Outcome] | Outcome:
        """Read what the request needs; calling the answer sends it, and whatever that raises, it may have
        been carried out. An outcome without a step says that Microsoft did not do it."""

    def find(self, work: Work) -> Outcome | None:
        """What became of an upgrade whose answer was lost; None when Microsoft shows no trace of it."""

    def follow(self, work: Work) -> Outcome | None:
        """How far the accepted upgrade is; None while it runs."""


def best_of(candidates: Iterable[tuple[str, bool, tuple[Reason, ...]]]) -> str | Outcome:
    """The first kind of upgrade that is eligible; else the reasons of the last one, in words.

    :param candidates: type, whether it is eligible and why not, the most wanted first
    """
    reasons: tuple[Reason, ...] = ()
    for kind, is_eligible, errors in candidates:
        if is_eligible:
            return kind
        reasons = errors
    return refusal(reasons)


def refusal(reasons: tuple[Reason, ...]) -> Outcome:
    """What Microsoft's reasons for a no mean for the upgrade."""
    if reasons and all(reason.name in TEMPORARY for reason in reasons):
        return again(LATER, f"Microsoft is busy with the subscription: {_words(reasons)}")
    return failure(reasons, "does not allow")


def failure(reasons: tuple[Reason, ...], verb: str = "could not carry out") -> Outcome:
    """The end of an upgrade that Microsoft began, or refused to begin."""
    code = reasons[0].name if reasons else "other"
    return fail(
        "ineligible_at_microsoft" if code == "other" else code,
        f"Microsoft {verb} the upgrade: {_words(reasons)}",
        REMEDIES.get(code, "Look at the subscription in Partner Center, then schedule the upgrade again"),
    )


def no_path(work: Work, target_offer_id: str) -> Outcome:
    return fail(
        "no_upgrade_path",
        f"Microsoft has no upgrade from {work.upgrade.source_offer_id} to {target_offer_id}"
        f" for this subscription",
        "Choose another target plan",
    )


def accepted(event: str, detail: str, **changes: object) -> Outcome:
    return move_on(UpgradeStep.WAITING, event, detail, **changes)


def warn(reason: str, remedy: str) -> dict[str, str]:
    """Columns that make an upgrade end with warnings."""
    return {"reason_code": "licenses_not_moved", "reason": reason, "remedy": remedy}


def _words(reasons: tuple[Reason, ...]) -> str:
    return (
        "; ".join(reason.description or reason.name.replace("_", " ") for reason in reasons)
        or "no reason given"
    )
