from datetime import timedelta

import pytest
from sqlalchemy import event

from gateway.models import Account, Upgrade, UpgradeStatus
from gateway.services.errors import (
    InvalidCursorError,
    InvalidLimitError,
    UpgradeBatchNotFoundError,
    UpgradeNotFoundError,
)
from gateway.services.upgrade_queries import UpgradeQueries
from tests.factories import NOW, Factories
from tests.unit.services.helpers import Tree, caller_of, visible_to

MINUTE = timedelta(minutes=1)


class TestGet:
    def test_an_upgrade_comes_with_its_timeline(self, queries, factories):
        upgrade = factories.upgrade()
        events = [factories.upgrade_event(upgrade, name=name) for name in ("scheduled", "started")]
        factories.upgrade_event()

        found = queries.get(upgrade.id)

        assert found is upgrade
        assert found.events == events

    @pytest.mark.parametrize("upgrade_id", [0, -1, 10**30, 4711])
    def test_one_that_does_not_exist_is_an_error(self, queries, upgrade_id):
        with pytest.raises(UpgradeNotFoundError, match=f"upgrade {upgrade_id} not found"):
            queries.get(upgrade_id)


class TestList:
    def test_the_newest_come_first_page_by_page(self, queries, factories):
        ids = [factories.upgrade().id for _ in range(5)]

        seen, cursor = [], None
        for _ in range(3):
            page = queries.list(cursor=cursor, limit=2)
            seen.append([upgrade.id for upgrade in page.items])
            cursor = page.next_cursor

        assert seen == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
        assert cursor is None

    def test_new_ones_do_not_move_the_pages(self, queries, factories):
        ids = [factories.upgrade().id for _ in range(4)]
        first = queries.list(limit=2)
        factories.upgrade()

        second = queries.list(limit=2, cursor=first.next_cursor)

        assert [upgrade.id for upgrade in second.items] == [ids[1], ids[0]]

    def test_it_may_be_narrowed(self, queries, factories):
        batch = factories.batch()
        wanted = factories.upgrade(batch=batch, status=UpgradeStatus.FAILED)
        again = factories.upgrade(wanted.subscription, batch=factories.batch())
        running = factories.upgrade(batch=batch, status=UpgradeStatus.IN_PROGRESS)

        def ids(**narrowed):
            return [upgrade.id for upgrade in queries.list(**narrowed).items]

        assert ids(batch_id=batch.id) == [running.id, wanted.id]
        assert ids(status=UpgradeStatus.FAILED) == [wanted.id]
        assert ids(subscription_id=wanted.subscription_id) == [again.id, wanted.id]
        assert ids(batch_id=batch.id, subscription_id=wanted.subscription_id) == [wanted.id]
        assert ids(batch_id=10**30) == ids(subscription_id="a\x00") == []

    def test_cursor_and_limit_are_checked(self, queries):
        with pytest.raises(InvalidCursorError):
            queries.list(cursor="!")
        with pytest.raises(InvalidLimitError):
            queries.list(limit=0)
        with pytest.raises(InvalidLimitError):
            queries.list_batches(limit=501)


