"""Two at the same time: what the database must keep apart, on both databases."""

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, text

from gateway.engine.entries import LeaseLostError
from gateway.engine.ledger import Ledger
from gateway.engine.license_book import LicenseBook
from gateway.models import ServicePlan, Subscription, Upgrade, UpgradeEvent, UpgradeStatus, UserLicense
from gateway.services.cancellation import UpgradeCancellation
from gateway.services.errors import NotEligibleError
from gateway.services.license_moves import LicenseMoves
from gateway.services.scheduling import UpgradeScheduling
from tests.factories import NOW, Factories
from tests.unit.services.helpers import E1, E3, PATIENCE, caller_of, in_background, paths_of


class TestTwoWhoSchedule:
    def test_the_second_finds_the_upgrade_of_the_first(self, database, catalog):
        ids, target, caller = catalog(3)

        def second():
            with database.write() as db:
                scheduling = UpgradeScheduling(db, caller, paths_of(db))
                return scheduling.schedule(ids[::-1], target, only_eligible=True, now=NOW)

        with database.write_session() as db:
            UpgradeScheduling(db, caller, paths_of(db)).schedule(
                ids[:2], target, only_eligible=False, now=NOW
            )
            with in_background(second) as future:
                wait_until_blocked(database)
                db.commit()
                scheduled = future.result(PATIENCE)

        assert [subscription_id for _, subscription_id in scheduled.upgrades] == [ids[2]]
        assert {refusal.subscription_id for refusal in scheduled.refused} == set(ids[:2])
        assert {v.code for refusal in scheduled.refused for v in refusal.violations} == {
            "upgrade_in_progress"
        }

    def test_a_row_that_somebody_else_inserts_is_found_too(self, database, catalog):
        [subscription_id], target, caller = catalog(1)

        def second():
            with database.write() as db:
                scheduling = UpgradeScheduling(db, caller, paths_of(db))
                return scheduling.schedule([subscription_id], target, only_eligible=False, now=NOW)

        with database.write_session() as db:
            insert_upgrade(db, subscription_id, target)
            with in_background(second) as future:
                wait_until_blocked(database)
                db.commit()
                with pytest.raises(NotEligibleError) as caught:
                    future.result(PATIENCE)

        assert [v.code for v in caught.value.refusals[0].violations] == ["upgrade_in_progress"]

    def test_the_second_goes_on_when_the_first_gives_up(self, database, catalog):
        [subscription_id], target, caller = catalog(1)

        def second():
            with database.write() as db:
                scheduling = UpgradeScheduling(db, caller, paths_of(db))
                return scheduling.schedule([subscription_id], target, only_eligible=False, now=NOW)

        with database.write_session() as db:
            scheduling = UpgradeScheduling(db, caller, paths_of(db))
            scheduling.schedule([subscription_id], target, only_eligible=False, now=NOW)
            with in_background(second) as future:
                wait_until_blocked(database)
                db.rollback()
                assert len(future.result(PATIENCE).upgrades) == 1

    def test_many_at_once_make_one_upgrade_for_each_subscription(self, database, catalog):
        ids, target, caller = catalog(20)
        begin = threading.Barrier(4)

        def schedule(order):
            begin.wait(PATIENCE)
            try:
                with database.write() as db:
                    scheduling = UpgradeScheduling(db, caller, paths_of(db))
                    return len(scheduling.schedule(order, target, only_eligible=True, now=NOW).upgrades)
            except NotEligibleError:
                return 0

        orders = [ids, ids[::-1], ids[7:] + ids[:7], ids[::2] + ids[1::2]]
        assert sum(run_all([lambda order=order: schedule(order) for order in orders])) == 20

        with database.read() as db:
            assert sorted(db.scalars(select(Upgrade.subscription_id))) == sorted(ids)


