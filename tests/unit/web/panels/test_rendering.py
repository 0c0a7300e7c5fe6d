from __future__ import annotations

import pytest

from gateway.web.panels.rendering import as_period


@pytest.mark.parametrize(
    ("months", "words"),
    [(1, "per month"), (6, "per 6 months"), (12, "per year"), (18, "per 18 months"), (36, "per 3 years")],
)
def test_a_period_is_told_in_words(months, words):
    assert as_period(months) == words
