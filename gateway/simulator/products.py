"""What Microsoft sells, as far as the simulator knows it, and which offer may become which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from uuid import NAMESPACE_URL, uuid5

BUSINESS_SEATS = 300
ENTERPRISE_SEATS = 10_000_000
_GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Product:
    """One thing to buy: up to two offers (legacy and new commerce) for one directory SKU."""

    key: str
    title: str
    legacy_id: str
    item: str
    """`product:sku` of new commerce, empty when it is not sold there."""
    availability: str
    sku_id: str
    """What a user's licence refers to in the customer's directory."""
    part_number: str
    max_seats: int = ENTERPRISE_SEATS
    is_addon: bool = False

    def catalog_item(self, generation: int = 0) -> str:
        """Return `product:sku:availability`, the form in which new commerce writes an offer."""
        return f"{self.item}:{self.availability_id(generation)}"

    def availability_id(self, generation: int = 0) -> str:
        if generation == 0 and self.availability:
            return self.availability
        return "CFQ7TTC0" + uuid5(NAMESPACE_URL, f"{self.item}/{generation}").hex[:4].upper()


def _invented_guid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"simulator/{name}"))


def _product(key: str, title: str, legacy: str, item: str, availability: str, sku: str, part: str) -> Product:
    seats = BUSINESS_SEATS if "business" in title.lower() else ENTERPRISE_SEATS
    is_addon = key == "archiving"
    return Product(key, title, legacy, item, availability, sku or _invented_guid(key), part, seats, is_addon)


# fmt: off
PRODUCTS: tuple[Product, ...] = tuple(_product(*row) for row in (
    ("basic", "Microsoft 365 Business Basic", "BD938F12-058F-4927-BBA3-AE36B1D2501C",
     "CFQ7TTC0LH18:0001", "CFQ7TTC0K971", "3b555118-da6a-4418-894f-7df1e2096870", "O365_BUSINESS_ESSENTIALS"),
    ("standard", "Microsoft 365 Business Standard", "031C9E47-4802-4248-838E-778FB1D2CC05",
     "CFQ7TTC0LDPB:0001", "CFQ7TTC0LGNT", "f245ecc8-75af-4f8e-b61f-27d8114de5f3", "O365_BUSINESS_PREMIUM"),
    ("premium", "Microsoft 365 Business Premium", "61795CAB-2ABD-43F6-88E9-C9ADAE5746E0",
     "CFQ7TTC0LCHC:0002", "", "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46", "SPB"),
    ("apps-business", "Microsoft 365 Apps for business", "5C9FD4CC-EDCE-44A8-8E91-07DF09744609",
     "CFQ7TTC0LH1G:0001", "", "cdd28e44-67e3-425e-be4c-737fab2899d3", "O365_BUSINESS"),
    ("apps-enterprise", "Microsoft 365 Apps for enterprise", "BE57FF4C-100C-4F1F-B82D-F1C5AB63A665",
     "CFQ7TTC0LGZT:0001", "", "c2273bd0-dff7-4215-9ef5-2c7bcfb06425", "OFFICESUBSCRIPTION"),
    ("o365-e1", "Office 365 E1", "91FD106F-4B2C-4938-95AC-F54F74E9A239",
     "CFQ7TTC0LF8Q:0001", "CFQ7TTC0K39X", "18181a46-0d4e-45cd-891e-60aabd171b4e", "STANDARDPACK"),
    ("o365-e3", "Office 365 E3", "796B6B5F-613C-4E24-A17C-EBA730D49C02",
     "CFQ7TTC0LF8R:0001", "CFQ7TTC0KCSV", "6fd2c87f-b296-42f0-b197-1e91e994b900", "ENTERPRISEPACK"),
    ("o365-e4", "Office 365 E4", "8909E28E-5832-42F4-9886-B0A5545F3645",
     "", "", "", "ENTERPRISEWITHSCAL"),
    ("o365-e5", "Office 365 E5", "A044B16A-1861-4308-8086-A3A3B506FAC2",
     "CFQ7TTC0LF8S:0002", "CFQ7TTC0KSVV", "c7df2760-2c81-4ef7-b578-5b5392b571df", "ENTERPRISEPREMIUM"),
    ("o365-e5-no-ac", "Office 365 E5 without Audio Conferencing", "4F7ECAF1-E9D6-4CAC-9687-E22EB3DFDD70",
     "CFQ7TTC0LF8S:0001", "CFQ7TTC0K9G9", "26d45bd9-adf1-46cd-a9e1-51e9a5524128",
     "ENTERPRISEPREMIUM_NOPSTNCONF"),
    ("o365-f3", "Office 365 F3", "6FBAD345-B7DE-42A6-B6AB-79B363D0B371",
     "CFQ7TTC0LGZW:0001", "", "4b585984-651b-448a-9e53-3b10f069cf7f", "DESKLESSPACK"),
    ("m365-f1", "Microsoft 365 F1", "",
     "CFQ7TTC0MBMD:0002", "", "", "M365_F1_COMM"),
    ("m365-f3", "Microsoft 365 F3", "3451A3B0-8CDA-44A7-BAD7-C30BE81C4AAA",
     "CFQ7TTC0LH05:0001", "", "66b55226-6b4f-492c-910c-a3b7a3c9d993", "SPE_F1"),
    ("m365-e3", "Microsoft 365 E3", "2B3B8D2D-10AA-4BE4-B5FD-7F2FEB0C3091",
     "CFQ7TTC0LFLX:0001", "CFQ7TTC0LB30", "05e9a617-0261-4cee-bb44-138d3ef5d965", "SPE_E3"),
    ("m365-e5", "Microsoft 365 E5", "8BDBB60B-E526-43E9-92EF-AB760C8E0B72",
     "CFQ7TTC0LFLZ:0002", "CFQ7TTC0K4TS", "06ebc4ee-1bb5-47dd-8120-11324bc54e06", "SPE_E5"),
    ("m365-e5-no-ac", "Microsoft 365 E5 without Audio Conferencing", "",
     "CFQ7TTC0LFLZ:0003", "", "", "SPE_E5_NOPSTNCONF"),
    ("exchange-1", "Exchange Online (Plan 1)", "195416C1-3447-423A-B37B-EE59A99A19C4",
     "CFQ7TTC0LH16:0001", "", "4b9405b0-7788-4568-add1-99614e613b69", "EXCHANGESTANDARD"),
    ("exchange-2", "Exchange Online (Plan 2)", "2F707C7C-2433-49A5-A437-9CA7CF40D3EB",
     "CFQ7TTC0LH1P:0001", "", "19ec0d23-8335-4cbd-94ac-6050e30712fa", "EXCHANGEENTERPRISE"),
    ("exchange-kiosk", "Exchange Online Kiosk", "35A36B80-270A-44BF-9290-00545D350866",
     "", "", "", "EXCHANGEDESKLESS"),
    ("archiving", "Exchange Online Archiving", "2828BE95-46BA-4F91-B2FD-0BEF192ECF60",
     "", "", "", "EXCHANGEARCHIVE_ADDON"),
))

_ENTERPRISE = ("o365-e1", "o365-e3", "o365-e5", "o365-e5-no-ac", "m365-e3", "m365-e5")
_OLD_ENTERPRISE = ("o365-e1", "o365-e3", "o365-e4", "o365-e5", "o365-e5-no-ac", "m365-e3", "m365-e5")

LEGACY_PATHS: dict[str, tuple[str, ...]] = {
    "basic": ("standard", "premium", *_OLD_ENTERPRISE),
    "apps-business": ("standard", "premium", "apps-enterprise", *_OLD_ENTERPRISE),
    "standard": ("premium", *_OLD_ENTERPRISE),
}
"""As recorded at Microsoft; whatever is not named has no path, E1 to E3 included."""

NEW_COMMERCE_PATHS: dict[str, tuple[str, ...]] = {
    "basic": ("standard", "premium", *_ENTERPRISE),
    "standard": ("premium", *_ENTERPRISE),
    "premium": ("m365-e3", "m365-e5"),
    "apps-business": ("standard", "premium", "apps-enterprise"),
    "apps-enterprise": ("o365-e3", "o365-e5", "m365-e3", "m365-e5"),
    "o365-e1": ("o365-e3", "o365-e5", "o365-e5-no-ac", "m365-e3", "m365-e5"),
    "o365-e3": ("o365-e5", "o365-e5-no-ac", "m365-e3", "m365-e5"),
    "o365-e5-no-ac": ("o365-e5", "m365-e5"),
    "o365-e5": ("m365-e5",),
    "o365-f3": ("o365-e1", "o365-e3", "m365-f3"),
    "m365-f1": ("m365-f3", "m365-e3", "m365-e5"),
    "m365-f3": ("m365-e3", "m365-e5"),
    "m365-e3": ("m365-e5", "m365-e5-no-ac"),
    "m365-e5-no-ac": ("m365-e5",),
    "exchange-1": ("exchange-2", "o365-e1", "o365-e3"),
    "exchange-2": ("o365-e3", "o365-e5"),
}
"""Upwards only."""
# fmt: on

_BY_KEY = {product.key: product for product in PRODUCTS}
_BY_OFFER = {product.legacy_id.lower(): product for product in PRODUCTS if product.legacy_id} | {
    product.item.lower(): product for product in PRODUCTS if product.item
}


def is_legacy(offer_id: str) -> bool:
    return ":" not in offer_id


def is_guid(text: str) -> bool:
    return _GUID.fullmatch(text) is not None


def two_parts(offer_id: str) -> str:
    """Return `product:sku` of a catalog item id, which is what two offers are compared by."""
    return ":".join(offer_id.split(":")[:2])


def product_of(offer_id: str, title: str = "") -> Product:
    """Return the product of an offer in any of its forms; one is made up for an offer nobody knows."""
    return _BY_OFFER.get(two_parts(offer_id).lower()) or _unknown_product(offer_id, title)


def known_product(offer_id: str) -> Product | None:
    return _BY_OFFER.get(two_parts(offer_id).lower())


@lru_cache(maxsize=10_000)
def _unknown_product(offer_id: str, title: str) -> Product:
    item = "" if is_legacy(offer_id) else two_parts(offer_id)
    name = item or offer_id
    availability = offer_id.split(":")[2] if offer_id.count(":") >= 2 else ""
    part_number = "SIM_" + re.sub(r"\W", "_", name).upper()
    legacy_id = "" if item else offer_id
    return Product(
        name,
        title or f"Offer {name}",
        legacy_id,
        item,
        availability,
        _invented_guid(name.lower()),
        part_number,
    )


def legacy_targets(product: Product) -> list[Product]:
    return [_BY_KEY[key] for key in LEGACY_PATHS.get(product.key, ())]


def new_commerce_targets(product: Product) -> list[Product]:
    return [_BY_KEY[key] for key in NEW_COMMERCE_PATHS.get(product.key, ())]


def products_sold_as(product_id: str) -> list[Product]:
    """Return every SKU of a new commerce product id."""
    return [each for each in PRODUCTS if each.item.lower().startswith(product_id.lower() + ":")]


def legacy_offers() -> Iterable[Product]:
    return (product for product in PRODUCTS if product.legacy_id)
