"""A catalog to try things out with: the same numbers in, the same catalog out.

Most subscriptions can be upgraded. The first customers, and then some of every fifty, have one that cannot,
each for another reason, so that every message of the product can be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from gateway.services.catalog.demonstration_names import company_name, domain_name

Entry = dict[str, Any]

INSTANCE = "office365"
TEMPLATE = "office365-template"
PROVIDER = "provider"
MANAGEMENT_PLAN = "customer-management"
ARCHIVING = "addon-exchange-online-archiving"
FIRST_SUBSCRIPTION = 1_000_001
ROUND = 50
"""In every so many customers, each special case appears once."""


class Product(NamedTuple):
    key: str
    name: str
    offer_id: str
    price: Decimal
    weight: int
    """How often it is sold, compared with the others."""


PRODUCTS = (
    Product("m365-business-basic", "Microsoft 365 Business Basic", "CFQ7TTC0LH18:0001", Decimal("6.00"), 28),
    Product(
        "m365-business-standard", "Microsoft 365 Business Standard", "CFQ7TTC0LDPB:0001", Decimal("12.50"), 20
    ),
    Product(
        "m365-business-premium", "Microsoft 365 Business Premium", "CFQ7TTC0LCHC:0002", Decimal("22.00"), 0
    ),
    Product("o365-e1", "Office 365 E1", "CFQ7TTC0LF8Q:0001", Decimal("10.00"), 16),
    Product("o365-e3", "Office 365 E3", "CFQ7TTC0LF8R:0001", Decimal("23.00"), 14),
    Product("o365-e5", "Office 365 E5", "CFQ7TTC0LF8S:0002", Decimal("38.00"), 0),
    Product(
        "business-basic-legacy",
        "Business Basic (legacy)",
        "BD938F12-058F-4927-BBA3-AE36B1D2501C",
        Decimal("5.00"),
        12,
    ),
    Product(
        "business-standard-legacy",
        "Business Standard (legacy)",
        "031C9E47-4802-4248-838E-778FB1D2CC05",
        Decimal("12.50"),
        10,
    ),
    Product(
        "o365-e3-legacy",
        "Office 365 E3 (legacy)",
        "796B6B5F-613C-4E24-A17C-EBA730D49C02",
        Decimal("20.00"),
        0,
    ),
)
"""Those that are never drawn have nowhere to go at Microsoft, or not within these plans."""


SHELF = [product for product in PRODUCTS for _ in range(product.weight)]


class Vendor(NamedTuple):
    id: str
    name: str
    parent: str | None
    mpn_id: str | None
    surcharge: Decimal
    """What it asks for one that costs 1 at the provider."""
    manages_customers: bool


VENDORS = (
    Vendor(PROVIDER, "Northern Lights Hosting", None, None, Decimal("1.00"), False),
    Vendor("reseller-1", "Harbour Street IT", PROVIDER, "5104417", Decimal("1.10"), True),
    Vendor("reseller-2", "Bluestone Systems", PROVIDER, "5226093", Decimal("1.15"), True),
    Vendor("reseller-3", "Fjord & Field Computing", "reseller-1", "5370158", Decimal("1.25"), True),
    Vendor("reseller-4", "Lantern Office Services", PROVIDER, "5418862", Decimal("1.20"), False),
)
"""The sub-reseller comes after its parent; the last one has no Customer Management subscription."""


def make_catalog(customers: int, seed: int = 1) -> dict[str, Any]:
    """Return a catalog of so many customers, with about 1.3 subscriptions each.

    :param seed: another number gives other tenants, quantities and plans; ids stay the same
    """
    accounts: list[Entry] = [_vendor_account(vendor) for vendor in VENDORS]
    subscriptions = list(_management_subscriptions())
    random = Random(seed)  # noqa: S311 (nothing here is a secret)
    sale = _Sale(random, FIRST_SUBSCRIPTION + len(subscriptions))
    for number in range(1, customers + 1):
        vendor = VENDORS[(number - 1) % len(VENDORS)]
        accounts.append(sale.account(number, vendor))
        subscriptions.extend(sale.subscriptions(number, vendor))
    return {
        "application_instances": [{"id": INSTANCE, "name": "Office 365"}],
        "accounts": accounts,
        "service_templates": [_template()],
        "service_plans": [*_plans()],
        "subscriptions": subscriptions,
    }


def _vendor_account(vendor: Vendor) -> Entry:
    entry = {"id": vendor.id, "type": "reseller" if vendor.parent else "provider", "name": vendor.name}
    if vendor.parent and vendor.mpn_id:
        entry |= {"parent": vendor.parent, "mpn_id": vendor.mpn_id}
    return entry


def _license(key: str) -> str:
    return f"license-{key}"


def _template() -> Entry:
    licenses = [
        {"id": _license(p.key), "kind": "license", "name": f"{p.name} License", "offer_id": p.offer_id}
        for p in PRODUCTS
    ]
    archiving = {
        "id": ARCHIVING,
        "kind": "addon",
        "name": "Exchange Online Archiving Add-on",
        "offer_id": "2828BE95-46BA-4F91-B2FD-0BEF192ECF60",
    }
    others = [
        {"id": "tenant", "kind": "other", "name": "Office 365 Tenant"},
        {"id": "user", "kind": "other", "name": "Office 365 User"},
    ]
    return {
        "id": TEMPLATE,
        "application_instance": INSTANCE,
        "name": "Office 365",
        "resource_types": [*others, *licenses, archiving],
    }


def _plan_id(key: str, vendor_id: str) -> str:
    return key if vendor_id == PROVIDER else f"{key}-{vendor_id}"


def _plans() -> Iterator[Entry]:
    for vendor in VENDORS:
        for product in PRODUCTS:
            plan = _plan(_plan_id(product.key, vendor.id), product.name, vendor.id)
            price = _money(product.price * vendor.surcharge)
            plan["resources"] = [
                {"resource_type": "tenant", "limit": 1},
                {"resource_type": "user", "limit": -1},
                {"resource_type": _license(product.key), "limit": 1},
            ]
            plan["subscription_periods"] = [_period(price)]
            plan["resource_rates"] = [
                {"resource_type": _license(product.key), "recurring_fee": price, "currency": "USD"}
            ]
            if vendor.parent:
                plan["delegated_from"] = _plan_id(product.key, vendor.parent)
            yield plan
    two = _plan("o365-e1-and-e3", "Office 365 E1 and E3", PROVIDER)
    two["resources"] = [{"resource_type": _license(key), "limit": 1} for key in ("o365-e1", "o365-e3")]
    two["subscription_periods"] = [_period("33.00")]
    yield two
    management = _plan(MANAGEMENT_PLAN, "Office 365 Customer Management", PROVIDER)
    yield management | {"kind": "customer_management", "subscription_periods": [_period("0.00")]}


def _plan(plan_id: str, name: str, vendor_id: str) -> Entry:
    return {
        "id": plan_id,
        "name": name,
        "kind": "standard",
        "service_template": TEMPLATE,
        "vendor": vendor_id,
        "resources": [],
        "subscription_periods": [],
        "resource_rates": [],
    }


def _period(price: str) -> Entry:
    return {"months": 12, "setup_fee": "0.00", "recurring_fee": price, "currency": "USD"}


def _money(amount: Decimal) -> str:
    return str(amount.quantize(Decimal("0.01")))


def _management_subscriptions() -> Iterator[Entry]:
    managing = [vendor for vendor in VENDORS if vendor.manages_customers]
    for number, vendor in enumerate(managing, FIRST_SUBSCRIPTION):
        yield {
            "id": str(number),
            "account": vendor.id,
            "service_plan": MANAGEMENT_PLAN,
            "status": "active",
            "resources": [],
            "office365_subdomain": {"choice": "new_microsoft_account", "subdomain": f"{vendor.id}-mgmt"},
        }


@dataclass(slots=True)
class _Sale:
    """Sells to one customer after the other, and remembers where it is."""

    random: Random
    next_number: int

    def account(self, number: int, vendor: Vendor) -> Entry:
        name = company_name(number)
        domain = domain_name(name, number)
        return {
            "id": _customer_id(number),
            "type": "customer",
            "name": name,
            "parent": vendor.id,
            "microsoft_tenant_id": self._guid(),
            "domain": domain,
            "email": f"admin@{domain}",
        }

    def subscriptions(self, number: int, vendor: Vendor) -> Iterator[Entry]:
        """One subscription, or two for almost every third customer."""
        special = SPECIAL_CASES.get(number % ROUND)
        first = self._subscription(number, vendor, self._product())
        yield special(first) if special else first
        if self.random.random() < 0.3:
            yield self._subscription(number, vendor, self._product())

    def _product(self) -> Product:
        return self.random.choice(SHELF)

    def _subscription(self, number: int, vendor: Vendor, product: Product) -> Entry:
        limit = self.random.choice((1, 2, 3, 5, 8, 10, 14, 20, 25, 40, 60, 90, 120))
        usage = self.random.randint((limit + 1) // 2, limit)
        subscription_id, self.next_number = str(self.next_number), self.next_number + 1
        return {
            "id": subscription_id,
            "account": _customer_id(number),
            "service_plan": _plan_id(product.key, vendor.id),
            "status": "active",
            "resources": [
                {"resource_type": "tenant", "limit": 1, "usage": 1},
                {"resource_type": "user", "limit": -1, "usage": usage},
                {"resource_type": _license(product.key), "limit": limit, "usage": usage},
            ],
            "microsoft_subscription_id": self._guid(),
        }

    def _guid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))


def _customer_id(number: int) -> str:
    return f"customer-{number:05}"


def _with_resource(key: str, limit: int, usage: int) -> Callable[[Entry], Entry]:
    def change(entry: Entry) -> Entry:
        return entry | {
            "resources": [*entry["resources"], {"resource_type": key, "limit": limit, "usage": usage}]
        }

    return change


def _with_second_license(entry: Entry) -> Entry:
    first = entry["resources"][2]["resource_type"]
    other = _license("o365-e1" if first != _license("o365-e1") else "m365-business-basic")
    return _with_resource(other, 2, 1)(entry)


def _with_license(**values: int) -> Callable[[Entry], Entry]:
    def change(entry: Entry) -> Entry:
        *others, license_resource = entry["resources"]
        return entry | {"resources": [*others, license_resource | values]}

    return change


def _on_plan(key: str) -> Callable[[Entry], Entry]:
    """The same subscription, of another product of the same vendor."""

    def change(entry: Entry) -> Entry:
        *others, license_resource = entry["resources"]
        vendor_id = next((v.id for v in VENDORS[1:] if entry["service_plan"].endswith(f"-{v.id}")), PROVIDER)
        return entry | {
            "service_plan": _plan_id(key, vendor_id),
            "resources": [*others, license_resource | {"resource_type": _license(key)}],
        }

    return change


def _with_status(status: str) -> Callable[[Entry], Entry]:
    return lambda entry: entry | {"status": status}


def _without_microsoft_id(entry: Entry) -> Entry:
    return {key: value for key, value in entry.items() if key != "microsoft_subscription_id"}


SPECIAL_CASES: dict[int, Callable[[Entry], Entry]] = {
    3: _with_second_license,
    5: _with_resource(ARCHIVING, 3, 1),
    8: _with_resource(ARCHIVING, 0, 0),  # This one can be upgraded: what is not sold is in nobody's way.
    11: _with_license(limit=0, usage=0),
    14: _with_status("suspended"),
    17: _with_license(limit=-1),
    20: _without_microsoft_id,
    23: _on_plan("o365-e5"),
    26: _on_plan("m365-business-premium"),
    29: _on_plan("o365-e3-legacy"),
    32: _with_status("expired"),
    35: lambda entry: _with_status("pending")(_without_microsoft_id(entry)),
    38: _with_status("disabled"),
}
"""By the place of the customer in a round."""
