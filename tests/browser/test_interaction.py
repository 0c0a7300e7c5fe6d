"""How the pages behave in the hands of people: focus, Back, double clicks, ended sessions, print."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from gateway.db import utcnow
from gateway.models import Upgrade, UpgradeStatus
from gateway.web.sessions import SESSION_COOKIE
from tests.browser.pages import PAGES, PLANS, POOL
from tests.factories import NOW, PASSWORD

E1 = f"{PLANS}/o365-e1"
PREVIEW = "{url}/upgrade-subscriptions/preview?s={key}&target={target}"


@pytest.fixture
def page(visitors):
    return visitors.signed_in("provider")


@pytest.fixture
def preview(page, scenery):
    """Of one subscription that can be upgraded."""
    page.goto(scenery.url("full", f"{E1}/upgrade-subscriptions/preview?all=1&target=o365-e3&show=eligible"))
    key = page.locator("tbody th[scope=row]").first.inner_text()
    page.goto(scenery.url("full", f"{E1}/upgrade-subscriptions/preview?s={key}&target=o365-e3"))
    return page


def test_every_page_has_a_title_of_its_own_and_strict_headers(page, visitors, scenery):
    titles = {}
    for route, (shown, *_) in PAGES.items():
        if shown.login is None or shown.act is not None:
            continue
        browser = visitors.signed_in(shown.login).context.request
        response = browser.get(scenery.url("full", shown.path))
        titles[route] = re.findall("<title>(.*?)</title>", response.text())[0]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert response.headers["cache-control"] == "no-store"

    assert len(set(titles.values())) == len(titles), titles


def test_what_was_done_has_the_focus(page, scenery):
    page.goto(scenery.url("full", E1))
    page.get_by_role("button", name="Refresh Statuses").click()

    expect(page.get_by_text("Statuses refreshed")).to_be_focused()


def test_the_first_stop_skips_to_the_content(page, scenery):
    page.goto(scenery.url("full", E1))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()


def test_the_menu_closes_with_escape(page, scenery):
    page.goto(scenery.url("full", "/account"))
    summary = page.locator("details.menu summary")
    summary.press("Enter")
    expect(page.get_by_role("link", name="Your account")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")

    expect(page.get_by_role("link", name="Your account")).to_be_hidden()
    expect(summary).to_be_focused()


def test_a_double_click_on_finish_schedules_once(preview):
    sent = []
    preview.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    preview.get_by_role("button", name="Finish").dblclick()

    expect(preview.get_by_text("1 upgrade scheduled")).to_be_visible()
    assert len(sent) == 1


def test_back_from_the_batch_does_not_offer_to_finish_again(preview):
    preview.get_by_role("button", name="Finish").click()
    expect(preview.get_by_text("1 upgrade scheduled")).to_be_visible()
    preview.go_back()

    expect(preview.get_by_text("The upgrade is not allowed for this selection")).to_be_visible()
    expect(preview.get_by_role("button", name="Finish")).to_have_count(0)


def test_a_session_that_ends_in_the_wizard_costs_no_selection(page, scenery):
    page.goto(scenery.url("full", f"{E1}/upgrade-subscriptions?all=1"))
    page.context.clear_cookies(name=SESSION_COOKIE)
    page.get_by_role("radio", name="Office 365 E3").first.check()
    page.get_by_role("button", name="Next").click()
    sign_in(page)

    expect(page.get_by_text("Step 2 of 2")).to_be_visible()
    assert "all=1&target=o365-e3" in page.url


def test_a_session_that_ends_before_finish_leads_back_to_the_preview(preview):
    before = preview.url
    preview.context.clear_cookies(name=SESSION_COOKIE)
    preview.get_by_role("button", name="Finish").click()
    expect(preview.get_by_text("Your session had ended, so nothing was done")).to_be_visible()
    sign_in(preview)

    assert preview.url == before
    preview.get_by_role("button", name="Finish").click()
    expect(preview.get_by_text("1 upgrade scheduled")).to_be_visible()


def test_a_form_that_is_out_of_date_leads_back_to_its_page(page, scenery):
    page.goto(scenery.url("full", f"{E1}?status=active"))
    page.evaluate("document.querySelectorAll('[name=csrf]').forEach(each => each.value = 'old')")
    page.get_by_role("button", name="Refresh Statuses").click()
    expect(page.get_by_role("heading", name="The form is out of date")).to_be_visible()
    page.get_by_role("link", name="Back to the page").click()

    assert page.url == scenery.url("full", f"{E1}?status=active")


def test_times_are_those_of_the_place_and_utc_is_in_the_title(page, chromium, scenery):
    context = chromium.new_context(
        timezone_id="Asia/Tokyo", locale="en-GB", storage_state=page.context.storage_state()
    )
    elsewhere = context.new_page()
    elsewhere.goto(scenery.url("full", "/provider/upgrade-batches/1"))
    time = elsewhere.locator("header time")

    expect(time).to_have_text("22 Nov 2026, 18:00:00")
    expect(time).to_have_attribute("title", "2026-11-22 09:00:00 UTC")
    context.close()


def test_what_changes_on_a_live_page_moves_nothing(page, scenery):
    page.goto(scenery.url("full", "/provider/upgrade-batches/2"))
    key = scenery.ids["pending"]
    page.evaluate(
        """() => { window.moved = 0; new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) window.moved += entry.value;
        }).observe({ type: "layout-shift" }); }"""
    )
    with scenery.database.write() as db:
        db.execute(update(Upgrade).where(Upgrade.batch_id == 2).values(waiting_for=None, changed_at=utcnow()))
        ended = {"status": UpgradeStatus.CANCELED, "finished_at": NOW}
        pending = (Upgrade.batch_id == 2) & (Upgrade.status == UpgradeStatus.PENDING)
        db.execute(update(Upgrade).where(pending).values(ended))

    expect(page.locator(f"#upgrade-{key} .badge.canceled")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    assert page.evaluate("moved") < 0.01


def test_a_live_page_takes_neither_the_focus_nor_what_is_marked(page, scenery):
    page.goto(scenery.url("full", "/provider/upgrade-batches/2"))
    row = page.locator("tbody tr", has=page.locator(".badge.in_progress")).first
    chip = page.locator("#progress nav a.in_progress")
    chip.focus()
    row.locator("td:has(time)").evaluate(
        "cell => { window.chip = document.activeElement; getSelection().selectAllChildren(cell); }"
    )
    marked = page.evaluate("getSelection().toString()")
    with scenery.database.write() as db:
        running = (Upgrade.batch_id == 2) & (Upgrade.status == UpgradeStatus.IN_PROGRESS)
        db.execute(update(Upgrade).where(running).values(waiting_for="A new reason", changed_at=utcnow()))

    expect(row.get_by_text("A new reason")).to_be_visible(timeout=15_000)
    expect(page.locator("#progress").get_by_text("A new reason")).to_be_visible()
    expect(chip).to_be_focused()
    assert page.evaluate("chip === document.activeElement")
    assert marked
    assert page.evaluate("getSelection().toString()") == marked


def test_settings_are_judged_while_one_types_and_the_focus_stays(page, scenery):
    page.goto(scenery.url("full", f"{POOL}/settings"))
    field = page.get_by_label("MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES")
    field.clear()

    field.press_sequentially("ten")
    verdict = page.locator("[role=status][data-verdict]")
    expect(verdict).to_have_text(re.compile("UPGRADES: Expected a whole number from 1 to 1000"))
    expect(page.locator("#MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES-problem")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("ten")

    field.clear()
    field.press_sequentially("20")
    expect(verdict).to_have_text(re.compile("is good now"))
    expect(page.get_by_text("1 value differs from the file")).to_be_visible()
    expect(field).not_to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Save these settings?")).to_be_visible()


def test_printed_there_is_the_table_and_nothing_to_press(page, scenery):
    page.goto(scenery.url("full", E1))
    page.emulate_media(media="print")

    expect(page.get_by_role("table")).to_be_visible()
    for selector in ("header.top", ".bulk", ".filters", "tbody input", "button:visible"):
        expect(page.locator(selector).locator("visible=true")).to_have_count(0)
    page.emulate_media(media="screen")


def sign_in(page: Page) -> None:
    page.get_by_label("Login").fill("provider")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
