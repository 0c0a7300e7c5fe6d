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


def test_a_rate_is_the_price_of_a_period_as_the_fee_is(factories):
    """The license that is included costs as much as each further one, whatever the length of the period."""
    source, target = factories.service_plan(), factories.service_plan()
    for plan in (source, target):
        plan.subscription_periods = [
            SubscriptionPeriod(months=months, setup_fee=Decimal(0), recurring_fee=Decimal(6), currency=code)
            for months, code in ((1, "USD"), (12, "USD"), (36, "EUR"))
        ]

    changes = compare_prices(source, target, [3])

    assert [(each.months, each.currency, each.after) for each in changes] == [
        (1, "USD", Decimal(18)),
        (12, "USD", Decimal(18)),
        (36, "EUR", Decimal(6)),  # No rate is in that currency.
    ]
