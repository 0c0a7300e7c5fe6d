from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.models import SubscriptionPeriod
from gateway.services.prices import PriceChange, compare_prices


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


def test_included_seats_are_in_the_fee_and_further_ones_cost_the_rate(factories):
    source, target = factories.service_plan(), factories.service_plan()
    target.subscription_periods[0].recurring_fee = Decimal(10)
    target.resource_rates[0].recurring_fee = Decimal("9.50")

    [change] = compare_prices(source, target, [1, 5])

    assert change == PriceChange(12, "USD", before=Decimal(36), after=Decimal(58))
    assert change.difference == 22


def test_only_periods_that_both_plans_have_are_compared(factories):
    source, target = factories.service_plan(), factories.service_plan()
    target.subscription_periods = [
        SubscriptionPeriod(months=1, setup_fee=Decimal(0), recurring_fee=Decimal(1), currency="USD"),
        SubscriptionPeriod(months=12, setup_fee=Decimal(0), recurring_fee=Decimal(1), currency="EUR"),
    ]

    assert compare_prices(source, target, [1]) == []
