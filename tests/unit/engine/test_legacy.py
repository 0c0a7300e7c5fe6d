"""Which subscription of a customer is the one that a legacy upgrade made, when its answer was lost."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.engine.context import Work
from gateway.engine.legacy import Legacy
from gateway.models import Upgrade, UpgradeStep
from gateway.partner_center import MicrosoftSubscription, SubscriptionStatus

TARGET = "1F3E24DD-1E4F-4A7C-9DC5-0C1D1C2E5A2E"
SOURCE = MicrosoftSubscription("Source-Id", "0a1b", SubscriptionStatus.SUSPENDED)
NEW = MicrosoftSubscription("New-Id", TARGET.lower(), SubscriptionStatus.ACTIVE)


class Microsoft:
    """Shows the subscriptions of one customer."""

    def __init__(self, *subscriptions):
        self._subscriptions = subscriptions

    def list_subscriptions(self, _tenant_id):
        return list(self._subscriptions)


def find(*subscriptions, seen_before=()):
    upgrade = Upgrade(
        microsoft_tenant_id="tenant",
        source_microsoft_subscription_id=SOURCE.id.lower(),
        target_offer_id=TARGET,
        seen_before=list(seen_before),
    )
    microsoft: Any = Microsoft(*subscriptions)
    return Legacy().find(Work(upgrade, "Office 365", microsoft))


def test_a_new_one_of_the_target_offer_is():
    found = find(SOURCE, NEW)

    assert found is not None
    assert (found.step, found.changes) == (
        UpgradeStep.WAITING,
        {"target_microsoft_subscription_id": NEW.id},
    )


def test_a_new_one_is_where_microsoft_shows_the_source_no_longer():
    assert find(NEW) is not None


@pytest.mark.parametrize(
    "other",
    [
        NEW._replace(offer_id="another offer"),
        NEW._replace(status=SubscriptionStatus.SUSPENDED),
        NEW._replace(status=SubscriptionStatus.DELETED),
    ],
    ids=["another offer", "suspended", "deleted"],
)
def test_another_one_is_not(other):
    assert find(SOURCE, other) is None


def test_one_that_was_there_before_is_not():
    assert find(SOURCE, NEW, seen_before=[NEW.id.upper()]) is None


def test_the_source_itself_is_not():
    """Somebody may have moved it to the offer by hand, in another way."""
    assert find(NEW._replace(id=SOURCE.id)) is None


def test_none_is_while_the_source_is_still_active():
    assert find(SOURCE._replace(status=SubscriptionStatus.ACTIVE), NEW) is None
