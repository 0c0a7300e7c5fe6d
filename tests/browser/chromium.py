"""The browser of this machine."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
EXECUTABLE = next((found for name in NAMES if (found := shutil.which(name))), None)


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(
        executable_path=EXECUTABLE, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    )
