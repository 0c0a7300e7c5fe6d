"""A subscription as it looks on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.simulator.messages import Json, link, wire_time
from gateway.simulator.subscription import Subscription
from gateway.simulator.terms import BILLING_MONTHS, CANCELLATION_WINDOW, period_end


def present(subscription: Subscription, now: datetime) -> Json:
    """Return the resource; fields that are not set are left out, as Microsoft does."""
    resource = _common(subscription, now)
    if subscription.is_legacy:
        resource |= _legacy(subscription)
    else:
        resource |= _new_commerce(subscription, now)
    uri = f"/customers/{subscription.customer_id}/subscriptions/{subscription.id}"
    resource["links"]["self"] = link(uri)
    if subscription.parent_id:
        resource["parentSubscriptionId"] = subscription.parent_id
        parent_uri = f"/customers/{subscription.customer_id}/subscriptions/{subscription.parent_id}"
        resource["links"]["parentSubscription"] = link(parent_uri)
    return resource


def _common(subscription: Subscription, now: datetime) -> Json:
    commitment_end_at = subscription.commitment_end_at(now)
    resource: Json = {
        "id": subscription.id,
        "offerId": subscription.offer_id,
        "offerName": subscription.offer_name,
        "friendlyName": subscription.friendly_name,
        "quantity": subscription.quantity,
        "unitType": "Licenses",
        "hasPurchasableAddons": False,
        "creationDate": wire_time(subscription.created_at),
        "effectiveStartDate": wire_time(
            subscription.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
        ),
        "commitmentEndDate": wire_time(commitment_end_at),
        "commitmentEndDateTime": wire_time(commitment_end_at),
        "status": subscription.status,
        "autoRenewEnabled": subscription.auto_renew,
        "isTrial": False,
        "billingType": "license",
        "billingCycle": subscription.billing_cycle,
        "termDuration": subscription.term,
        "isMicrosoftProduct": True,
        "attentionNeeded": False,
        "actionTaken": False,
        "contractType": "subscription",
        "orderId": subscription.order_id,
    }
    if subscription.status == "suspended":
        resource["suspensionReasons"] = ["CustomerCancellation"]
    return resource


def _legacy(subscription: Subscription) -> Json:
    return {
        "links": {"offer": link(f"/offers/{subscription.offer_id}?country=US")},
        "attributes": {"etag": subscription.etag, "objectType": "Subscription"},
    }


def _new_commerce(subscription: Subscription, now: datetime) -> Json:
    product_id, sku_id, availability_id = [*subscription.offer_id.split(":"), "", ""][:3]
    product_uri = f"/products/{product_id}"
    sku_uri = f"{product_uri}/skus/{sku_id}"
    billing_months = BILLING_MONTHS.get(subscription.billing_cycle, 1)
    resource: Json = {
        "productType": {"id": "OnlineServicesNCE", "displayName": "OnlineServicesNCE"},
        **_inclusive("commitmentEndDate", subscription.commitment_end_at(now)),
        "cancellationAllowedUntilDate": wire_time(subscription.created_at + CANCELLATION_WINDOW),
        **_inclusive("billingCycleEndDate", period_end(subscription.term_start_at, billing_months, now)),
        "renewalTermDuration": "",
        "partnerId": "",
        "publisherName": "Microsoft Corporation",
        "refundableQuantity": _refundable(subscription, now),
        "links": {
            "product": link(f"{product_uri}?country=US"),
            "sku": link(f"{sku_uri}?country=US"),
            "availability": link(f"{sku_uri}/availabilities/{availability_id}?country=US"),
        },
        "attributes": {"objectType": "Subscription"},
        **subscription.instructions,
    }
    if subscription.promotion_id:
        resource["promotionId"] = subscription.promotion_id
    return resource


def _inclusive(name: str, end: datetime) -> Json:
    """Return both forms of an end: new commerce names the last day, not the moment after it."""
    last_day = end - timedelta(days=1)
    return {
        name: wire_time(last_day),
        f"{name}Time": wire_time(last_day.replace(hour=23, minute=59, second=59)),
    }


def _refundable(subscription: Subscription, now: datetime) -> Json:
    details = [
        {"quantity": seats, "allowedUntilDateTime": wire_time(datetime.fromtimestamp(until, UTC))}
        for seats, until in subscription.removable_seats(now)
    ]
    return {"totalQuantity": sum(each["quantity"] for each in details), "details": details}


def present_provisioning(subscription: Subscription, is_busy: bool, now: datetime) -> Json:
    return {
        "skuId": subscription.product.sku_id.upper(),
        "status": "pending" if is_busy else "success",
        "quantity": subscription.quantity,
        "endDate": wire_time(subscription.commitment_end_at(now)),
        "attributes": {"objectType": "SubscriptionProvisioningStatus"},
    }
