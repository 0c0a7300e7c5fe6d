from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.db import utcnow
from gateway.engine.pauses import Pause
from gateway.models import Upgrade, UpgradeStatus, UpgradeStep
from gateway.settings import AppSettings
from gateway.web.registry import SETTINGS
from tests.factories import NOW
from tests.unit.web.helpers import make_settings
from tests.unit.web.panels.helpers import location_of, traced

URL = "/provider/upgrade-batches"


@pytest.fixture
def batch(db, factories, world):
    """Three upgrades: pending, in progress and failed."""
    plan = world.plans[world.provider.id]
    batch = factories.batch(world.target)
    statuses = (UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS, UpgradeStatus.FAILED)
    batch.upgrades_of_test = [
        factories.upgrade(factories.subscription(plan), batch=batch, status=status) for status in statuses
    ]
    _, running, failed = batch.upgrades_of_test
    running.step, running.waiting_for, running.started_at = UpgradeStep.WAITING, "Throttled until 14:03", NOW
    failed.reason_code, failed.reason, failed.remedy = "refused", "Microsoft said no", "Ask them"
    failed.started_at = failed.finished_at = NOW
    for upgrade in batch.upgrades_of_test:
        upgrade.changed_at = NOW - timedelta(days=1)
    factories.upgrade_event(failed, name="claimed", detail="Taken by node")
    factories.upgrade_event(failed, name="failed", request_id="abc-request")
    db.commit()
    return batch


def test_the_list_of_batches_shows_how_far_each_is(provider, batch):
    page = provider.get(URL)

    assert f"Batch {batch.id}" in page
    assert "1 of 3" in page


class TestTheBatchPage:
    def test_it_shows_progress_counts_and_what_waits(self, db, factories, provider, batch):
        factories.upgrade(status=UpgradeStatus.IN_PROGRESS)
        db.commit()

        page = provider.get(f"{URL}/{batch.id}")

        assert "2 of 10 in progress" in page
        assert "Throttled until 14:03" in page.html.select_one(".message.partly").get_text()
        assert page.html.progress["value"] == "1"
        assert "Microsoft said no" in page

    @pytest.mark.parametrize(
        ("limit", "words"), [(1, "1 Pending: All 1 places are taken"), (2, "1 Pending: Next in line")]
    )
    def test_it_says_why_the_pending_ones_wait(self, router, provider, batch, limit, words):
        app = AppSettings(max_allowed_nb_of_simultaneous_upgrades=limit)
        router.registry[SETTINGS] = make_settings(app=app)

        waits = provider.get(f"{URL}/{batch.id}").html.select_one(".message.partly").get_text()

        assert words in waits
        assert "1 In progress: Throttled until 14:03" in waits

    def test_it_says_why_nothing_begins_while_microsoft_is_left_alone(self, provider, clients, batch):
        instance = batch.target_plan.service_template.application_instance.name
        clients.told_pauses[instance] = Pause(NOW, "Microsoft does not answer")

        page = provider.get(f"{URL}/{batch.id}")

        assert f"Microsoft does not answer; Microsoft is asked again at {NOW:%H:%M:%S} UTC" in page

    @pytest.mark.parametrize(
        ("statuses", "offered"),
        [
            ({UpgradeStatus.PENDING}, {"Cancel Upgrade", "Schedule Again", "Refresh Statuses"}),
            ({UpgradeStatus.COMPLETED, UpgradeStatus.FAILED}, {"Schedule Again", "Refresh Statuses"}),
            ({UpgradeStatus.COMPLETED}, {"Refresh Statuses"}),
        ],
    )
    def test_it_offers_what_can_be_done(self, db, factories, world, provider, statuses, offered):
        batch = factories.batch(world.target)
        for status in statuses:
            factories.upgrade(batch=batch, status=status)
        db.commit()

        page = provider.get(f"{URL}/{batch.id}")

        assert {each.get_text() for each in page.html.select(".bulk button")} == offered

    @pytest.mark.parametrize("status", ["pending", "in_progress", "failed"])
    def test_a_count_filters_the_list(self, provider, batch, status):
        page = provider.get(f"{URL}/{batch.id}").click(href=f"upgrade_status={status}$")

        assert len(page.html.select("tbody tr")) == 1

    def test_its_csv_has_every_upgrade(self, provider, batch):
        lines = provider.get(f"{URL}/{batch.id}/upgrades.csv").body.decode("utf-8-sig").splitlines()

        assert len(lines) == 4
        assert lines[1].split(",")[5:9] == ["Failed", "refused", "Microsoft said no", "Ask them"]

    @pytest.mark.parametrize("number", ["0", "999999", "x", "99999999999999999999", "%D9%A3"])
    def test_another_number_is_not_found(self, provider, batch, number):
        assert provider.get(f"{URL}/{number}").status_int == 404


