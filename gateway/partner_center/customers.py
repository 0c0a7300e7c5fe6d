"""Customers: companies that buy through this partner, each with one Microsoft tenant."""

from __future__ import annotations

from typing import NamedTuple

from gateway.partner_center.reading import Record

_RELATIONSHIPS = {
    0: "unknown",
    1: "reseller",
    2: "advisor",
    3: "syndication",
    4: "microsoft_support",
    5: "none",
}


class Customer(NamedTuple):
    """A customer; a list gives only its id, names and relationship."""

    id: str
    """The customer's tenant id, which Microsoft also calls Microsoft ID."""
    domain: str = ""
    company_name: str = ""
    relationship_to_partner: str = ""
    """`reseller`, `none` and others, in snake_case."""
    allow_delegated_access: bool | None = None
    custom_domains: tuple[str, ...] = ()
    email: str = ""
    country: str = ""


def read_customer(record: Record) -> Customer:
    company, billing = record.record("companyProfile"), record.record("billingProfile")
    return Customer(
        id=record.text("id") or company.required_text("tenantId"),
        domain=company.text("domain"),
        company_name=company.text("companyName"),
        relationship_to_partner=record.word("relationshipToPartner", _RELATIONSHIPS),
        allow_delegated_access=record.flag("allowDelegatedAccess")
        if record.has("allowDelegatedAccess")
        else None,
        custom_domains=record.texts("customDomains"),
        email=billing.text("email") or company.text("email"),
        country=billing.record("defaultAddress").text("country"),
    )