class TestBatch:
    def test_it_counts_by_status(self, queries, factories):
        batch = factories.batch()
        for status in (*UpgradeStatus, UpgradeStatus.PENDING):
            factories.upgrade(batch=batch, status=status, started_at=NOW, finished_at=NOW)
        factories.upgrade()

        progress = queries.batch(batch.id, now=NOW)

        assert progress.batch is batch
        assert progress.counts == dict.fromkeys(UpgradeStatus, 1) | {UpgradeStatus.PENDING: 2}
        assert (progress.total, progress.finished, progress.live) == (7, 4, 3)
        assert progress.share_done == pytest.approx(4 / 7)

    def test_it_counts_those_of_all_that_are_in_progress_at_the_same_moment(self, database):
        """What ends between two reads would be in progress in one of them, and not in the other."""
        with database.write() as db:
            factories = Factories(db)
            batch = factories.batch()
            ids = [
                factories.upgrade(batch=each, status=UpgradeStatus.IN_PROGRESS).id
                for each in (batch, factories.batch())
            ]
        ending = iter([ids])

        def end(_connection, _cursor, statement, *_):
            if "GROUP BY" not in statement:
                return
            for upgrade_id in next(ending, ()):
                with database.write() as other:
                    other.get_one(Upgrade, upgrade_id).status = UpgradeStatus.COMPLETED

        event.listen(database.engine, "after_cursor_execute", end)
        before, after = (self.progress(database, batch) for _ in range(2))

        assert (before.counts[UpgradeStatus.IN_PROGRESS], before.running) == (1, 2)
        assert (after.counts[UpgradeStatus.IN_PROGRESS], after.running) == (0, 0)

    def test_the_end_is_estimated_from_the_pace_so_far(self, queries, factories):
        batch = factories.batch()
        for number in range(4):
            factories.upgrade(
                batch=batch,
                status=UpgradeStatus.COMPLETED,
                started_at=NOW + number * MINUTE,
                finished_at=NOW + (number + 1) * MINUTE,
            )
        for _ in range(6):
            factories.upgrade(batch=batch)

        progress = queries.batch(batch.id, now=NOW + 4 * MINUTE)

        assert progress.throughput_per_minute == pytest.approx(1.0)
        assert progress.estimated_end_at == NOW + 10 * MINUTE

    def test_only_the_last_ones_tell_the_pace(self, queries, factories, monkeypatch):
        monkeypatch.setattr("gateway.services.upgrade_queries.RECENT", 2)
        batch = factories.batch()
        done = {"batch": batch, "status": UpgradeStatus.COMPLETED}
        factories.upgrade(**done, started_at=NOW, finished_at=NOW + 58 * MINUTE)
        for _ in range(2):
            factories.upgrade(**done, started_at=NOW + 59 * MINUTE, finished_at=NOW + 60 * MINUTE)
        factories.upgrade(batch=batch)

        progress = queries.batch(batch.id, now=NOW + 60 * MINUTE)

        assert progress.throughput_per_minute == pytest.approx(2.0)

    def test_there_is_no_estimate_before_one_has_run(self, queries, factories):
        batch = factories.batch()
        factories.upgrade(batch=batch)
        factories.upgrade(batch=batch, status=UpgradeStatus.CANCELED, finished_at=NOW)

        progress = queries.batch(batch.id, now=NOW)

        assert (progress.throughput_per_minute, progress.estimated_end_at) == (None, None)

    def test_one_that_has_ended_keeps_its_pace_and_has_no_estimate(self, queries, factories):
        batch = factories.batch()
        factories.upgrade(
            batch=batch, status=UpgradeStatus.FAILED, started_at=NOW, finished_at=NOW + 2 * MINUTE
        )

        progress = queries.batch(batch.id, now=NOW + 90 * MINUTE)

        assert progress.throughput_per_minute == pytest.approx(0.5)
        assert (progress.estimated_end_at, progress.share_done) == (None, 1.0)

    def test_no_time_at_all_is_no_pace(self, queries, factories):
        batch = factories.batch()
        factories.upgrade(batch=batch, status=UpgradeStatus.COMPLETED, started_at=NOW, finished_at=NOW)

        assert queries.batch(batch.id).throughput_per_minute is None

    def test_an_empty_one_is_done(self, queries, factories):
        assert queries.batch(factories.batch().id).share_done == 1.0

    @pytest.mark.parametrize("batch_id", [0, 10**30, 4711])
    def test_one_that_does_not_exist_is_an_error(self, queries, batch_id):
        with pytest.raises(UpgradeBatchNotFoundError):
            queries.batch(batch_id)

    def progress(self, database, batch):
        with database.read() as db:
            vendor = db.get_one(Account, batch.account_id)
            return UpgradeQueries(db, caller_of(db, vendor)).batch(batch.id)


class TestListBatches:
    def test_the_newest_come_first_with_their_counts(self, queries, factories):
        batches = [factories.batch() for _ in range(3)]
        factories.upgrade(batch=batches[2])

        first = queries.list_batches(limit=2)
        second = queries.list_batches(limit=2, cursor=first.next_cursor)

        assert [(row.batch.id, row.total) for row in first.items] == [(batches[2].id, 1), (batches[1].id, 0)]
        assert [row.batch.id for row in second.items] == [batches[0].id]
        assert second.next_cursor is None


