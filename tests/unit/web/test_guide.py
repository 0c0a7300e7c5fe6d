"""The guide for programmers tells what the code does."""

from pathlib import Path

import pytest

from gateway.services.eligibility import ViolationCode
from gateway.web.api.table import CALLS

GUIDE = Path(__file__).parents[3] / "docs" / "api.md"


@pytest.fixture(scope="module")
def guide():
    return GUIDE.read_text(encoding="utf-8")


@pytest.mark.parametrize("code", ViolationCode)
def test_it_explains_every_rule(guide, code):
    assert f"`{code.value}`" in guide


@pytest.mark.parametrize("path", sorted({call.path.split("/")[1] for call in CALLS}))
def test_it_shows_every_kind_of_call(guide, path):
    assert f"$GATEWAY/{path}" in guide
