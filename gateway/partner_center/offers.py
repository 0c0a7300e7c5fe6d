"""Offers of Microsoft's catalog: what each can be upgraded to."""

from __future__ import annotations

from gateway.partner_center.reading import Record, UnreadableError


def read_sku_targets(record: Record) -> tuple[str, ...]:
    """Upgrade targets of a new-commerce SKU, as `product:sku`."""
    if not record.has("dynamicAttributes"):
        raise UnreadableError("dynamicAttributes is missing")
    return record.record("dynamicAttributes").texts("upgradeTargetOffers")


def read_offer_targets(record: Record) -> tuple[str, ...]:
    """Upgrade targets of a legacy offer, as GUIDs."""
    record.required_text("id")
    return record.texts("upgradeTargetOffers")
