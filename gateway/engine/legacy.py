"""Legacy upgrades: Microsoft carries them out within the call, and puts the seats into a new subscription."""

from __future__ import annotations

from collections.abc import Callable

from gateway.engine.context import Work
from gateway.engine.generation import Choice, History, accepted, best_of, no_path, refusal, warn
from gateway.engine.new_commerce import MOVE_BY_HAND
from gateway.engine.outcome import Outcome, fail, move_on
from gateway.models import UpgradeStep
from gateway.partner_center import (
    LegacyUpgrade,
    LegacyUpgradeResult,
    MicrosoftSubscription,
    SubscriptionStatus,
    UpgradeType,
    same_offer,
)

ENDED = (SubscriptionStatus.DELETED, SubscriptionStatus.SUSPENDED)
"""What Microsoft makes of the source of a legacy upgrade."""


class Legacy:
    def history(self, work: Work, target_offer_id: str) -> History:
        subscriptions = work.microsoft.list_subscriptions(work.upgrade.microsoft_tenant_id)
        return History(tuple(s.id for s in subscriptions if same_offer(s.offer_id, target_offer_id)))

    def choose(self, work: Work, target_offer_id: str) -> Choice | Outcome:
        entries = {
            e.upgrade_type: e for e in self._entries(work) if same_offer(e.target_offer_id, target_offer_id)
        }
        if not entries:
            return no_path(work, target_offer_id)
        kinds = (UpgradeType.WITH_LICENSE_TRANSFER, UpgradeType.ONLY)
        kind = best_of((k, entries[k].is_eligible, entries[k].errors) for k in kinds if k in entries)
        return kind if isinstance(kind, Outcome) else Choice(entries[kind].target_offer_id, kind)

    def prepare(self, work: Work) -> Callable[[], Outcome] | Outcome:
        entry = next((e for e in self._entries(work) if self._is_chosen(e, work)), None)
        if entry is None:
            return fail(
                "changed_at_microsoft",
                "Microsoft does not offer the upgrade any more that it offered when it was checked",
                "Schedule the upgrade again",
            )
        return lambda: self._send(work, entry)

    def _send(self, work: Work, entry: LegacyUpgrade) -> Outcome:
        upgrade = work.upgrade
        result = work.microsoft.create_upgrade(
            upgrade.microsoft_tenant_id,
            upgrade.source_microsoft_subscription_id or "",
            entry,
            request_id=str(upgrade.request_id),
        )
        if not result.is_upgraded:
            return refusal(result.errors)
        return accepted(
            "accepted",
            "Microsoft upgraded the subscription",
            target_microsoft_subscription_id=result.target_subscription_id,
            **_license_warning(result),
        )

    def find(self, work: Work) -> Outcome | None:
        upgrade = work.upgrade
        subscriptions = work.microsoft.list_subscriptions(upgrade.microsoft_tenant_id)
        source = next((s for s in subscriptions if _is(s, upgrade.source_microsoft_subscription_id)), None)
        target = next((s for s in subscriptions if self._may_be_ours(s, work)), None)
        if target is None or (source and source.status not in ENDED):
            return None
        return accepted(
            "found", "Microsoft had received the upgrade", target_microsoft_subscription_id=target.id
        )

    def follow(self, work: Work) -> Outcome | None:
        """It is over when Microsoft answers; only the new subscription is still to be seen."""
        return move_on(UpgradeStep.VERIFYING, "converted")

    def _entries(self, work: Work) -> list[LegacyUpgrade]:
        return work.microsoft.list_upgrades(
            work.upgrade.microsoft_tenant_id, work.upgrade.source_microsoft_subscription_id or ""
        )

    def _is_chosen(self, entry: LegacyUpgrade, work: Work) -> bool:
        return (
            entry.is_eligible
            and entry.upgrade_type == work.upgrade.transition_type
            and same_offer(entry.target_offer_id, work.upgrade.target_offer_id or "")
        )

    def _may_be_ours(self, subscription: MicrosoftSubscription, work: Work) -> bool:
        """A subscription of the target offer that was not there before the upgrade was asked for."""
        seen = {subscription_id.casefold() for subscription_id in work.upgrade.seen_before or ()}
        return (
            same_offer(subscription.offer_id, work.upgrade.target_offer_id or "")
            and subscription.status is SubscriptionStatus.ACTIVE
            and subscription.id.casefold() not in seen
        )


def _is(subscription: MicrosoftSubscription, microsoft_subscription_id: str | None) -> bool:
    return subscription.id.casefold() == (microsoft_subscription_id or "").casefold()


def _license_warning(result: LegacyUpgradeResult) -> dict[str, str]:
    if not result.license_errors:
        return {}
    people = ", ".join(e.email or e.name or e.user_id for e in result.license_errors)
    return warn(f"The seats moved, but not the licenses of {people}", MOVE_BY_HAND)