class TestCancelUpgrade:
    @pytest.mark.parametrize("everything", [True, False])
    def test_it_cancels_what_is_pending_and_says_the_rest(self, provider, batch, everything):
        ids = [("u", str(upgrade.id)) for upgrade in batch.upgrades_of_test]

        provider.post(f"{URL}/{batch.id}/cancel-upgrade", [("all", "1")] if everything else ids)

        page = provider.get(f"{URL}/{batch.id}")
        assert "1 upgrade canceled. 1 upgrade not canceled, In progress: It has begun" in page

    def test_without_a_selection_it_says_so(self, provider, batch):
        provider.post(f"{URL}/{batch.id}/cancel-upgrade")

        assert "Select the upgrades to cancel" in provider.get(f"{URL}/{batch.id}")


def test_refresh_statuses_reads_the_batch_again(provider, background, batch):
    provider.post(f"{URL}/{batch.id}/refresh-statuses")

    assert "1 upgrade read again from Microsoft" in provider.get(f"{URL}/{batch.id}")
    assert background.wakes == 1


class TestTheLiveUpdate:
    def ask(self, browser, batch, seen=()):
        rows = [("row", str(upgrade.id)) for upgrade in batch.upgrades_of_test]
        return browser.get(f"{URL}/{batch.id}/live", [*rows, ("seen", ",".join(seen))])

    def test_it_is_304_while_nothing_has_changed(self, provider, batch):
        version = self.ask(provider, batch).headers["ETag"]

        query = "&".join(f"row={upgrade.id}" for upgrade in batch.upgrades_of_test)
        response = provider.app.get(f"{URL}/{batch.id}/live?{query}", headers={"If-None-Match": version})

        assert response.status_int == 304
        assert response.body == b""

    def test_while_nothing_has_changed_the_database_is_asked_little(self, database, provider, batch):
        """Everybody who looks at a batch asks again and again."""
        version = self.ask(provider, batch).headers["ETag"]
        query = "&".join(f"row={upgrade.id}" for upgrade in batch.upgrades_of_test)

        with traced(database) as asked:
            provider.app.get(f"{URL}/{batch.id}/live?{query}", headers={"If-None-Match": version})

        assert asked == ["BEGIN", *["WITH", "SELECT", "SELECT"], "ROLLBACK"]

    def test_a_new_limit_is_a_change(self, router, provider, batch):
        version = self.ask(provider, batch).headers["ETag"]

        router.registry[SETTINGS] = make_settings(app=AppSettings(max_allowed_nb_of_simultaneous_upgrades=3))

        assert self.ask(provider, batch).headers["ETag"] != version

    def test_it_sends_only_the_rows_that_have_changed(self, db, provider, batch):
        page = provider.get(f"{URL}/{batch.id}")
        seen = {row["data-row"]: row["data-version"] for row in page.html.select("tr[data-row]")}
        first = self.ask(provider, batch)
        pending = batch.upgrades_of_test[0]
        pending.status, pending.changed_at = UpgradeStatus.IN_PROGRESS, utcnow()
        pending.microsoft_tenant_id = "another"
        db.commit()

        second = self.ask(provider, batch, [seen[str(each.id)] for each in batch.upgrades_of_test])

        assert len(first.json["rows"]) == 3
        assert list(second.json["rows"]) == [str(pending.id)]
        assert "In progress" in second.json["rows"][str(pending.id)]
        assert second.headers["ETag"] != first.headers["ETag"]
        assert second.json["words"] == "1 of 3 done, 1 failed"

    def test_rows_of_another_batch_are_not_sent(self, db, factories, provider, batch):
        other = factories.upgrade(factories.subscription())
        db.commit()

        assert provider.get(f"{URL}/{batch.id}/live", {"row": str(other.id)}).json["rows"] == {}


