"""Subscriptions of customers, and how far Microsoft is with their licences."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from gateway.partner_center.reading import Record, parse_member


class SubscriptionStatus(Enum):
    NONE = "none"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"
    EXPIRED = "expired"
    PENDING = "pending"
    DISABLED = "disabled"
    UNKNOWN = "unknown"
    """One that Microsoft added since; the subscription's `status_text` tells which."""


_STATUSES = dict(enumerate(("none", "active", "suspended", "deleted", "expired", "pending", "disabled")))
_CYCLES = dict(enumerate(("unknown", "monthly", "annual", "none", "one_time", "triennial", "biennial")))


@lru_cache(maxsize=4096)
def offer_key(offer_id: str) -> str:
    """What an offer is, without the last part of `product:sku:availability`, which changes over time."""
    return ":".join(part.strip() for part in offer_id.casefold().split(":")[:2])


def same_offer(a: str, b: str) -> bool:
    """Whether two offer ids mean one offer; an empty one means none."""
    return bool(offer_key(a)) and offer_key(a) == offer_key(b)


def is_new_commerce_offer(offer_id: str) -> bool:
    """Legacy offers are one GUID, new-commerce ones `product:sku` with or without `:availability`."""
    return ":" in offer_id


class MicrosoftSubscription(NamedTuple):
    """A subscription as Microsoft has it."""

    id: str
    offer_id: str
    status: SubscriptionStatus
    status_text: str = ""
    """The status as found, in snake_case."""
    quantity: int = 0
    """Seats."""
    friendly_name: str = ""
    offer_name: str = ""
    term_duration: str = ""
    """ISO 8601, such as P1Y; empty when not given."""
    billing_cycle: str = ""
    """`monthly`, `annual` and others, in snake_case."""
    auto_renew: bool = False
    is_trial: bool = False
    created_at: datetime | None = None
    commitment_end_at: datetime | None = None
    cancellation_allowed_until_at: datetime | None = None
    has_scheduled_change: bool = False
    """A change at renewal, which an upgrade would drop."""
    parent_subscription_id: str = ""
    """Set on legacy add-ons only."""
    order_id: str = ""
    product_type: str = ""

    @property
    def is_new_commerce(self) -> bool:
        return is_new_commerce_offer(self.offer_id)

    @property
    def is_add_on(self) -> bool:
        return bool(self.parent_subscription_id)


def read_subscription(record: Record) -> MicrosoftSubscription:
    status = record.word("status", _STATUSES)
    return MicrosoftSubscription(
        id=record.required_text("id"),
        offer_id=record.required_text("offerId"),
        status=parse_member(SubscriptionStatus, status, SubscriptionStatus.UNKNOWN),
        status_text=status,
        quantity=record.count("quantity"),
        friendly_name=record.text("friendlyName"),
        offer_name=record.text("offerName"),
        term_duration=record.text("termDuration"),
        billing_cycle=record.word("billingCycle", _CYCLES),
        auto_renew=record.flag("autoRenewEnabled"),
        is_trial=record.flag("isTrial"),
        created_at=record.moment("creationDate"),
        # The exact end is the newer field; the other one is midnight of the last day.
        commitment_end_at=record.moment("commitmentEndDateTime") or record.moment("commitmentEndDate"),
        cancellation_allowed_until_at=record.moment("cancellationAllowedUntilDate"),
        has_scheduled_change=record.has("scheduledNextTermInstructions"),
        parent_subscription_id=record.text("parentSubscriptionId"),
        order_id=record.text("orderId"),
        product_type=record.record("productType").text("id"),
    )


class ProvisioningState(Enum):
    NONE = "none"
    SUCCESS = "success"
    PENDING = "pending"
    FAILED = "failed"
    UNKNOWN = "unknown"


_PROVISIONING_STATES = dict(enumerate(("none", "success", "pending", "failed")))


class ProvisioningStatus(NamedTuple):
    """How far the directory is with a subscription; Microsoft refreshes it every 15 minutes."""

    sku_id: str
    """Of the directory, not of the catalog."""
    status: ProvisioningState
    status_text: str = ""
    quantity: int = 0
    end_at: datetime | None = None


def read_provisioning_status(record: Record) -> ProvisioningStatus:
    status = record.word("status", _PROVISIONING_STATES)
    return ProvisioningStatus(
        sku_id=record.required_text("skuId"),
        status=parse_member(ProvisioningState, status, ProvisioningState.UNKNOWN),
        status_text=status,
        quantity=record.count("quantity"),
        end_at=record.moment("endDate"),
    )
