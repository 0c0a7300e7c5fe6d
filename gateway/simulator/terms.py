"""Terms and billing cycles of a subscription, and when they end."""

from __future__ import annotations

from datetime import datetime, timedelta

MONTHS = {"P1M": 1, "P1Y": 12, "P3Y": 36}
BILLING_MONTHS = {"monthly": 1, "annual": 12, "triennial": 36}
CANCELLATION_WINDOW = timedelta(days=7)


def add_months(moment: datetime, months: int) -> datetime:
    """Return the same day some months later; the day is at most 28, see `Subscription.term_start_at`."""
    years, month = divmod(moment.month - 1 + months, 12)
    return moment.replace(year=moment.year + years, month=month + 1, day=min(moment.day, 28))


def period_end(start: datetime, months: int, now: datetime) -> datetime:
    """Return the first moment after the period which now is in, periods following each other from `start`."""
    passed = (now.year - start.year) * 12 + now.month - start.month
    count = max(passed // months, 0)
    while (end := add_months(start, count * months)) <= now:
        count += 1
    return end if count else add_months(start, months)
