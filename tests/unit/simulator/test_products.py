from datetime import UTC, datetime

import pytest

from gateway.simulator.products import (
    LEGACY_PATHS,
    NEW_COMMERCE_PATHS,
    PRODUCTS,
    is_guid,
    known_product,
    product_of,
)
from gateway.simulator.terms import period_end

KEYS = {product.key for product in PRODUCTS}


def reachable(paths, key, seen=()):
    for target in paths.get(key, ()):
        assert target not in seen, f"{key} leads back to {target}"
        yield target
        yield from reachable(paths, target, (*seen, key))


@pytest.mark.parametrize("paths", [LEGACY_PATHS, NEW_COMMERCE_PATHS])
class TestPaths:
    def test_they_name_products_of_the_table(self, paths):
        assert paths.keys() | {target for targets in paths.values() for target in targets} <= KEYS

    def test_they_never_lead_back(self, paths):
        for key in paths:
            assert key not in set(reachable(paths, key))

    def test_an_addon_is_no_target(self, paths):
        assert "archiving" not in {target for targets in paths.values() for target in targets}


class TestProducts:
    def test_ids_are_unique(self):
        for name in ("key", "sku_id", "part_number"):
            assert len({getattr(product, name) for product in PRODUCTS}) == len(PRODUCTS)
        offers = [offer for product in PRODUCTS for offer in (product.legacy_id, product.item) if offer]
        assert len(set(offers)) == len(offers)

    def test_every_product_can_be_bought(self):
        for product in PRODUCTS:
            assert product.legacy_id or product.item
            assert is_guid(product.sku_id)

    def test_an_offer_is_known_in_every_form(self):
        forms = ("cfq7ttc0lf8r:0001", "CFQ7TTC0LF8R:0001:ANY", "796b6b5f-613c-4e24-a17c-eba730d49c02")

        assert {product_of(form).key for form in forms} == {"o365-e3"}

    def test_an_unknown_one_is_made_up_in_the_same_way_each_time(self):
        first = product_of("CFQ7TTC0ZZZZ:0001", "Thing")

        assert known_product("CFQ7TTC0ZZZZ:0001") is None
        assert first == product_of("CFQ7TTC0ZZZZ:0001", "Thing")
        assert first.catalog_item().startswith("CFQ7TTC0ZZZZ:0001:CFQ7TTC0")


@pytest.mark.parametrize(
    ("start", "months", "now", "end"),
    [
        ("2025-03-28", 12, "2026-03-27", "2026-03-28"),
        ("2025-03-28", 12, "2026-03-28", "2027-03-28"),
        ("2025-11-05", 1, "2026-01-04", "2026-01-05"),
        ("2025-11-05", 36, "2025-11-05", "2028-11-05"),
        ("2025-11-05", 12, "2024-01-01", "2026-11-05"),
    ],
)
def test_a_period_ends_where_the_next_begins(start, months, now, end):
    assert period_end(day(start), months, day(now)) == day(end)


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
