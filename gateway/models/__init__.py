"""What the database holds: typed columns, and what a row can say of itself."""

from gateway.models.access import APIKey, AuditEntry, IdempotencyKey, Role, User, UserSession
from gateway.models.account import Account, AccountType
from gateway.models.catalog import (
    UNLIMITED,
    ApplicationInstance,
    OfferPath,
    PlanKind,
    PlanResource,
    ResourceKind,
    ResourceRate,
    ResourceType,
    ServicePlan,
    ServiceTemplate,
    SubscriptionPeriod,
)
from gateway.models.search import AccountWord, words_of
from gateway.models.subscription import (
    NEVER_UPGRADED,
    Subscription,
    SubscriptionResource,
    SubscriptionStatus,
)
from gateway.models.upgrade import (
    LIVE,
    LicenseCheck,
    Upgrade,
    UpgradeBatch,
    UpgradeEvent,
    UpgradeStatus,
    UpgradeStep,
)
from gateway.models.user_license import LicenseMove, MoveResult, UserLicense, UserLicenseState

__all__ = [
    "LIVE",
    "NEVER_UPGRADED",
    "UNLIMITED",
    "APIKey",
    "Account",
    "AccountType",
    "AccountWord",
    "ApplicationInstance",
    "AuditEntry",
    "IdempotencyKey",
    "LicenseCheck",
    "LicenseMove",
    "MoveResult",
    "OfferPath",
    "PlanKind",
    "PlanResource",
    "ResourceKind",
    "ResourceRate",
    "ResourceType",
    "Role",
    "ServicePlan",
    "ServiceTemplate",
    "Subscription",
    "SubscriptionPeriod",
    "SubscriptionResource",
    "SubscriptionStatus",
    "Upgrade",
    "UpgradeBatch",
    "UpgradeEvent",
    "UpgradeStatus",
    "UpgradeStep",
    "User",
    "UserLicense",
    "UserLicenseState",
    "UserSession",
    "words_of",
]
