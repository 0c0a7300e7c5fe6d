from __future__ import annotations

import pytest
from sqlalchemy import func, select

from gateway.models import Subscription, SubscriptionStatus, Upgrade, UpgradeBatch
from tests.unit.web.helpers import make_settings
from tests.unit.web.panels.helpers import location_of

PLANS = "/provider/services/applications/aps-connectors/office-365/instances/office365/service-plans"
HELP = "https://help.example/upgrades"


@pytest.fixture
def settings():
    settings = make_settings()
    return settings.model_copy(update={"app": settings.app.model_copy(update={"eligibility_help_url": HELP})})


@pytest.fixture
def plan(world):
    return world.plans[world.provider.id]


@pytest.fixture
def url(plan):
    return f"{PLANS}/{plan.id}"


@pytest.fixture
def good(db, factories, plan):
    rows = [factories.subscription(plan, license_limit=10) for _ in range(3)]
    db.commit()
    return [row.id for row in rows]


@pytest.fixture
def bad(db, factories, plan):
    row = factories.subscription(plan, license_limit=0)
    db.commit()
    return row.id


def preview(browser, url, ids, target, **more):
    chosen = [*(("s", key) for key in ids), ("target", target.id), *more.items()]
    return browser.get(f"{url}/upgrade-subscriptions/preview", chosen)


def finish(page):
    form = next(form for form in page.forms.values() if form.action.endswith("/finish"))
    return form.submit(expect_errors=True)


def upgrades(db):
    db.rollback()
    return db.scalar(select(func.count()).select_from(Upgrade))


class TestTheTarget:
    def test_only_plans_that_can_be_reached_are_offered(self, provider, url, good, world):
        page = provider.get(f"{url}/upgrade-subscriptions", [("s", key) for key in good])

        assert [each["value"] for each in page.html.select("input[name=target]")] == [world.target.id]
        assert "3 subscriptions of" in page

    def test_the_others_are_shown_with_the_reason(self, db, factories, provider, url, good):
        other = factories.service_plan()
        db.commit()

        page = provider.get(f"{url}/upgrade-subscriptions", [("s", key) for key in good])

        row = next(row for row in page.html.select("tbody tr") if other.name in row.get_text())
        assert "Microsoft does not upgrade" in row.get_text()

    def test_without_a_selection_it_goes_back(self, provider, url):
        assert location_of(provider.get(f"{url}/upgrade-subscriptions")) == url
        assert "Select the subscriptions to upgrade" in provider.get(url)


class TestThePreviewOfALargeSelection:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch):
        monkeypatch.setattr("gateway.web.panels.wizard_views.CHECKED_AT_ONCE", 2)

    def test_the_first_are_checked_at_once_and_all_before_finish(self, db, provider, url, good, world):
        page = provider.get(f"{url}/upgrade-subscriptions/preview", {"all": "1", "target": world.target.id})
        whole = page.click("Check all subscriptions", index=0)

        assert "The first 2 subscriptions are checked below" in page
        assert page.html.find("button", string="Finish") is None
        assert "All 4 subscriptions can be upgraded" in whole
        finish(whole)
        assert upgrades(db) == 4

    def test_what_the_page_does_not_offer_is_refused(self, db, provider, url, good, world):
        page = provider.get(f"{url}/upgrade-subscriptions/preview", {"all": "1", "target": world.target.id})
        finish(page)

        assert upgrades(db) == 0


