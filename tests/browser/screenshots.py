"""Pictures of every page for the manual: `make screenshots`.

The rows and the times are the same every time; a picture that looks as before is not written.
"""

from __future__ import annotations

import io
import logging
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops
from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import launch
from tests.browser.pages import Shown, pictured
from tests.browser.scenery import put_up
from tests.browser.visiting import Visitors

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
WIDTHS = {1440: 900, 375: 812}
"""A desk and a phone: heights by widths, in CSS pixels."""
DARK = frozenset({"plan", "batch", "upgrade-preview-refused", "pool"})
"""Also shown as people see them who prefer dark colours."""
REQUEST_ID = "5f0c7a2e9d1b4c68a3e47b90f2d6c815"
"""The same number on every picture of a refusal."""
COLOURS = 128
TALLEST = 1600
"""Longer lists show no more than their beginning does."""


def take(visitors: Visitors, shown: Shown, folder: Path) -> None:
    page = visitors.show(shown)
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        save(page, width, folder / f"{shown.name}-{width}.png")
    if shown.name in DARK:
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 1440, "height": 900})
        save(page, 1440, folder / f"{shown.name}-1440-dark.png")
        page.emulate_media(color_scheme="light")


def save(page: Page, width: int, file: Path) -> None:
    """The page, with as few colours as do."""
    page.evaluate("scrollTo(0, 0)")
    height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
    page.set_viewport_size({"width": width, "height": height})
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    small = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    if file.exists():
        with Image.open(file) as before:
            if before.size == small.size and not _differ(before, small):
                return
    small.save(file, optimize=True)
    log.info("Saved: file=%s", file.name)


def _differ(one: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox() is not None


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = set(sys.argv[1:])
    pages = [shown for shown in pictured() if not names or shown.name in names]
    with (
        tempfile.TemporaryDirectory() as data,
        put_up(Path(data)) as scenery,
        sync_playwright() as playwright,
        launch(playwright) as browser,
    ):
        visitors = Visitors(browser, scenery, request_id=REQUEST_ID)
        for shown in pages:
            take(visitors, shown, folder)
        visitors.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
