"""What the operations of a benchmark are called, in the store and out of it."""

from __future__ import annotations

STANDARD = "standard"
"""The plan that all are upgraded to."""


def number_of(subscription_id: str) -> int:
    return int(subscription_id.removeprefix("s"))