class TestWhoSeesWhat:
    def test_each_vendor_sees_its_own_branch_and_nothing_else(self, db, factories):
        tree = Tree(factories)
        upgrades = {
            vendor.id: factories.upgrade(
                tree.subscriptions[vendor.id], batch=factories.batch(tree.targets[vendor.id], vendor)
            )
            for vendor in tree.vendors
        }
        for vendor in tree.vendors:
            queries = UpgradeQueries(db, caller_of(db, vendor))
            seen = visible_to(tree, vendor)
            assert {u.id for u in queries.list().items} == {upgrades[owner].id for owner in seen}
            batches = {row.batch.account_id for row in queries.list_batches().items}
            assert batches == seen
            for owner, upgrade in upgrades.items():
                listed = queries.list(batch_id=upgrade.batch_id).items
                assert listed == queries.list(subscription_id=upgrade.subscription_id).items
                if owner in seen:
                    assert queries.get(upgrade.id) is upgrade
                    assert queries.batch(upgrade.batch_id).total == len(listed) == 1
                    continue
                assert listed == []
                with pytest.raises(UpgradeNotFoundError):
                    queries.get(upgrade.id)
                with pytest.raises(UpgradeBatchNotFoundError):
                    queries.batch(upgrade.batch_id)

    def test_a_reseller_sees_upgrades_of_its_branch_that_the_provider_asked_for(self, db, factories):
        tree = Tree(factories)
        batch = factories.batch(tree.targets["parent"], tree.provider)
        upgrade = factories.upgrade(tree.subscriptions["parent"], batch=batch)
        queries = UpgradeQueries(db, caller_of(db, tree.parent))

        assert queries.get(upgrade.id) is upgrade
        with pytest.raises(UpgradeBatchNotFoundError):
            queries.batch(batch.id)

    def test_a_batch_does_not_count_what_has_left_the_branch(self, db, factories):
        tree = Tree(factories)
        batch = factories.batch(tree.targets["parent"], tree.parent)
        factories.upgrade(tree.subscriptions["parent"], batch=batch)
        factories.upgrade(tree.subscriptions["sibling"], batch=batch)

        assert UpgradeQueries(db, caller_of(db, tree.parent)).batch(batch.id).total == 1


@pytest.fixture
def queries(db, factories):
    return UpgradeQueries(db, caller_of(db, factories.provider()))


class TestTheVersionOfABatch:
    def test_it_changes_with_everything_that_does(self, queries, factories, db):
        batch = factories.batch()
        first, second = (factories.upgrade(batch=batch, changed_at=NOW) for _ in range(2))
        versions = [queries.version(batch.id)]

        for upgrade, seconds in ((first, 30), (second, 29)):  # The later one bears the earlier time.
            upgrade.changed_at = NOW + timedelta(seconds=seconds)
            db.flush()
            versions.append(queries.version(batch.id))

        assert len(set(versions)) == 3
        assert queries.version(batch.id) == versions[-1]

    def test_it_is_told_to_those_who_see_the_batch(self, db, factories):
        tree = Tree(factories)
        batch = factories.batch(tree.targets["child"], account=tree.child)

        for vendor in (tree.provider, tree.parent, tree.child):
            assert UpgradeQueries(db, caller_of(db, vendor)).version(batch.id) == ""
        with pytest.raises(UpgradeBatchNotFoundError):
            UpgradeQueries(db, caller_of(db, tree.sibling)).version(batch.id)

    def test_that_of_a_batch_that_does_not_exist_is_an_error(self, queries):
        with pytest.raises(UpgradeBatchNotFoundError):
            queries.version(10**12)


def test_pending_ones_behind_another_upgrade_of_the_customer_are_counted(queries, factories):
    plan, customer = factories.service_plan(), factories.customer()
    first, second, other = (
        factories.subscription(plan, account=account)
        for account in (customer, customer, factories.customer())
    )
    batch = factories.batch()
    factories.upgrade(first, status=UpgradeStatus.IN_PROGRESS)
    for subscription in (second, other):
        factories.upgrade(subscription, batch=batch)

    assert queries.count_behind_others(batch.id) == 1
