from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.db import utcnow
from gateway.models import SubscriptionStatus, Upgrade, UpgradeStatus, UpgradeStep
from tests.unit.web.panels.helpers import Browser, location_of, traced

PLANS = "/provider/services/applications/aps-connectors/office-365/instances/office365/service-plans"


@pytest.fixture
def plan(world):
    return world.plans[world.provider.id]


@pytest.fixture
def url(plan):
    return f"{PLANS}/{plan.id}"


def listed(page):
    return [tick["value"] for tick in page.html.select("tbody input[name=s]")]


class TestTheList:
    def test_it_has_the_columns_of_a_subscription(self, provider, url, world):
        page = provider.get(url)

        heads = [head.get_text() for head in page.html.select("thead th")][1:]
        cells = page.html.select_one("tbody tr").get_text(" ", strip=True)
        assert heads == [
            *("Subscription", "Customer", "Vendor", "License", "Limit"),
            *("Status", "Upgrade Status", "Last change"),
        ]
        assert world.subscription.account.name in cells
        assert world.license.name in cells
        assert "5 Active" in cells

    def test_its_buttons_are_those_of_the_specification(self, provider, url):
        buttons = [button.get_text() for button in provider.get(url).html.select(".bulk button")]

        assert buttons == ["Upgrade Subscriptions", "Cancel Upgrade", "Refresh Statuses"]

    def test_the_token_of_its_forms_never_gets_into_an_address(self, provider, url):
        form = provider.get(url).html.select_one("form#subscriptions")

        assert form["method"] == "get"
        assert form.select("input[name=csrf]") == []
        posting = {button.get_text() for button in form.select("button[name=csrf][formmethod=post]")}
        assert posting == {"Cancel Upgrade", "Refresh Statuses"}

    def test_whoever_only_reads_selects_nothing(self, router, people, url):
        page = Browser(router, people["provider_read_only"]).get(url)

        assert [button.get_text() for button in page.html.select(".bulk button")] == ["Refresh Statuses"]
        assert listed(page) == []

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"text": "CONTOSO"}, ["contoso"]),
            ({"text": "fabrikam.example"}, ["fabrikam"]),
            ({"text": "100%"}, []),
            ({"status": "suspended"}, ["fabrikam"]),
            ({"upgrade_status": "failed"}, ["contoso"]),
            ({"upgrade_status": "none", "status": "suspended"}, ["fabrikam"]),
            ({"vendor": "nobody"}, []),
            ({"text": "\x00"}, []),
        ],
    )
    def test_it_can_be_filtered(self, db, factories, provider, plan, url, query, found):
        contoso = factories.subscription(plan, account=factories.customer(name="Contoso"), id="contoso")
        factories.subscription(
            plan,
            account=factories.customer(domain="fabrikam.example"),
            id="fabrikam",
            status=SubscriptionStatus.SUSPENDED,
        )
        factories.upgrade(contoso, status=UpgradeStatus.FAILED, reason="It broke")
        db.commit()

        assert listed(provider.get(url, query)) == found

    def test_it_comes_in_pages(self, db, factories, provider, plan, url):
        for _ in range(60):
            factories.subscription(plan)
        db.commit()

        first = provider.get(url)
        second = first.click("Next page")

        assert (len(listed(first)), len(listed(second))) == (50, 11)
        assert not set(listed(first)) & set(listed(second))
        assert "All 61 that match" in first

    def test_a_name_is_never_taken_for_markup(self, db, factories, provider, plan, url):
        factories.subscription(plan, account=factories.customer(name="<script>alert(1)</script>"))
        db.commit()

        assert "<script>alert" not in provider.get(url)

    def test_an_empty_list_says_what_to_do(self, provider, url, world):
        assert "Change the filter" in provider.get(url, {"text": "nothing like it"})
        assert "Nobody is subscribed" in provider.get(f"{PLANS}/{world.target.id}")


class TestSorting:
    def test_a_head_sorts_and_keeps_the_filter(self, db, factories, provider, plan, url):
        for name in ("Zeta", "Alpha"):
            factories.subscription(plan, account=factories.customer(name=f"{name} Contoso"), id=name.lower())
        db.commit()

        page = provider.get(url, {"text": "contoso"}).click("Customer", href="sort=customer")

        assert listed(page) == ["alpha", "zeta"]
        assert page.html.select_one("th[aria-sort=ascending]").get_text() == "Customer"
        assert listed(page.click("Customer", href="sort=-customer")) == ["zeta", "alpha"]

    def test_the_next_page_goes_on_in_the_same_order(self, db, factories, provider, plan, url):
        for number in range(60):
            factories.subscription(plan, account=factories.customer(name=f"Name {number % 7}"))
        db.commit()

        first = provider.get(url, {"sort": "-customer"})
        second = first.click("Next page")

        assert len(set(listed(first)) | set(listed(second))) == 61


