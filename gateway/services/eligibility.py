"""Which subscriptions may be upgraded to which plan. Pure rules: facts in, violations out.

The same rules are applied when an upgrade is scheduled and again when it starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from gateway.models import PlanKind, ResourceKind, SubscriptionStatus
from gateway.partner_center import same_offer


class ViolationCode(StrEnum):
    """One for each rule, in the order in which they are reported."""

    SUBSCRIPTION_NOT_ACTIVE = "subscription_not_active"
    UPGRADE_IN_PROGRESS = "upgrade_in_progress"
    SOURCE_NOT_UPGRADABLE = "source_not_upgradable"
    NOT_PROVISIONED = "not_provisioned"
    LICENSE_MISSING = "license_missing"
    LICENSE_UNLIMITED = "license_unlimited"
    ADDITIONAL_LICENSE_NOT_ZERO = "additional_license_not_zero"
    ADDON_NOT_ZERO = "addon_not_zero"
    SAME_PLAN = "same_plan"
    OTHER_APPLICATION_INSTANCE = "other_application_instance"
    OTHER_VENDOR = "other_vendor"
    TARGET_NOT_UPGRADABLE = "target_not_upgradable"
    TARGET_LICENSE_MISSING = "target_license_missing"
    TARGET_ADDITIONAL_LICENSE = "target_additional_license"
    NO_UPGRADE_PATH = "no_upgrade_path"


class ResourceFacts(NamedTuple):
    """A resource of a subscription or of a plan, with its limit there."""

    key: str
    name: str
    kind: ResourceKind
    offer_id: str | None
    limit: int


@dataclass(frozen=True, kw_only=True)
class SubscriptionFacts:
    """What the rules know of a subscription; the same of very many."""

    status: SubscriptionStatus
    kind: PlanKind
    """The kind of its plan."""
    service_plan_id: str
    application_instance_id: str
    vendor_id: str
    """The vendor of its plan."""
    has_microsoft_subscription: bool
    """Whether its id there is known."""
    has_microsoft_tenant: bool
    has_live_upgrade: bool
    resources: tuple[ResourceFacts, ...]

    @cached_property
    def license(self) -> ResourceFacts | None:
        """The license with a limit above 0; None unless there is exactly one."""
        counted = [resource for resource in _licenses(self.resources) if resource.limit > 0]
        return counted[0] if len(counted) == 1 else None


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """What the rules know of a service plan."""

    id: str
    name: str
    kind: PlanKind
    application_instance_id: str
    vendor_id: str
    resources: tuple[ResourceFacts, ...]

    @cached_property
    def license(self) -> ResourceFacts | None:
        """The license, whatever limit the plan includes; None unless there is exactly one."""
        licenses = _licenses(self.resources)
        return licenses[0] if len(licenses) == 1 else None


class Violation(NamedTuple):
    """One broken rule: what was found, and what to do about it."""

    code: ViolationCode
    detail: str
    remedy: str


class Refusal(NamedTuple):
    """A subscription that cannot be upgraded, with every reason."""

    subscription_id: str
    violations: tuple[Violation, ...]


def check(
    subscription: SubscriptionFacts, target: PlanFacts, target_offer_ids: frozenset[str] | None
) -> tuple[Violation, ...]:
    """Return every rule that an upgrade would break; nothing when it is allowed.

    :param target_offer_ids: what Microsoft upgrades the subscription's offer to; None when that is not
        known, which leaves the rule to the check at the start of the upgrade
    """
    return (
        *_check_subscription(subscription),
        *_check_resources(subscription.resources),
        *_check_pair(
            subscription.service_plan_id,
            subscription.application_instance_id,
            subscription.vendor_id,
            target,
        ),
        *_check_target(target),
        *_check_path(subscription.license, target, target_offer_ids),
    )


def describe_target(
    source: PlanFacts, target: PlanFacts, target_offer_ids: frozenset[str] | None
) -> tuple[Violation, ...]:
    """Return what keeps every subscription of one plan from going to another."""
    return (
        *_check_source_kind(source.kind),
        *_check_pair(source.id, source.application_instance_id, source.vendor_id, target),
        *_check_target(target),
        *_check_path(source.license, target, target_offer_ids),
    )


def _check_subscription(subscription: SubscriptionFacts) -> Iterator[Violation]:
    if subscription.status is not SubscriptionStatus.ACTIVE:
        yield Violation(
            ViolationCode.SUBSCRIPTION_NOT_ACTIVE,
            f"The subscription is {subscription.status.value}; only active ones can be upgraded",
            "Activate the subscription, then schedule its upgrade",
        )
    if subscription.has_live_upgrade:
        yield Violation(
            ViolationCode.UPGRADE_IN_PROGRESS,
            "The subscription already has an upgrade that is pending or in progress",
            "Wait until that upgrade has ended, or cancel it while it is pending",
        )
    yield from _check_source_kind(subscription.kind)
    missing = _missing_at_microsoft(subscription)
    if missing:
        yield Violation(
            ViolationCode.NOT_PROVISIONED,
            f"The subscription has no {' and no '.join(missing)}, so Microsoft cannot be asked to upgrade it",
            "Wait until the subscription is provisioned, or import its ids from Microsoft with the catalog",
        )


def _missing_at_microsoft(subscription: SubscriptionFacts) -> list[str]:
    found = {
        "Microsoft subscription id": subscription.has_microsoft_subscription,
        "Microsoft tenant": subscription.has_microsoft_tenant,
    }
    return [what for what, is_known in found.items() if not is_known]


def _check_source_kind(kind: PlanKind) -> Iterator[Violation]:
    if kind is PlanKind.CUSTOMER_MANAGEMENT:
        yield Violation(
            ViolationCode.SOURCE_NOT_UPGRADABLE,
            "The subscription is one of Office 365 Customer Management, which holds no licenses",
            "Leave the subscription out; it gives a reseller the ability to upgrade others",
        )


def _check_resources(resources: tuple[ResourceFacts, ...]) -> Iterator[Violation]:
    licenses = [resource for resource in _licenses(resources) if resource.limit != 0]
    if not licenses:
        yield Violation(ViolationCode.LICENSE_MISSING, _describe_missing(resources), _SET_ONE_LICENSE)
    unlimited = [resource for resource in licenses if resource.limit < 0]
    if unlimited:
        yield Violation(
            ViolationCode.LICENSE_UNLIMITED,
            f"{_named(unlimited)}: Microsoft sells no unlimited license",
            "Set the limit to the number of licenses that the customer has at Microsoft",
        )
    if len(licenses) > 1:
        yield Violation(
            ViolationCode.ADDITIONAL_LICENSE_NOT_ZERO,
            f"{_named(licenses)}: only one license may have a limit other than 0",
            "Set the limit of every license but one to 0, or move it to a subscription of its own",
        )
    addons = [r for r in resources if r.kind is ResourceKind.ADDON and r.limit != 0]
    if addons:
        yield Violation(
            ViolationCode.ADDON_NOT_ZERO,
            f"{_named(addons)}: every add-on must have limit 0",
            "Set the limit of every add-on to 0; order the add-ons again after the upgrade",
        )


_SET_ONE_LICENSE = "Set the limit of one license to the number of licenses that the customer has at Microsoft"


def _describe_missing(resources: tuple[ResourceFacts, ...]) -> str:
    licenses = _licenses(resources)
    if not licenses:
        return "The subscription has no license; expected one with a limit above 0"
    return f"{_named(licenses)}: one license must have a limit above 0"


def _check_pair(plan_id: str, instance_id: str, vendor_id: str, target: PlanFacts) -> Iterator[Violation]:
    if plan_id == target.id:
        yield Violation(
            ViolationCode.SAME_PLAN,
            f"The subscription already has service plan {target.name}",
            "Choose another target plan",
        )
    if instance_id != target.application_instance_id:
        yield Violation(
            ViolationCode.OTHER_APPLICATION_INSTANCE,
            f"Service plan {target.name} belongs to application instance {target.application_instance_id}"
            f", the subscription to {instance_id}",
            "Choose a target plan of the same application instance",
        )
    if vendor_id != target.vendor_id:
        yield Violation(
            ViolationCode.OTHER_VENDOR,
            f"Service plan {target.name} is sold by {target.vendor_id}, the subscription by {vendor_id}",
            f"Choose a target plan of {vendor_id}; delegate the plan to that vendor if there is none",
        )


def _check_target(target: PlanFacts) -> Iterator[Violation]:
    if target.kind is PlanKind.CUSTOMER_MANAGEMENT:
        yield Violation(
            ViolationCode.TARGET_NOT_UPGRADABLE,
            f"Service plan {target.name} is one of Office 365 Customer Management, which holds no licenses",
            "Choose a target plan that contains a license",
        )
    licenses = _licenses(target.resources)
    if not licenses:
        yield Violation(
            ViolationCode.TARGET_LICENSE_MISSING,
            f"Service plan {target.name} contains no license; expected exactly one",
            "Choose a target plan that contains a license, or add one to the plan",
        )
    if len(licenses) > 1:
        names = ", ".join(sorted(resource.name for resource in licenses))
        yield Violation(
            ViolationCode.TARGET_ADDITIONAL_LICENSE,
            f"Service plan {target.name} contains {len(licenses)} licenses ({names}); expected exactly one",
            "Choose a target plan with one license, or remove the others from the plan",
        )


def _check_path(
    source: ResourceFacts | None, target: PlanFacts, target_offer_ids: frozenset[str] | None
) -> Iterator[Violation]:
    if source is None or target.license is None:
        return  # Other rules are broken, and say so; there is no pair of offers to compare.
    detail = _describe_gap(source, target.license, target_offer_ids)
    if detail:
        yield Violation(
            ViolationCode.NO_UPGRADE_PATH,
            detail,
            "Choose a target plan whose license Microsoft offers as an upgrade",
        )


def _describe_gap(
    source: ResourceFacts, target: ResourceFacts, target_offer_ids: frozenset[str] | None
) -> str | None:
    nameless = [resource.name for resource in (source, target) if not resource.offer_id]
    if source.offer_id is None or target.offer_id is None or nameless:
        return f"{' and '.join(nameless)} names no offer of Microsoft"
    if same_offer(source.offer_id, target.offer_id):
        return f"{source.name} and {target.name} are the same offer of Microsoft, {source.offer_id}"
    if target_offer_ids is None or any(same_offer(target.offer_id, offer) for offer in target_offer_ids):
        return None
    return (
        f"Microsoft does not upgrade {source.name} ({source.offer_id}) to {target.name} ({target.offer_id})"
    )


def _licenses(resources: tuple[ResourceFacts, ...]) -> list[ResourceFacts]:
    return [resource for resource in resources if resource.kind is ResourceKind.LICENSE]


def _named(resources: list[ResourceFacts]) -> str:
    """Such as `Office 365 E3 License has limit 5, Office 365 E1 License is unlimited`, sorted by name."""
    return ", ".join(
        f"{resource.name} is unlimited"
        if resource.limit < 0
        else f"{resource.name} has limit {resource.limit}"
        for resource in sorted(resources, key=lambda r: (r.name, r.key, r.limit))
    )
