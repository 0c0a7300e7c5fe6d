from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from gateway.services.catalog.demonstration import make_catalog
from tests.browser.chromium import EXECUTABLE, launch
from tests.browser.scenery import Scenery, put_up
from tests.browser.visiting import Visitors
from tests.databases import sqlite_url
from tests.functional.site import Site


@dataclass
class Panels:
    """A whole gateway with the demonstration catalog, and how people sign in to it."""

    url: str
    passwords: dict[str, str]
    site: Site


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if EXECUTABLE is None and "CI" in os.environ:
        pytest.fail("CI skips nothing; expected Chromium on the PATH")
    if EXECUTABLE is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def panels(chromium, sqlite_template, tmp_path_factory) -> Iterator[Panels]:
    folder: Path = tmp_path_factory.mktemp("panels")
    shutil.copyfile(sqlite_template, folder / "gateway.db")
    site = Site(
        folder,
        sqlite_url(folder / "gateway.db"),
        MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES="2",
        SIMULATOR_LATENCY_SECONDS="1",
    )
    try:
        site.install(make_catalog(1000))
        lines = site.gateway("demo-users").splitlines()
        site.start()
        passwords = {line.split()[2]: line.split()[3] for line in lines}
        yield Panels(f"http://{site.status()['listen']}", passwords, site)
    finally:
        site.close()


def is_problem(message: ConsoleMessage) -> bool:
    """A form that is refused is answered 422, which the browser takes note of."""
    return message.type == "error" and "status of 422" not in message.text


@pytest.fixture
def open_page(chromium, panels) -> Iterator[object]:
    """Opens a page of somebody who is signed in; nothing may go wrong in its console."""
    contexts = []
    problems: list[str] = []

    def opened(login: str, *, scripts: bool = True) -> Page:
        context = chromium.new_context(java_script_enabled=scripts, base_url=panels.url)
        contexts.append(context)
        page: Page = context.new_page()
        page.set_default_timeout(8_000)
        page.on("console", lambda m: problems.append(m.text) if is_problem(m) else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto("/sign-in")
        page.get_by_label("Login").fill(login)
        page.get_by_label("Password").fill(panels.passwords[login])
        page.get_by_role("button", name="Sign in").press("Enter")
        page.get_by_role("heading", level=1).first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture(scope="session")
def scenery(tmp_path_factory) -> Iterator[Scenery]:
    with put_up(tmp_path_factory.mktemp("scenery")) as scenery:
        yield scenery


@pytest.fixture(scope="session")
def visitors(chromium, scenery) -> Iterator[Visitors]:
    visitors = Visitors(chromium, scenery)
    yield visitors
    visitors.close()