class TestThePreview:
    def test_it_shows_prices_and_what_cannot_be_undone(self, provider, url, good, world):
        page = preview(provider, url, good, world.target)

        assert "cannot be undone at Microsoft" in page
        assert "All 3 subscriptions can be upgraded" in page
        total = page.html.select("table")[-1].get_text(" ", strip=True)
        assert "USD per year 180.00 180.00 0.00" in total

    def test_one_bad_subscription_refuses_the_whole_selection(self, db, provider, url, good, bad, world):
        page = preview(provider, url, [*good, bad], world.target)

        assert "The upgrade is not allowed for this selection" in page
        assert not page.html.find("button", string="Finish")
        assert "has limit 0" in page
        assert "Set the limit of one license" in page
        assert HELP in page

    def test_one_may_continue_with_the_eligible(self, db, provider, url, good, bad, world):
        page = preview(provider, url, [*good, bad], world.target).click("Continue with the 3 eligible")
        response = finish(page)

        assert bad in page, "those left out are still shown"
        assert location_of(response).startswith("/provider/upgrade-batches/")
        assert upgrades(db) == 3
        assert "3 upgrades scheduled; 1 subscription left out" in provider.get(location_of(response))

    @pytest.mark.parametrize(("show", "number"), [("eligible", 3), ("refused", 1), ("license_missing", 1)])
    def test_it_can_be_filtered_by_reason(self, provider, url, good, bad, world, show, number):
        page = preview(provider, url, [*good, bad], world.target, show=show)

        assert len(page.html.select("table")[0].select("tbody tr")) == number

    def test_when_none_is_eligible_there_is_only_the_way_back(self, provider, url, bad, world):
        page = preview(provider, url, [bad], world.target)

        assert not page.html.find("button", string="Finish")
        assert "Continue with" not in page

    def test_without_a_target_it_goes_back(self, provider, url, good):
        response = provider.get(f"{url}/upgrade-subscriptions/preview", [("s", good[0])])

        assert location_of(response) == f"{url}/upgrade-subscriptions?s={good[0]}"

    def test_a_target_that_does_not_exist_is_not_found(self, provider, url, good):
        query = [("s", good[0]), ("target", "no-such")]

        assert provider.get(f"{url}/upgrade-subscriptions/preview", query).status_int == 404

    def test_a_subscription_that_does_not_exist_is_not_found(self, provider, url, world):
        assert preview(provider, url, ["no-such"], world.target).status_int == 404


class TestFinish:
    def test_it_schedules_and_lands_on_the_batch(self, db, background, provider, url, good, world):
        response = finish(preview(provider, url, good, world.target))

        batch = db.scalars(select(UpgradeBatch)).one()
        assert location_of(response) == f"/provider/upgrade-batches/{batch.id}"
        assert batch.requested_by == provider.login
        assert upgrades(db) == 3
        assert background.wakes == 1

    def test_everything_that_matches_is_as_good_as_ticks(self, db, provider, url, good, world):
        query = {"all": "1", "target": world.target.id}

        finish(provider.get(f"{url}/upgrade-subscriptions/preview", query))

        assert upgrades(db) == len(good) + 1

    def test_pressed_twice_it_leads_to_the_same_batch(self, db, provider, url, good, world):
        page = preview(provider, url, good, world.target)
        first = finish(page)

        again = finish(page)

        assert location_of(again) == location_of(first)
        assert "3 upgrades scheduled" in provider.get(location_of(again))
        assert upgrades(db) == 3

    def test_another_preview_does_not_finish_the_same_again(self, db, provider, url, good, world):
        one, other = (preview(provider, url, good, world.target) for _ in range(2))
        finish(one)

        again = finish(other)

        assert "/preview?" in location_of(again)
        assert "Nothing was scheduled" in provider.get(location_of(again))
        assert upgrades(db) == 3

    def test_what_was_refused_may_be_finished_later(self, db, provider, url, good, world):
        page = preview(provider, url, good, world.target)
        row = db.get(Subscription, good[0])
        row.status = SubscriptionStatus.SUSPENDED
        db.commit()
        assert "/preview?" in location_of(finish(page))
        row.status = SubscriptionStatus.ACTIVE
        db.commit()

        assert location_of(finish(page)).startswith("/provider/upgrade-batches/")

    def test_what_has_changed_since_the_preview_is_looked_at_again(
        self, db, factories, provider, plan, url, good, world
    ):
        page = provider.get(f"{url}/upgrade-subscriptions/preview", {"all": "1", "target": world.target.id})
        factories.subscription(plan)
        db.commit()

        response = finish(page)

        assert "/preview?" in location_of(response)
        assert upgrades(db) == 0
