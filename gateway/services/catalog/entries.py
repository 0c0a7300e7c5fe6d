"""The format of a catalog: what each entry of each collection holds.

Entries are dataclasses with slots rather than pydantic models, since a catalog has a million of them.
Every one refuses keys that it does not know.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, StringConstraints

from gateway.models import AccountType, PlanKind, ResourceKind, SubscriptionStatus

LARGEST_NUMBER = 2**31 - 1
"""What an integer column takes in every database."""

_TEXT = r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$"
_GUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_OFFER = r"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Z]{6,20}:[0-9A-Z]{4,20})$"
_PRICE = r"^[0-9]{1,12}(\.[0-9]{1,4})?$"
_CURRENCY = r"^[A-Z]{3}$"
_LABEL = r"[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?"
_DOMAIN = rf"^{_LABEL}(\.{_LABEL})+$"
_EMAIL = rf"^[^\x00-\x20\x7f@]{{1,64}}@{_LABEL}(\.{_LABEL})+$"
_SUBDOMAIN = rf"^{_LABEL}$"

PATTERN_WORDS = {
    _TEXT: "text without control characters and without blanks around it",
    _GUID: "a GUID such as b589e9bd-ec86-4a74-886f-2e89ad37d34f",
    _OFFER: "a product and SKU such as CFQ7TTC0LH18:0001, or the GUID of a legacy offer",
    _PRICE: "a price of 0 or more with a point and at most 4 decimals, such as 6.00",
    _CURRENCY: "a currency of three capitals, such as USD",
    _DOMAIN: "a domain name such as example.onmicrosoft.com",
    _EMAIL: "an email address such as admin@example.com",
    _SUBDOMAIN: "letters, digits and inner hyphens, at most 63",
}
"""What each pattern means, for a person."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_TEXT)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_TEXT)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=_TEXT)]
MicrosoftId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_TEXT)]
Tenant = Annotated[str, StringConstraints(pattern=_GUID)]
OfferId = Annotated[str, StringConstraints(pattern=_OFFER)]
Domain = Annotated[str, StringConstraints(max_length=253, pattern=_DOMAIN)]
Email = Annotated[str, StringConstraints(max_length=254, pattern=_EMAIL)]
Subdomain = Annotated[str, StringConstraints(pattern=_SUBDOMAIN)]
Price = Annotated[str, StringConstraints(pattern=_PRICE)]
Currency = Annotated[str, StringConstraints(pattern=_CURRENCY)]
Limit = Annotated[int, Field(strict=True, ge=-1, le=LARGEST_NUMBER)]
Usage = Annotated[int, Field(strict=True, ge=0, le=LARGEST_NUMBER)]
Months = Annotated[int, Field(strict=True, ge=1, le=1200)]

_CONFIG = ConfigDict(extra="forbid", defer_build=True)
"""Its validators are made when the first catalog is read, for a worker should start soon."""


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class InstanceEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    id: Id
    name: Name


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class AccountEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    id: Id
    type: AccountType
    name: Name
    parent: Id | None = None
    mpn_id: ShortText | None = None
    microsoft_tenant_id: Tenant | None = None
    domain: Domain | None = None
    email: Email | None = None


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class ResourceTypeEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    id: Id
    """Unique within the template."""
    kind: ResourceKind
    name: Name
    offer_id: OfferId | None = None


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class TemplateEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    id: Id
    application_instance: Id
    name: Name
    resource_types: list[ResourceTypeEntry]


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class PlanResourceEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    resource_type: Id
    limit: Limit


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class PeriodEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    months: Months
    setup_fee: Price
    recurring_fee: Price
    currency: Currency


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class RateEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    resource_type: Id
    recurring_fee: Price
    currency: Currency


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class PlanEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    id: Id
    name: Name
    kind: PlanKind = PlanKind.STANDARD
    service_template: Id
    vendor: Id
    resources: list[PlanResourceEntry]
    subscription_periods: list[PeriodEntry]
    resource_rates: list[RateEntry] = field(default_factory=list)
    delegated_from: Id | None = None


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class SubscriptionResourceEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    resource_type: Id
    limit: Limit
    usage: Usage = 0


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class SubdomainEntry:
    """The answers to the Office 365 subdomain form."""

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    choice: Literal["new_microsoft_account"]
    subdomain: Subdomain


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class SubscriptionEntry:
    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    id: Id
    account: Id
    service_plan: Id
    status: SubscriptionStatus
    resources: list[SubscriptionResourceEntry]
    microsoft_subscription_id: MicrosoftId | None = None
    office365_subdomain: SubdomainEntry | None = None


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Catalog:
    """A whole catalog, each collection by id and in the order of the document."""

    application_instances: dict[str, InstanceEntry] = field(default_factory=dict)
    accounts: dict[str, AccountEntry] = field(default_factory=dict)
    service_templates: dict[str, TemplateEntry] = field(default_factory=dict)
    service_plans: dict[str, PlanEntry] = field(default_factory=dict)
    subscriptions: dict[str, SubscriptionEntry] = field(default_factory=dict)
