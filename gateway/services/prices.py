"""What subscriptions cost in one plan and would cost in another."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from gateway.models import ServicePlan, SubscriptionPeriod


class PriceChange(NamedTuple):
    """The recurring fees of one subscription period, before and after."""

    months: int
    currency: str
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        return self.after - self.before


def compare_prices(source: ServicePlan, target: ServicePlan, seats: Sequence[int]) -> list[PriceChange]:
    """Compare the recurring fees for each period that both plans have, in the same currency.

    A subscription keeps its seats: the plan's fee covers those that it includes, and each further one costs
    the resource rate of the license. A rate has no length of its own: like the fee it is the price of one
    subscription period, whichever of the plan's periods the subscription has.

    :param seats: the license limit of each subscription
    """
    found = []
    for before in source.subscription_periods:
        for after in target.subscription_periods:
            if (before.months, before.currency) == (after.months, after.currency):
                fees = _fee(source, before, seats), _fee(target, after, seats)
                found.append(PriceChange(before.months, before.currency, *fees))
    return found


def _fee(plan: ServicePlan, period: SubscriptionPeriod, seats: Sequence[int]) -> Decimal:
    included = sum(max(resource.limit, 0) for resource in plan.licenses[:1])
    licenses = {resource.resource_type_id for resource in plan.licenses[:1]}
    rates = [
        rate.recurring_fee
        for rate in plan.resource_rates
        if rate.resource_type_id in licenses and rate.currency == period.currency
    ]
    further = sum(max(0, each - included) for each in seats)
    return period.recurring_fee * len(seats) + sum(rates, Decimal(0)) * further
