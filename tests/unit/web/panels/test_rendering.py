from __future__ import annotations

import pytest

from gateway.web.panels.rendering import as_period, breakable


@pytest.mark.parametrize(
    ("months", "words"),
    [(1, "per month"), (6, "per 6 months"), (12, "per year"), (18, "per 18 months"), (36, "per 3 years")],
)
def test_a_period_is_told_in_words(months, words):
    assert as_period(months) == words


def test_a_domain_may_go_on_in_the_next_line():
    assert breakable("a.example") == "a<wbr>.example"
    assert breakable("<b>.example") == "&lt;b&gt;<wbr>.example"
