"""One customer at "Microsoft": subscriptions, upgrades under way, people and their licences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.simulator.catalog import Account, CatalogCustomer, Purchase
from gateway.simulator.messages import ServiceFaultError
from gateway.simulator.subscription import Subscription, bought
from gateway.simulator.transition import Transition


@dataclass(slots=True)
class Customer:
    account: Account
    purchases: list[Purchase]
    subscriptions: dict[str, Subscription]
    """By id in lower case, in the order in which they were bought."""
    transitions: list[Transition]
    """Oldest first."""
    license_events: list[dict[str, Any]]
    users: list[Any] = field(default_factory=list)
    """Filled when first asked for."""
    users_as_of: int = -1
    """How many licence events `users` takes into account."""

    @property
    def id(self) -> str:
        return self.account.tenant_id

    def get_one_subscription(self, subscription_id: str) -> Subscription:
        """:raises ServiceFaultError: 404/20003 if the customer has no such subscription"""
        found = self.subscriptions.get(subscription_id.lower())
        if found is None:
            raise ServiceFaultError(
                404, 20003, f"Subscription {subscription_id} not found", [subscription_id]
            )
        return found

    def open_transitions(self) -> list[Transition]:
        return [each for each in self.transitions if not each.settled]

    def is_busy(self, subscription_id: str) -> bool:
        """Tell whether an upgrade touches the subscription right now; call it on a settled customer."""
        wanted = subscription_id.lower()
        return any(wanted in (t.source_id.lower(), t.target_id.lower()) for t in self.open_transitions())

    def addons_of(self, subscription: Subscription) -> list[Subscription]:
        parent = subscription.id.lower()
        return [each for each in self.subscriptions.values() if each.parent_id.lower() == parent]

    def subscriptions_of_sku(self, sku_id: str) -> list[Subscription]:
        return [each for each in self.subscriptions.values() if each.product.sku_id == sku_id]


def assemble(
    known: CatalogCustomer,
    changed: list[Subscription],
    transitions: list[Transition],
    license_events: list[dict[str, Any]],
) -> Customer:
    """Put what the simulator has changed over what the catalog says."""
    purchases = known.purchases()
    subscriptions = {each.id.lower(): bought(each, known.account.tenant_id) for each in purchases}
    subscriptions |= {each.id.lower(): each for each in changed}
    return Customer(known.account, purchases, subscriptions, transitions, license_events)
