"""Lists that follow what happens, and failed upgrades that are scheduled again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select, update

from gateway.db import utcnow
from gateway.models import Upgrade, UpgradeStatus
from tests.browser.pages import PLANS

BASIC = f"{PLANS}/m365-business-basic"


@pytest.fixture
def page(visitors):
    return visitors.signed_in("provider")


def test_rows_of_a_plan_follow_their_upgrades(page, scenery):
    set_status(scenery, Upgrade.id == scenery.ids["pending"], UpgradeStatus.PENDING)
    page.goto(scenery.url("full", f"{BASIC}?upgrade_status=pending"))
    row = page.locator("tbody tr").first
    key = row.get_attribute("data-row")
    tick = row.get_by_role("checkbox")
    tick.check()
    tick.focus()
    page.evaluate("window.isTheSamePage = true")

    newest = select(Upgrade.id).where(Upgrade.subscription_id == key).order_by(Upgrade.id.desc()).limit(1)
    set_status(scenery, Upgrade.id == newest.scalar_subquery(), UpgradeStatus.CANCELED)

    changed = page.locator(f"tr[data-row='{key}']")
    expect(changed.locator(".badge.canceled")).to_have_text("Canceled", timeout=20_000)
    expect(changed.get_by_role("checkbox")).to_be_checked()
    expect(changed.get_by_role("checkbox")).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="Canceled: 1")).to_have_count(1)
    assert page.evaluate("window.isTheSamePage")


def test_failed_upgrades_are_scheduled_again(page, scenery):
    page.goto(scenery.url("full", "/provider/upgrade-batches/2"))
    page.get_by_role("link", name="Schedule all failed again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Schedule Again")
    page.get_by_role("button", name="Schedule Again").dblclick()
    expect(page.get_by_text("upgrade scheduled again")).to_be_visible()
    expect(page.locator("tbody .badge.pending")).to_have_count(1)

    page.goto(scenery.url("full", "/provider/upgrade-batches/2?upgrade_status=failed"))
    page.locator("tbody").get_by_role("link", name=re.compile("^upgrade")).click()
    expect(page.get_by_text("It repeats")).to_be_visible()


def set_status(scenery, which, status):
    with scenery.database.write() as db:
        db.execute(update(Upgrade).where(which).values(status=status, changed_at=utcnow()))