def test_the_page_of_an_upgrade_tells_its_story(provider, batch):
    failed = batch.upgrades_of_test[2]

    page = provider.get(f"/provider/upgrades/{failed.id}")

    assert "Taken by node" in page
    assert "abc-request" in page
    assert str(failed.correlation_id) in page
    assert "Ask them" in page


class TestScheduleAgain:
    def test_the_preview_shows_what_would_become_of_each(self, provider, batch):
        pending, _, failed = batch.upgrades_of_test

        page = provider.get(f"{URL}/{batch.id}/schedule-again", [("u", failed.id), ("u", pending.id)])

        assert "1 of 2 upgrades cannot be scheduled again" in page
        assert "Its status is pending; only a failed one is scheduled again" in page
        assert "schedules 1 upgrade" in page

    def test_pressing_twice_leads_to_the_same_batch(self, db, provider, background, batch):
        page = provider.get(f"{URL}/{batch.id}").click("Schedule all failed again")
        form = next(form for form in page.forms.values() if "digest" in form.fields)

        first, second = form.submit(), form.submit()

        assert location_of(first) == location_of(second) != f"{URL}/{batch.id}"
        assert background.wakes == 1
        assert len(db.scalars(select(Upgrade).where(Upgrade.retry_of_id.is_not(None))).all()) == 1

    def test_old_and_new_lead_to_each_other(self, db, provider, batch):
        failed = batch.upgrades_of_test[2]
        page = provider.get(f"{URL}/{batch.id}/schedule-again", [("u", failed.id)])
        next(form for form in page.forms.values() if "digest" in form.fields).submit()
        successor = db.scalar(select(Upgrade.id).where(Upgrade.retry_of_id == failed.id))

        old, new = (provider.get(f"/provider/upgrades/{key}") for key in (failed.id, successor))

        assert old.html.select_one(f"a[href$='/upgrades/{successor}']")
        assert new.html.select_one(f"a[href$='/upgrades/{failed.id}']")
        assert provider.get(f"{URL}/{batch.id}").html.select_one(f"tbody a[href$='/upgrades/{successor}']")

    def test_what_has_changed_since_the_preview_is_not_scheduled(self, db, provider, batch):
        page = provider.get(f"{URL}/{batch.id}/schedule-again", {"all_failed": "1"})
        form = next(form for form in page.forms.values() if "digest" in form.fields)
        running = batch.upgrades_of_test[1]
        running.status = UpgradeStatus.FAILED
        db.commit()

        response = form.submit()

        assert location_of(response) == f"{URL}/{batch.id}/schedule-again?all_failed=1"
        assert db.scalars(select(Upgrade).where(Upgrade.retry_of_id.is_not(None))).all() == []

    def test_without_a_selection_it_says_so(self, provider, batch):
        provider.get(f"{URL}/{batch.id}/schedule-again")

        assert "Select the failed upgrades" in provider.get(f"{URL}/{batch.id}")


class TestSorting:
    def test_a_head_sorts_and_sorts_back(self, provider, batch):
        down = provider.get(f"{URL}/{batch.id}").click("Subscription", href="sort=subscription")
        up = down.click("Subscription", href="sort=-subscription")

        def listed(page):
            return [row.th.get_text() for row in page.html.select("tbody tr")]

        assert listed(down) == sorted(listed(down)) == listed(up)[::-1]
        assert down.html.select_one("th[aria-sort=ascending]").get_text() == "Subscription"
        assert up.html.select_one("th[aria-sort=descending]").get_text() == "Subscription"

    @pytest.mark.parametrize("sort", ["requested_by", "-requested_by", "number", "nonsense"])
    def test_the_list_of_batches_goes_in_each_order(self, provider, batch, sort):
        assert f"Batch {batch.id}" in provider.get(URL, {"sort": sort})