class TestTheLiveUpdate:
    def ask(self, browser, url, shown, **headers):
        query = "&".join(f"row={key}" for key in shown)
        return browser.app.get(f"{url}/live?{query}&seen={','.join(shown.values())}", headers=headers)

    @pytest.fixture
    def shown(self, db, factories, provider, plan, url):
        """The rows of the page and their versions: one is pending, one was never upgraded."""
        factories.upgrade(factories.subscription(plan, id="pending"))
        db.commit()
        rows = provider.get(url).html.select("tr[data-row]")
        return {row["data-row"]: row["data-version"] for row in rows}

    def test_it_is_304_while_nothing_has_changed(self, provider, url, shown):
        first = self.ask(provider, url, shown)
        second = self.ask(provider, url, shown, **{"If-None-Match": first.headers["ETag"]})

        assert (first.json["rows"], second.status_int, second.body) == ({}, 304, b"")

    @pytest.mark.parametrize(("who", "questions"), [("provider", 3), ("owner", 4)])
    def test_while_nothing_has_changed_the_database_is_asked_little(
        self, database, router, people, world, who, questions
    ):
        """Of a reseller it is also asked whether it may upgrade."""
        browser = Browser(router, people[who])
        plan = world.plans["reseller"] if who == "owner" else world.plans[world.provider.id]
        place = "/reseller/customer-cp/office-365/service-plans" if who == "owner" else PLANS
        rows = browser.get(f"{place}/{plan.id}").html.select("tr[data-row]")
        shown = {row["data-row"]: row["data-version"] for row in rows}
        version = self.ask(browser, f"{place}/{plan.id}", shown).headers["ETag"]

        with traced(database) as asked:
            answer = self.ask(browser, f"{place}/{plan.id}", shown, **{"If-None-Match": version})

        assert (answer.status_int, len(shown)) == (304, 1)
        assert asked == ["BEGIN", "WITH", *["SELECT"] * (questions - 1), "ROLLBACK"]

    def test_it_sends_only_the_row_that_has_changed(self, db, provider, url, shown):
        version = self.ask(provider, url, shown).headers["ETag"]
        upgrade = db.scalars(select(Upgrade)).one()
        upgrade.status, upgrade.changed_at = UpgradeStatus.IN_PROGRESS, utcnow()
        db.commit()

        answer = self.ask(provider, url, shown, **{"If-None-Match": version})

        assert list(answer.json["rows"]) == ["pending"]
        assert "In progress" in answer.json["rows"]["pending"]
        assert answer.json["words"] == "In progress: 1"
        assert "<script" not in answer.json["rows"]["pending"]

    def test_it_still_follows_one_that_has_gone_to_another_plan(self, db, provider, url, world, shown):
        upgrade = db.scalars(select(Upgrade)).one()
        upgrade.status, upgrade.changed_at = UpgradeStatus.COMPLETED, utcnow()
        upgrade.subscription.service_plan = world.target
        db.commit()

        assert "Completed" in self.ask(provider, url, shown).json["rows"]["pending"]

    def test_rows_that_others_sell_are_not_sent(self, provider, reseller, url, world):
        foreign = {world.subscriptions["sibling"].id: ""}
        own = f"/reseller/customer-cp/office-365/service-plans/{world.plans['reseller'].id}"

        assert self.ask(reseller, own, foreign).json["rows"] == {}


class TestTheFile:
    def test_it_has_what_the_filter_matches(self, db, factories, provider, plan, url):
        factories.subscription(plan, account=factories.customer(name="Contoso"), id="contoso")
        db.commit()

        response = provider.get(f"{url}/subscriptions.csv", {"text": "contoso"})

        lines = response.body.decode("utf-8-sig").splitlines()
        assert lines[0].startswith("Subscription,Customer,Domain,Vendor")
        assert len(lines) == 2
        assert lines[1].startswith("contoso,Contoso,")

    @pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
    def test_a_formula_in_it_is_only_text(self, db, factories, provider, plan, url, name):
        factories.subscription(plan, account=factories.customer(name=name), id="0")
        db.commit()

        assert f",'{name}," in provider.get(f"{url}/subscriptions.csv").body.decode().splitlines()[1]


class TestCancelUpgrade:
    def test_it_cancels_the_pending_ones_and_says_what_it_did_not(self, db, factories, provider, plan, url):
        pending, running = (factories.subscription(plan) for _ in range(2))
        waits = factories.upgrade(pending)
        factories.upgrade(running, status=UpgradeStatus.IN_PROGRESS)
        db.commit()

        provider.post(f"{url}/cancel-upgrade", [("s", pending.id), ("s", running.id)])

        page = provider.get(url)
        assert "1 upgrade canceled. 1 upgrade not canceled, In progress: It has begun" in page
        db.refresh(waits)
        assert waits.status is UpgradeStatus.CANCELED

    def test_it_cancels_all_that_match(self, db, factories, provider, plan, url):
        for _ in range(3):
            factories.upgrade(factories.subscription(plan))
        db.commit()

        response = provider.post(f"{url}/cancel-upgrade", [("all", "1"), ("upgrade_status", "pending")])

        assert location_of(response) == f"{url}?upgrade_status=pending"
        assert "3 upgrades canceled" in provider.get(url)

    @pytest.mark.parametrize(
        ("fields", "words"),
        [([], "Select the subscriptions"), ([("s", "no-such")], "None of the selected subscriptions")],
    )
    def test_nothing_to_cancel_is_said(self, provider, url, fields, words):
        provider.post(f"{url}/cancel-upgrade", fields)

        assert words in provider.get(url)


class TestRefreshStatuses:
    def test_it_reads_what_waits_for_microsoft(self, db, factories, background, provider, plan, url):
        upgrade = factories.upgrade(
            factories.subscription(plan), status=UpgradeStatus.IN_PROGRESS, step=UpgradeStep.WAITING
        )
        db.commit()

        provider.post(f"{url}/refresh-statuses")

        assert "1 upgrade read again from Microsoft" in provider.get(url)
        assert background.wakes == 1
        assert db.scalar(select(Upgrade.id)) == upgrade.id

    def test_it_does_no_harm_when_nothing_waits(self, provider, url):
        provider.post(f"{url}/refresh-statuses")

        assert "no upgrade here waits for Microsoft" in provider.get(url)
