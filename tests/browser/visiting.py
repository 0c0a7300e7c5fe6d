"""Browsers of people who are signed in to the scenery."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from gateway.web.sessions import SESSION_COOKIE
from tests.browser.pages import Shown
from tests.browser.scenery import Scenery
from tests.factories import PASSWORD

DESKTOP: ViewportSize = {"width": 1440, "height": 900}


class Visitors:
    """One browser context for each person, which stays signed in."""

    def __init__(self, browser: Browser, scenery: Scenery, *, request_id: str | None = None) -> None:
        """:param request_id: by which the log is to know all that they ask"""
        self._browser = browser
        self._headers = {"X-Request-ID": request_id} if request_id else {}
        self._scenery = scenery
        self._pages: dict[tuple[str, str | None], Page] = {}
        self._contexts: list[BrowserContext] = []

    def signed_in(self, login: str) -> Page:
        """The page of somebody at the site with everything."""
        return self._page_of("full", login)

    def show(self, shown: Shown) -> Page:
        """Open the page, and do on it what has to be done to see the state."""
        page = self._page_of(shown.site, shown.login)
        response = page.goto(self._scenery.url(shown.site, shown.path))
        assert response is not None
        assert response.status == shown.status, f"{shown.name}: {response.status} {response.url}"
        if shown.act is not None:
            shown.act(page)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _page_of(self, site: str, login: str | None) -> Page:
        """Nobody's browser is a new one each time."""
        if login is None or (site, login) not in self._pages:
            context = self._browser.new_context(
                viewport=DESKTOP,
                locale="en-GB",
                timezone_id="UTC",
                reduced_motion="reduce",
                extra_http_headers=self._headers,
            )
            self._contexts.append(context)
            page = context.new_page()
            page.set_default_timeout(8_000)
            if login is not None:
                self._sign_in(page, site, login)
            self._pages[site, login] = page
        return self._pages[site, login]

    def _sign_in(self, page: Page, site: str, login: str) -> None:
        """Where the database is away, all that is left is the cookie of earlier."""
        if site == "broken":
            page.context.add_cookies([{"name": SESSION_COOKIE, "value": "x", "url": self._scenery.broken}])
            return
        page.goto(self._scenery.url(site, "/sign-in"))
        page.get_by_label("Login").fill(login)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/*er/**")
