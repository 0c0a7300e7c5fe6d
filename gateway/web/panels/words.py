"""What the panels call things."""

from __future__ import annotations

from gateway.engine import Outcome
from gateway.models import (
    MoveResult,
    PlanKind,
    ResourceKind,
    Role,
    SubscriptionStatus,
    UpgradeStatus,
    UserLicenseState,
)
from gateway.services.audit import AuditAction
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

RESOURCE_KINDS = {
    ResourceKind.LICENSE: "Office 365 License",
    ResourceKind.ADDON: "Office 365 Add-on",
    ResourceKind.OTHER: "Other",
}

PLAN_KINDS = {
    PlanKind.STANDARD: ("Office 365 plan", "What customers subscribe to: licenses and what they cost"),
    PlanKind.CUSTOMER_MANAGEMENT: (
        "Office 365 Customer Management",
        "Lets the resellers that are subscribed to it upgrade subscriptions; it costs nothing",
    ),
}
"""Name and meaning."""

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

ROLES = {Role.ADMINISTRATOR: "Administrator", Role.OPERATOR: "Operator", Role.READ_ONLY: "Read-only"}

USER_LICENSE_STATES = {
    UserLicenseState.LEFT_BEHIND: "Left behind",
    UserLicenseState.MOVING: "Being moved",
    UserLicenseState.NOTED: "Not moved yet",
    UserLicenseState.MOVED: "Moved",
    UserLicenseState.KEPT: "Keeps the old one",
    UserLicenseState.GONE: "Deleted",
}
USER_LICENSE_BADGES = {
    UserLicenseState.LEFT_BEHIND: "completed_with_warnings",
    UserLicenseState.MOVING: "in_progress",
    UserLicenseState.NOTED: "pending",
    UserLicenseState.MOVED: "completed",
    UserLicenseState.KEPT: "plain",
    UserLicenseState.GONE: "canceled",
}
"""The state of an upgrade that looks the same."""
MOVE_RESULTS = {
    MoveResult.MOVED: "Moved",
    MoveResult.ALREADY_MOVED: "Had been moved before",
    MoveResult.NO_SEATS: "Not moved: no license is free",
    MoveResult.FAILED: "Not moved",
    MoveResult.GONE: "Not found at Microsoft",
}

AUDIT_ACTIONS = {
    AuditAction.SIGNED_IN: "Signed in",
    AuditAction.SIGN_IN_REFUSED: "Sign-in refused",
    AuditAction.SIGNED_OUT: "Signed out",
    AuditAction.SIGNED_OUT_EVERYWHERE: "Signed out everywhere",
    AuditAction.PASSWORD_CHANGED: "Own password changed",
    AuditAction.USER_ADDED: "User added",
    AuditAction.USER_ROLE_CHANGED: "Role changed",
    AuditAction.USER_PASSWORD_SET: "Password set",
    AuditAction.USER_DISABLED: "User disabled",
    AuditAction.USER_ENABLED: "User enabled",
    AuditAction.USER_SIGNED_OUT: "User signed out",
    AuditAction.API_KEY_CREATED: "API key created",
    AuditAction.API_KEY_REVOKED: "API key revoked",
    AuditAction.CATALOG_IMPORTED: "Catalog imported",
    AuditAction.SERVICE_TEMPLATE_CREATED: "Service template created",
    AuditAction.SERVICE_TEMPLATE_CHANGED: "Service template changed",
    AuditAction.SERVICE_PLAN_CREATED: "Service plan created",
    AuditAction.SERVICE_PLAN_CHANGED: "Service plan changed",
    AuditAction.SERVICE_PLAN_PRICES_CHANGED: "Prices changed",
    AuditAction.SERVICE_PLAN_DELEGATED: "Service plan delegated",
    AuditAction.ACCOUNT_CREATED: "Account created",
    AuditAction.ACCOUNT_CHANGED: "Account changed",
    AuditAction.RESELLER_SUBSCRIBED: "Reseller subscribed",
    AuditAction.UPGRADES_SCHEDULED: "Upgrades scheduled",
    AuditAction.UPGRADES_CANCELED: "Upgrades canceled",
    AuditAction.LICENSES_MOVED: "Licenses moved",
    AuditAction.CONNECTION_TESTED: "Connection tested",
    AuditAction.SETTINGS_CHANGED: "Settings changed",
    AuditAction.POOL_RECYCLED: "Application pool recycled",
    AuditAction.POOL_STOPPED: "Application pool stopped",
    AuditAction.POOL_STARTED: "Application pool started",
}

CONNECTION_OUTCOMES = {
    Outcome.SERVES: "Partner Center serves this instance",
    Outcome.SIGN_IN_REFUSED: "Microsoft refused the sign-in",
    Outcome.WRONG_TENANT: "Microsoft does not know the tenant",
    Outcome.NOT_REACHABLE: "Microsoft could not be reached",
    Outcome.THROTTLED: "Microsoft throttles the partner account: too many calls",
    Outcome.REFUSED: "Signed in, but Partner Center refused to list customers",
    Outcome.NOT_TRIED: "Not tested",
}


def audit_action(action: str) -> str:
    """What an entry's action is called; one that is not known in its own name."""
    known = next((word for each, word in AUDIT_ACTIONS.items() if each.value == action), None)
    return known or action.replace("_", " ").capitalize()


def counted(number: int, noun: str) -> str:
    """Such as `1 subscription` and `2 subscriptions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", "\u202f")
