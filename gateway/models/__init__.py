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
from gateway.models.upgrade import LIVE, Upgrade, UpgradeBatch, UpgradeEvent, UpgradeStatus, UpgradeStep

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
    "UserSession",
    "words_of",
]