class TestCancelAndClaim:
    def test_one_that_was_claimed_first_says_so(self, database, catalog):
        upgrade_ids, caller = schedule_all(database, catalog(2))

        def cancel():
            with database.write() as db:
                return UpgradeCancellation(db, caller).cancel(upgrade_ids=upgrade_ids, now=NOW)

        with database.write_session() as db:
            claimed = db.get_one(Upgrade, upgrade_ids[0])
            claimed.status = UpgradeStatus.IN_PROGRESS
            db.flush()
            with in_background(cancel) as future:
                wait_until_blocked(database)
                db.commit()
                result = future.result(PATIENCE)

        assert result.canceled == [upgrade_ids[1]]
        assert [(n.upgrade_id, n.status) for n in result.not_canceled] == [
            (upgrade_ids[0], UpgradeStatus.IN_PROGRESS)
        ]

    def test_one_that_was_canceled_first_is_not_claimed(self, database, catalog):
        upgrade_ids, caller = schedule_all(database, catalog(2))

        with database.write_session() as db:
            UpgradeCancellation(db, caller).cancel(upgrade_ids=upgrade_ids[:1], now=NOW)
            with in_background(claims(database), 10) as future:
                db.commit()
                assert future.result(PATIENCE) == upgrade_ids[1:]

    def test_each_upgrade_is_either_claimed_or_canceled(self, database, catalog):
        upgrade_ids, caller = schedule_all(database, catalog(40))
        begin = threading.Barrier(3)

        def claim():
            begin.wait(PATIENCE)
            return [key for limit in range(4, 44, 4) for key in claims(database)(limit)]

        def cancel(ids):
            begin.wait(PATIENCE)
            canceled = []
            for start in range(0, len(ids), 5):
                with database.write() as db:
                    result = UpgradeCancellation(db, caller).cancel(
                        upgrade_ids=ids[start : start + 5], now=NOW
                    )
                canceled += result.canceled
            return canceled

        claimed, *canceled = run_all(
            [claim, lambda: cancel(upgrade_ids[::-1]), lambda: cancel(upgrade_ids[20:])]
        )
        canceled = sorted(canceled[0] + canceled[1])

        assert sorted(claimed + canceled) == upgrade_ids
        with database.read() as db:
            statuses = dict(map(tuple, db.execute(select(Upgrade.id, Upgrade.status))))
            events = db.execute(
                select(UpgradeEvent.upgrade_id, UpgradeEvent.name).where(UpgradeEvent.name != "scheduled")
            ).all()
        assert statuses == {
            key: UpgradeStatus.CANCELED if key in canceled else UpgradeStatus.IN_PROGRESS
            for key in upgrade_ids
        }
        assert sorted(events) == sorted(
            (key, "canceled" if key in canceled else "started") for key in upgrade_ids
        )


class TestLicenses:
    def test_a_worker_whose_upgrade_is_being_taken_over_writes_nobody_down(self, database):
        with database.write() as db:
            factories = Factories(db)
            upgrade = factories.upgrade(status=UpgradeStatus.IN_PROGRESS, lease_owner="node:slow")
            user, upgrade_id = factories.user_license(upgrade, holds_new=False), upgrade.id
            db.flush()
            db.expunge(user)
        user.holds_new = True
        worker: Any = SimpleNamespace(database=database, owner="node:slow", clock=lambda: NOW)

        with database.write_session() as db:
            db.get_one(Upgrade, upgrade_id).lease_owner = "node:quick"
            db.flush()
            with in_background(LicenseBook(worker, upgrade_id).write, [user]) as future:
                wait_until_blocked(database)
                db.commit()
                with pytest.raises(LeaseLostError):
                    future.result(PATIENCE)

        with database.read() as db:
            assert db.scalars(select(UserLicense.holds_new)).all() == [False]

    def test_the_second_who_asks_to_move_them_is_told_that_it_is_under_way(self, database):
        with database.write() as db:
            factories = Factories(db)
            upgrade = factories.upgrade(status=UpgradeStatus.COMPLETED_WITH_WARNINGS)
            for _ in range(3):
                factories.user_license(upgrade)
            upgrade_id, caller = upgrade.id, caller_of(db, factories.provider())

        def second():
            with database.write() as db:
                return LicenseMoves(db, caller).request(upgrade_id, NOW)

        with database.write_session() as db:
            assert LicenseMoves(db, caller).request(upgrade_id, NOW) == 3
            with in_background(second) as future:
                wait_until_blocked(database)
                db.commit()
                assert future.result(PATIENCE) == 3

        with database.read() as db:
            assert db.scalar(select(func.count()).select_from(UpgradeEvent)) == 1


@pytest.fixture
def catalog(database):
    """Makes a committed catalog: ids of subscriptions of one plan, the target plan's id, the provider."""

    def make(count):
        with database.write() as db:
            factories = Factories(db)
            source = factories.service_plan([factories.resource_type(offer_id=E1)])
            target = factories.service_plan([factories.resource_type(offer_id=E3)])
            ids = [factories.subscription(source).id for _ in range(count)]
            return ids, target.id, caller_of(db, factories.provider())

    return make


def schedule_all(database, catalog):
    ids, target, caller = catalog
    with database.write() as db:
        scheduling = UpgradeScheduling(db, caller, paths_of(db))
        scheduled = scheduling.schedule(ids, target, only_eligible=False, now=NOW)
    return [upgrade_id for upgrade_id, _ in scheduled.upgrades], caller


def insert_upgrade(db, subscription_id, target_id):
    return Factories(db).upgrade(
        db.get_one(Subscription, subscription_id), db.get_one(ServicePlan, target_id)
    )


def claims(database):
    """A worker, as a function of its limit."""

    def claim(limit):
        ledger = Ledger(database, "node:1", timedelta(seconds=30), lambda: NOW, limit)
        try:
            return ledger.claim()
        finally:
            ledger.close()

    return claim


def run_all(functions):
    """Run them at the same time; their results, in the same order."""
    results = {}

    def run(number, function):
        results[number] = function()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return [results[number] for number in range(len(functions))]


def wait_until_blocked(database):
    """Wait until somebody waits for a lock. SQLite tells nobody; there the second waits to begin at all."""
    if database.is_sqlite:
        return
    pause = threading.Event()
    with database.engine.connect() as connection:
        for _ in range(PATIENCE * 100):
            waiting = connection.execute(
                text(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            )
            if waiting.scalar():
                return
            connection.rollback()
            pause.wait(0.01)
    pytest.fail("nobody waits for a lock")
