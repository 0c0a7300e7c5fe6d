"""What the panels call things."""

from __future__ import annotations

from gateway.models import SubscriptionStatus, UpgradeStatus
from gateway.services.eligibility import ViolationCode

UPGRADE_STATUSES = {
    UpgradeStatus.PENDING: "Pending",
    UpgradeStatus.IN_PROGRESS: "In progress",
    UpgradeStatus.COMPLETED: "Completed",
    UpgradeStatus.COMPLETED_WITH_WARNINGS: "Completed with warnings",
    UpgradeStatus.FAILED: "Failed",
    UpgradeStatus.CANCELED: "Canceled",
}

SUBSCRIPTION_STATUSES = {status: status.value.capitalize() for status in SubscriptionStatus}

REASONS = {
    ViolationCode.SUBSCRIPTION_NOT_ACTIVE: "The subscription is not active",
    ViolationCode.UPGRADE_IN_PROGRESS: "An upgrade is already scheduled or in progress",
    ViolationCode.SOURCE_NOT_UPGRADABLE: "The plan cannot be upgraded",
    ViolationCode.NOT_PROVISIONED: "Not provisioned at Microsoft",
    ViolationCode.LICENSE_MISSING: "No license with a limit above 0",
    ViolationCode.LICENSE_UNLIMITED: "A license without a limit",
    ViolationCode.ADDITIONAL_LICENSE_NOT_ZERO: "Another license with a limit above 0",
    ViolationCode.ADDON_NOT_ZERO: "An add-on with a limit above 0",
    ViolationCode.SAME_PLAN: "It has the target plan already",
    ViolationCode.OTHER_APPLICATION_INSTANCE: "Another application instance",
    ViolationCode.OTHER_VENDOR: "A plan of another vendor",
    ViolationCode.TARGET_NOT_UPGRADABLE: "The target plan holds no licenses",
    ViolationCode.TARGET_LICENSE_MISSING: "The target plan has no license",
    ViolationCode.TARGET_ADDITIONAL_LICENSE: "The target plan has several licenses",
    ViolationCode.NO_UPGRADE_PATH: "Microsoft has no such upgrade",
}


def counted(number: int, noun: str) -> str:
    """Such as `1 subscription` and `2 subscriptions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", "\u202f")
