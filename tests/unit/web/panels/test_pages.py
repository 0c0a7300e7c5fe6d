from __future__ import annotations

from gateway.web.panels.screens import SCREENS
from tests.browser.pages import NO_PAGES, PAGES, every_page


def test_every_page_is_looked_at_in_the_browser():
    routes = {screen.route for screen in SCREENS if screen.method == "GET"}

    assert set(PAGES) | NO_PAGES == routes
    assert not set(PAGES) & NO_PAGES


def test_each_state_has_a_name_of_its_own():
    names = [shown.name for shown in every_page()]

    assert len(set(names)) == len(names)
