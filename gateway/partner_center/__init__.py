"""Client of Microsoft's Partner Center REST API; it knows nothing of the gateway."""

from gateway.partner_center.client import PartnerCenterClient
from gateway.partner_center.connection import Timeouts
from gateway.partner_center.credentials import Credentials
from gateway.partner_center.customers import Customer
from gateway.partner_center.errors import (
    BusyError,
    PartnerCenterError,
    RefusedError,
    SignInError,
    ThrottledError,
    UnavailableError,
)
from gateway.partner_center.licenses import License, LicenseWarning, SubscribedSKU, User
from gateway.partner_center.reasons import TRANSITION_REASONS, UPGRADE_REASONS, Reason
from gateway.partner_center.subscriptions import (
    MicrosoftSubscription,
    ProvisioningState,
    ProvisioningStatus,
    SubscriptionStatus,
    is_new_commerce_offer,
    offer_key,
    same_offer,
)
from gateway.partner_center.tokens import TokenSource
from gateway.partner_center.transitions import (
    Eligibility,
    EventStatus,
    Transition,
    TransitionEligibility,
    TransitionEvent,
    TransitionRequest,
    TransitionState,
    TransitionType,
)
from gateway.partner_center.upgrades import LegacyUpgrade, LegacyUpgradeResult, UpgradeType, UserLicenseError

__all__ = [
    "TRANSITION_REASONS",
    "UPGRADE_REASONS",
    "BusyError",
    "Credentials",
    "Customer",
    "Eligibility",
    "EventStatus",
    "LegacyUpgrade",
    "LegacyUpgradeResult",
    "License",
    "LicenseWarning",
    "MicrosoftSubscription",
    "PartnerCenterClient",
    "PartnerCenterError",
    "ProvisioningState",
    "ProvisioningStatus",
    "Reason",
    "RefusedError",
    "SignInError",
    "SubscribedSKU",
    "SubscriptionStatus",
    "ThrottledError",
    "Timeouts",
    "TokenSource",
    "Transition",
    "TransitionEligibility",
    "TransitionEvent",
    "TransitionRequest",
    "TransitionState",
    "TransitionType",
    "UnavailableError",
    "UpgradeType",
    "User",
    "UserLicenseError",
    "is_new_commerce_offer",
    "offer_key",
    "same_offer",
]
