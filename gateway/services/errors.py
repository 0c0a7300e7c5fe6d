"""What can be refused, each with a code that never changes its meaning."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import GatewayError
from gateway.services.eligibility import Refusal

NAMED_IDS = 20
"""A message names at most so many ids; `ids` has them all."""


class NotFoundError(GatewayError):
    """Something does not exist, or not for the caller, which is told in the same words."""

    code = "not_found"
    kind = "object"

    def __init__(self, ids: Sequence[str | int]) -> None:
        """:param ids: every id that was asked for and not found"""
        self.ids = tuple(ids)
        super().__init__(f"{self.kind} {_listed(self.ids)} not found")


class ApplicationInstanceNotFoundError(NotFoundError):
    code = "application_instance_not_found"
    kind = "application instance"


class ServicePlanNotFoundError(NotFoundError):
    code = "service_plan_not_found"
    kind = "service plan"


class SubscriptionNotFoundError(NotFoundError):
    code = "subscription_not_found"
    kind = "subscription"


class UpgradeNotFoundError(NotFoundError):
    code = "upgrade_not_found"
    kind = "upgrade"


class UpgradeBatchNotFoundError(NotFoundError):
    code = "upgrade_batch_not_found"
    kind = "upgrade batch"


class ForbiddenError(GatewayError):
    """The caller may see the thing and not do this to it."""

    code = "forbidden"


class RoleNotSufficientError(ForbiddenError):
    code = "role_not_sufficient"


class AccountNotAllowedError(ForbiddenError):
    """Only the provider and resellers come in."""

    code = "account_not_allowed"


class CustomerManagementRequiredError(ForbiddenError):
    """The reseller has no active subscription to the Customer Management plan of the instance."""

    code = "customer_management_required"


class InvalidRequestError(GatewayError):
    """The request makes no sense, whoever asks."""

    code = "invalid_request"


class DuplicateSubscriptionError(InvalidRequestError):
    code = "duplicate_subscription"

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        super().__init__(f"subscription {_listed(self.ids)} given more than once; expected each once")


class NoSubscriptionsError(InvalidRequestError):
    code = "no_subscriptions"


class TooManySubscriptionsError(InvalidRequestError):
    code = "too_many_subscriptions"


class InvalidSelectionError(InvalidRequestError):
    """Neither upgrades nor a batch named, or both, or more upgrades than one request takes."""

    code = "invalid_selection"


class InvalidLimitError(InvalidRequestError):
    code = "invalid_limit"


class InvalidCursorError(InvalidRequestError):
    code = "invalid_cursor"


class InvalidIdempotencyKeyError(InvalidRequestError):
    code = "invalid_idempotency_key"


class IdempotencyKeyReusedError(GatewayError):
    """The key belongs to another request of the same caller."""

    code = "idempotency_key_reused"


class RequestInProgressError(GatewayError):
    """The first request with this key has not been answered yet."""

    code = "request_in_progress"


class NotEligibleError(GatewayError):
    """Subscriptions that break a rule; nothing was scheduled."""

    code = "not_eligible"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        ids = _listed([refusal.subscription_id for refusal in self.refusals])
        super().__init__(f"subscription {ids} cannot be upgraded; nothing was scheduled")


class NoLicensesToMoveError(GatewayError):
    """Nobody was left behind by the upgrade, or it is not the newest one of its subscription any more."""

    code = "no_licenses_to_move"


def _listed(ids: Sequence[str | int]) -> str:
    named = ", ".join(str(one) for one in ids[:NAMED_IDS])
    return named if len(ids) <= NAMED_IDS else f"{named} and {len(ids) - NAMED_IDS} more"
