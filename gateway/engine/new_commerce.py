"""Upgrades of the new commerce: a transition is asked for, runs for minutes or hours, and is followed."""

from __future__ import annotations

from collections.abc import Callable

from gateway.engine.context import Work
from gateway.engine.generation import Choice, History, accepted, best_of, failure, no_path, warn
from gateway.engine.outcome import Outcome, move_on
from gateway.models import Upgrade, UpgradeStep
from gateway.partner_center import (
    Transition,
    TransitionRequest,
    TransitionState,
    TransitionType,
    same_offer,
)

MOVE_BY_HAND = "Move the licenses of the users who still have the old one in the Microsoft 365 admin center"


class NewCommerce:
    def history(self, work: Work, target_offer_id: str) -> History:
        transitions = self._transitions(work)
        running = (t for t in transitions if t.state is TransitionState.RUNNING)
        return History(tuple(_key(t) for t in transitions), tuple(t.started_at for t in running))

    def choose(self, work: Work, target_offer_id: str) -> Choice | Outcome:
        upgrade = work.upgrade
        offers = work.microsoft.list_transition_eligibilities(
            upgrade.microsoft_tenant_id, upgrade.source_microsoft_subscription_id or ""
        )
        offer = next((o for o in offers if same_offer(o.catalog_item_id, target_offer_id)), None)
        if offer is None:
            return no_path(work, target_offer_id)
        kinds = (TransitionType.WITH_LICENSE_TRANSFER, TransitionType.ONLY)
        kind = best_of((k, *offer.by_type[k]) for k in kinds if k in offer.by_type)
        return kind if isinstance(kind, Outcome) else Choice(offer.catalog_item_id, kind)

    def prepare(self, work: Work) -> Callable[[], Outcome]:
        return lambda: self._send(work)

    def _send(self, work: Work) -> Outcome:
        upgrade = work.upgrade
        transition = work.microsoft.create_transition(
            upgrade.microsoft_tenant_id,
            upgrade.source_microsoft_subscription_id or "",
            TransitionRequest(
                upgrade.target_offer_id or "", upgrade.quantity or 0, upgrade.transition_type or ""
            ),
            request_id=str(upgrade.request_id),
        )
        return self._adopted("accepted", "Microsoft accepted the upgrade", transition)

    def find(self, work: Work) -> Outcome | None:
        transitions = [t for t in self._transitions(work) if _may_be_ours(t, work.upgrade)]
        if transitions and (newest := _newest(transitions)).state is TransitionState.FAILED:
            return failure(newest.errors)
        if transitions:
            return self._adopted("found", "Microsoft had received the upgrade", newest)
        if same_offer(self._offer_now(work), work.upgrade.target_offer_id or ""):
            return accepted("found", "The subscription has the new offer at Microsoft already")
        return None

    def follow(self, work: Work) -> Outcome | None:
        transition = self._ours(work)
        if transition is None:  # The history may lag behind the subscription itself.
            arrived = same_offer(self._offer_now(work), work.upgrade.target_offer_id or "")
            return move_on(UpgradeStep.VERIFYING, "converted") if arrived else None
        if transition.state is TransitionState.RUNNING:
            return None
        if transition.state is TransitionState.FAILED:
            return failure(transition.errors)
        return move_on(UpgradeStep.VERIFYING, "converted", None, **_license_warning(transition))

    def _ours(self, work: Work) -> Transition | None:
        operation_id = work.upgrade.operation_id
        transitions = self._transitions(work, operation_id)
        if operation_id:
            return next((t for t in transitions if t.operation_id == operation_id), None)
        ours = [t for t in transitions if _may_be_ours(t, work.upgrade)]
        return _newest(ours) if ours else None

    def _transitions(self, work: Work, operation_id: str | None = None) -> list[Transition]:
        return work.microsoft.list_transitions(
            work.upgrade.microsoft_tenant_id,
            work.upgrade.source_microsoft_subscription_id or "",
            operation_id,
        )

    def _offer_now(self, work: Work) -> str:
        return work.microsoft.get_subscription(
            work.upgrade.microsoft_tenant_id, work.upgrade.source_microsoft_subscription_id or ""
        ).offer_id

    def _adopted(self, event: str, detail: str, transition: Transition) -> Outcome:
        return accepted(event, detail, operation_id=transition.operation_id)


def _may_be_ours(transition: Transition, upgrade: Upgrade) -> bool:
    """Same target, and not one that was there before this upgrade asked for anything."""
    is_wanted = same_offer(transition.to_catalog_item_id, upgrade.target_offer_id or "")
    return is_wanted and _key(transition) not in (upgrade.seen_before or ())


def _key(transition: Transition) -> str:
    return transition.operation_id or f"{transition.to_catalog_item_id} {transition.started_at}"


def _newest(transitions: list[Transition]) -> Transition:
    dated = [t for t in transitions if t.started_at]
    return max(dated, key=lambda t: t.started_at or 0) if dated else transitions[-1]


def _license_warning(transition: Transition) -> dict[str, str]:
    if transition.state is not TransitionState.COMPLETED_WITH_LICENSE_ERRORS:
        return {}
    reasons = "; ".join(e.description for e in transition.errors) or "Microsoft gives no details"
    return warn(f"The seats moved, but not all licenses of the users: {reasons}", MOVE_BY_HAND)
