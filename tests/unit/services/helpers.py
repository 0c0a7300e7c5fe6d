"""Facts, callers and transactions for the tests of the services."""

from __future__ import annotations

import dataclasses
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from gateway.models import PlanKind, ResourceKind, Role, SubscriptionStatus
from gateway.services.branch import make_caller
from gateway.services.caller import Caller
from gateway.services.eligibility import PlanFacts, ResourceFacts, SubscriptionFacts
from gateway.services.upgrade_paths import Answers, UpgradePaths

E1, E3, E5 = "CFQ7TTC0LF8Q:0001", "CFQ7TTC0LF8R:0001", "CFQ7TTC0LF8S:0002"

PATIENCE = 30
"""Seconds after which a test gives up what should take milliseconds."""


def license_facts(limit: int, offer_id: str | None = E1, key: str = "license") -> ResourceFacts:
    return ResourceFacts(key, f"License {key}", ResourceKind.LICENSE, offer_id, limit)


def addon_facts(limit: int, key: str = "addon") -> ResourceFacts:
    return ResourceFacts(
        key, f"Add-on {key}", ResourceKind.ADDON, "2828BE95-46BA-4F91-B2FD-0BEF192ECF60", limit
    )


def other_facts(limit: int, key: str = "tenant") -> ResourceFacts:
    return ResourceFacts(key, f"Resource {key}", ResourceKind.OTHER, None, limit)


def subscription_facts(*resources: ResourceFacts, **changes: Any) -> SubscriptionFacts:
    """A subscription that may go to `plan_facts()`, but for what is changed."""
    facts = SubscriptionFacts(
        status=SubscriptionStatus.ACTIVE,
        kind=PlanKind.STANDARD,
        service_plan_id="source",
        application_instance_id="office365",
        vendor_id="provider",
        has_microsoft_subscription=True,
        has_microsoft_tenant=True,
        has_live_upgrade=False,
        resources=resources or (license_facts(5),),
    )
    return dataclasses.replace(facts, **changes)


def plan_facts(*resources: ResourceFacts, **changes: Any) -> PlanFacts:
    facts = PlanFacts(
        id="target",
        name="Office 365 E3",
        kind=PlanKind.STANDARD,
        application_instance_id="office365",
        vendor_id="provider",
        resources=resources or (license_facts(1, E3),),
    )
    return dataclasses.replace(facts, **changes)


def caller_of(db, account, role: Role = Role.OPERATOR) -> Caller:
    return make_caller(db, account, role, f"user of {account.id}")


def paths_of(db, targets: dict[str, list[str]] | None = None) -> UpgradePaths:
    """Paths by offer from a Microsoft that knows these offers; without any it does not answer."""
    known = targets or {}
    return UpgradePaths(db, lambda _instance_id, offer_id: known.get(offer_id), Answers())


class Tree:
    """A provider with two resellers, one of which has a reseller below it; each has a plan and a customer.

    Both first-level resellers and the one below may upgrade.
    """

    def __init__(self, factories) -> None:
        self.provider = factories.provider()
        self.parent = factories.reseller(id="parent")
        self.child = factories.reseller(parent=self.parent, id="child")
        self.sibling = factories.reseller(id="sibling")
        self.vendors = (self.provider, self.parent, self.child, self.sibling)
        self.licenses = [factories.resource_type(offer_id=offer) for offer in (E1, E3)]
        self.management = factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT, id="management")
        self.sources, self.targets, self.subscriptions = {}, {}, {}
        for vendor in self.vendors:
            source = factories.service_plan([self.licenses[0]], vendor=vendor, id=f"source-{vendor.id}")
            target = factories.service_plan([self.licenses[1]], vendor=vendor, id=f"target-{vendor.id}")
            self.sources[vendor.id], self.targets[vendor.id] = source, target
            self.subscriptions[vendor.id] = factories.subscription(source, id=f"subscription-{vendor.id}")
        for reseller in self.vendors[1:]:
            factories.subscription(self.management, account=reseller, id=f"management-{reseller.id}")


VISIBLE = {
    "provider": {"provider", "parent", "child", "sibling"},
    "parent": {"parent", "child"},
    "child": {"child"},
    "sibling": {"sibling"},
}
"""Whose things each vendor of the tree sees; the provider's own id differs from test to test."""


def visible_to(tree: Tree, vendor) -> set[str]:
    names = VISIBLE["provider" if vendor is tree.provider else vendor.id]
    return {tree.provider.id if name == "provider" else name for name in names}


@contextmanager
def in_background(function, *arguments):
    """Run a function in a thread that has begun; the future has its result."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        future: Future[Any] = pool.submit(function, *arguments)
        yield future
