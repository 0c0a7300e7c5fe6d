"""Names of companies that do not exist."""

from __future__ import annotations

import re

FOUNDERS = (
    "Ashdown", "Bramley", "Calloway", "Drummond", "Ellery", "Fairweather", "Garrick", "Hollis", "Ingram",
    "Jessop", "Kettering", "Lockhart", "Merriman", "Norcott", "Oakes", "Pemberton", "Quill", "Radley",
    "Sinclair", "Thornbury", "Underhill", "Vickers", "Wetherby", "Yardley", "Amundsen", "Bergstrom",
    "Castellan", "Delacroix", "Eriksen", "Fontaine", "Grunewald",
)  # fmt: skip

TRADES = (
    "Bakery", "Dental Care", "Joinery", "Logistics", "Architects", "Veterinary Clinic", "Print Works",
    "Travel", "Accountants", "Garden Centre", "Opticians", "Furniture", "Insurance Brokers", "Brewing",
    "Motors", "Solicitors", "Pharmacy", "Roofing", "Language School", "Film Studio", "Seeds", "Ceramics",
    "Boatyard", "Property Management", "Bicycles", "Coffee Roasters", "Engineering", "Catering",
)  # fmt: skip

TOWNS = (
    "",
    " of Aberford",
    " of Castleby",
    " of Eastmere",
    " of Highcombe",
    " of Kingsmouth",
    " of Westhaven",
)


def company_name(number: int) -> str:
    """A name for the customer of this number; it comes back only after thousands."""
    # The two lengths have no common divisor, so that every founder meets every trade.
    town = TOWNS[number // (len(FOUNDERS) * len(TRADES)) % len(TOWNS)]
    return f"{FOUNDERS[number % len(FOUNDERS)]} {TRADES[number % len(TRADES)]}{town}"


def domain_name(company: str, number: int) -> str:
    """A domain that no other number has."""
    return re.sub(r"[^a-z]", "", company.lower()) + f"{number}.onmicrosoft.com"
