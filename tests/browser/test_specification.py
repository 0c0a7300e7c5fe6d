"""The specification, walked word by word in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

BASIC = re.compile("^Microsoft 365 Business Basic$")
STANDARD = "Microsoft 365 Business Standard"


def go_to_plans_as_provider(page: Page) -> None:
    page.get_by_role("link", name="Services", exact=True).first.click()
    page.get_by_role("link", name=re.compile("^Applications")).click()
    page.get_by_role("link", name="APS Connectors").first.click()
    page.get_by_role("rowheader").get_by_role("link", name="Office 365").click()
    page.get_by_role("link", name="Instances", exact=True).click()
    page.get_by_role("rowheader").get_by_role("link", name="Office 365").click()
    page.get_by_role("link", name="Service Plans").click()


def go_to_plans_as_reseller(page: Page) -> None:
    page.get_by_role("link", name="Customer CP").first.click()
    page.get_by_role("link", name="Office 365", exact=True).click()
    page.get_by_role("link", name="Service Plans").first.click()


def open_plan(page: Page, vendor: str, plan: re.Pattern[str] = BASIC) -> None:
    row = page.get_by_role("row").filter(has_text=vendor).filter(has=page.get_by_role("link", name=plan))
    row.get_by_role("link", name=plan).click()


def select(page: Page, number: int) -> None:
    rows = page.locator("tbody tr").filter(has_text="Active")
    for index in range(number):
        rows.nth(index).get_by_role("checkbox").check()


def upgrade_to(page: Page, target: str) -> None:
    """Up to the preview."""
    page.get_by_role("button", name="Upgrade Subscriptions").click()
    expect(page).not_to_have_url(re.compile("csrf"))
    page.get_by_role("radio", name=target).first.check()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Step 2 of 2")).to_be_visible()


def finish(page: Page) -> None:
    """With the eligible ones, where some are not."""
    carry_on = page.get_by_role("link", name="Continue with the")
    if carry_on.count():
        carry_on.click()
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text(re.compile(r"\d+ upgrades? scheduled"))).to_be_visible()


@pytest.mark.parametrize(
    ("login", "go", "vendor"),
    [
        ("provider", go_to_plans_as_provider, "Northern Lights Hosting"),
        ("harbour", go_to_plans_as_reseller, "Harbour Street IT"),
    ],
)
def test_subscriptions_are_upgraded(open_page, login, go, vendor):
    page = open_page(login)
    go(page)
    open_plan(page, vendor)
    select(page, 4)
    upgrade_to(page, STANDARD)
    finish(page)
    number = page.locator("tbody tr").count()
    page.get_by_role("button", name="Refresh Statuses").click()
    expect(page.get_by_text("Statuses refreshed")).to_be_visible()
    # Of a customer who has the new license already, Microsoft moves the seats and not the users.
    done = page.locator("tbody .badge.completed, tbody .badge.completed_with_warnings")
    expect(done).to_have_count(number, timeout=60_000)
    expect(page.get_by_text(f"{number} of {number} done")).to_have_count(2)


def test_pending_upgrades_are_canceled(open_page):
    """On the page of the plan, where Upgrade Status is Pending."""
    page = open_page("provider")
    go_to_plans_as_provider(page)
    open_plan(page, "Bluestone Systems")
    plan_url = page.url
    page.get_by_label("Select this page").check()
    upgrade_to(page, STANDARD)
    finish(page)
    page.goto(plan_url)
    page.get_by_label("Upgrade Status").select_option("Pending")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("upgrade_status=pending"))
    expect(page.locator("tbody .badge.pending").first).to_be_visible()
    page.locator("tbody tr").last.get_by_role("checkbox").check()
    page.get_by_role("button", name="Cancel Upgrade").click()
    expect(page.get_by_text("1 upgrade canceled")).to_be_visible()


def test_all_pending_upgrades_of_a_batch_are_canceled(open_page):
    page = open_page("bluestone")
    go_to_plans_as_reseller(page)
    open_plan(page, "Bluestone Systems", re.compile("^Business Basic \\(legacy\\)$"))
    page.get_by_label("Select this page").check()
    upgrade_to(page, "Business Standard (legacy)")
    finish(page)
    page.get_by_label("All Pending of the batch").check()
    page.get_by_role("button", name="Cancel Upgrade").click()
    expect(page.get_by_text(re.compile("upgrades? canceled"))).to_be_visible()
    expect(page.locator("tbody .badge.canceled").first).to_be_visible()


def test_the_selection_reaches_over_pages(open_page):
    page = open_page("provider")
    go_to_plans_as_provider(page)
    open_plan(page, "Fjord & Field Computing")
    expect(page.get_by_role("link", name="Next page")).to_be_visible()
    on_this_page = page.locator("tbody tr").count()
    matching = page.get_by_label(re.compile("that match"))
    matching.check()
    expect(page.get_by_text("Everything that matches is selected")).to_be_visible()
    upgrade_to(page, STANDARD)
    everything = page.get_by_role("link", name=re.compile(r"^All \d+$")).inner_text()
    assert int(everything.split()[-1]) > on_this_page


def test_an_upgrade_is_refused_when_requirements_are_not_met(open_page):
    page = open_page("bluestone")
    go_to_plans_as_reseller(page)
    open_plan(page, "Bluestone Systems", re.compile("^Office 365 E1$"))
    page.get_by_label(re.compile("that match")).check()
    upgrade_to(page, "Office 365 E3")
    expect(page.locator(".badge.failed").first).to_be_visible()
    expect(page.get_by_text("The upgrade is not allowed for this selection")).to_be_visible()
    expect(page.get_by_role("button", name="Finish")).to_have_count(0)


def test_it_works_without_scripts(open_page):
    page = open_page("harbour", scripts=False)
    go_to_plans_as_reseller(page)
    open_plan(page, "Harbour Street IT")
    select(page, 4)
    upgrade_to(page, STANDARD)
    finish(page)
    page.get_by_role("button", name="Refresh Statuses").click()
    expect(page.get_by_text("Statuses refreshed")).to_be_visible()


def test_it_works_by_keyboard_alone(open_page):
    page = open_page("provider")
    go_to_plans_as_provider(page)
    open_plan(page, "Lantern Office Services")
    press_tab_to(page, "input[name=s]")
    page.keyboard.press("Space")
    press_tab_to(page, "button.primary", back=True)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Step 1 of 2")).to_be_visible()
    press_tab_to(page, "input[name=target]")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Step 2 of 2")).to_be_visible()
    press_tab_to(page, "a.button.primary, button.primary")
    if page.evaluate("document.activeElement.tagName") == "A":  # Continue with the eligible.
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Finish")).to_be_visible()
        press_tab_to(page, "button.primary")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 upgrade scheduled")).to_be_focused()
    press_tab_to(page, "button:text-is('Refresh Statuses')")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Statuses refreshed")).to_be_focused()


def test_a_stopped_pool_says_so_and_leads_back(chromium, panels):
    context = chromium.new_context(base_url=panels.url)
    page = context.new_page()
    panels.site.pool("stop")
    try:
        response = page.goto("/sign-in")
        assert response is not None
        assert response.status == 503
        expect(page.get_by_role("heading")).to_have_text("The control panel is not available at the moment")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour != "rgba(0, 0, 0, 0)", "its style is let in by its own policy"
    finally:
        panels.site.pool("start-pool")
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    context.close()


def test_the_page_of_the_pool_follows_the_change_that_it_saved(open_page, panels):
    page = open_page("provider")
    limit = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"
    page.goto("/provider/application-pool/settings")
    page.get_by_label(limit).fill("3")
    page.get_by_role("button", name="Preview the changes").click()
    page.get_by_role("button", name="Save").click()
    try:
        expect(page.get_by_text(f"Saved {limit}: 2 → 3")).to_be_visible()
        shown = page.locator("dl.facts div").filter(has_text="Limit of simultaneous upgrades").locator("dd")
        expect(shown).to_have_text("3", timeout=30_000)
        expect(page.locator("#following")).to_have_count(0)
        expect(page.get_by_text(f"Saved {limit}: 2 → 3")).to_be_focused()
        assert panels.site.status()["limit"] == 3
    finally:
        panels.site.pool("set", limit, "2")


def press_tab_to(page: Page, selector: str, *, back: bool = False) -> None:
    for _ in range(80):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.locator(selector).and_(page.locator(":focus")).count():
            return
    raise AssertionError(f"80 times Tab did not lead to {selector}")
