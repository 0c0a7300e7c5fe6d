"""Who brings a pool's attributes from IIS is told why one is refused, and what to do instead."""

import pytest

from gateway.settings.only_in_iis import ONLY_IN_IIS
from tests.unit.settings.helpers import document, refusal
from tests.unit.test_imports import ROOT

NESTED = {
    "applicationPool": "<applicationPool {} />",
    "processModel": "<applicationPool><processModel {} /></applicationPool>",
    "recycling": "<applicationPool><recycling {} /></applicationPool>",
    "periodicRestart": "<applicationPool><recycling><periodicRestart {} /></recycling></applicationPool>",
    "failure": "<applicationPool><failure {} /></applicationPool>",
}
ALL = [(element, name) for element, names in ONLY_IN_IIS.items() for name in names]


@pytest.mark.parametrize(("element", "name"), ALL)
def test_an_attribute_is_refused_with_what_to_do_instead(element, name):
    error = refusal(document(NESTED[element].format(f'{name}="1"')))

    assert f"{name} is not supported, unlike in IIS ({ONLY_IN_IIS[element][name]})" in str(error)


@pytest.mark.parametrize("name", ["cpu", "environmentVariables"])
def test_so_is_an_element(name):
    error = refusal(document(f"<applicationPool><{name} /></applicationPool>"))

    assert f"<{name}> is not supported, unlike in IIS (" in str(error)


@pytest.mark.parametrize(("element", "name"), ALL)
def test_the_manual_names_it(element, name):
    text = (ROOT / "docs" / "manual.md").read_text(encoding="utf-8")

    assert f"`{name}`" in text.partition("#### What only IIS has\n")[2]
