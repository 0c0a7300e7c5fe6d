"""axe-core finds nothing on any page, light or dark, and none scrolls sideways on the smallest screens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Page, ViewportSize

from tests.browser.pages import every_page
from tests.browser.visiting import DESKTOP

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
"""What else there is does not depend on the colours."""
NARROW: ViewportSize = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def axe() -> str:
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("shown", every_page(), ids=lambda shown: shown.name)
def test_nothing_is_found(visitors, axe, shown):
    page = visitors.show(shown)
    page.evaluate(axe)

    page.emulate_media(color_scheme="light")
    light = violations(page, EVERYTHING)
    page.emulate_media(color_scheme="dark")
    dark = violations(page, CONTRAST)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(NARROW)
    too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    page.set_viewport_size(DESKTOP)

    assert light == []
    assert dark == []
    assert too_wide == 0, "it scrolls sideways where 320 pixels are all there is"


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    """Each with the element that it is about."""
    found = page.evaluate("async (options) => (await axe.run(document, options)).violations", options)
    nodes = [(each["id"], node) for each in found for node in each["nodes"]]
    return [f"{rule}: {node['html'][:150]} {node['failureSummary'][:200]}" for rule, node in nodes]
