import pytest
from sqlalchemy import event

from gateway.models import UpgradeStatus
from gateway.services.errors import InvalidCursorError, InvalidLimitError, SubscriptionNotFoundError
from gateway.services.paging import encode_cursor
from gateway.services.subscription_queries import SubscriptionQueries
from tests.unit.services.helpers import Tree, caller_of, visible_to


class TestGet:
    def test_it_comes_with_its_newest_upgrade(self, queries, factories):
        upgrade = factories.upgrade(status=UpgradeStatus.FAILED)
        newest = factories.upgrade(upgrade.subscription, status=UpgradeStatus.COMPLETED)

        row = queries.get(upgrade.subscription_id)

        assert row.subscription is upgrade.subscription
        assert (row.upgrade, row.upgrade_id, row.upgrade_status) == (
            newest,
            newest.id,
            UpgradeStatus.COMPLETED,
        )

    def test_one_that_was_never_upgraded_has_none(self, queries, factories):
        row = queries.get(factories.subscription().id)

        assert (row.upgrade, row.upgrade_id, row.upgrade_status) == (None, None, None)

    @pytest.mark.parametrize("subscription_id", ["nowhere", "", "a\x00b", "\ud800"])
    def test_one_that_does_not_exist_is_an_error(self, queries, subscription_id):
        with pytest.raises(SubscriptionNotFoundError):
            queries.get(subscription_id)


class TestList:
    def test_it_goes_by_id_page_by_page(self, queries, factories):
        plan = factories.service_plan()
        ids = [factories.subscription(plan, id=name).id for name in ("d", "a", "c", "e", "b")]

        seen, cursor = [], None
        for _ in range(3):
            page = queries.list(cursor=cursor, limit=2)
            seen.append([row.subscription.id for row in page.items])
            cursor = page.next_cursor

        assert seen == [["a", "b"], ["c", "d"], ["e"]]
        assert cursor is None
        assert queries.ids(at_most=10) == sorted(ids)
        assert queries.ids(at_most=2) == ["a", "b"]

    def test_a_cursor_whose_subscription_is_gone_goes_on_behind_it(self, queries, factories):
        factories.subscription(id="c")

        assert [row.subscription.id for row in queries.list(cursor=encode_cursor("b")).items] == ["c"]

    def test_it_may_be_narrowed_to_a_plan(self, queries, factories):
        subscription, other = factories.subscription(), factories.subscription()

        def ids(plan_id):
            return [row.subscription.id for row in queries.list(service_plan_id=plan_id).items]

        assert ids(subscription.service_plan_id) == [subscription.id]
        assert ids(other.service_plan_id) == [other.id]
        assert ids("nowhere") == ids("a\x00") == []

    def test_it_may_be_narrowed_to_a_status_of_the_newest_upgrade(self, queries, factories):
        never = factories.subscription()
        failed = factories.upgrade(status=UpgradeStatus.FAILED).subscription
        retried = factories.upgrade(status=UpgradeStatus.FAILED).subscription
        factories.upgrade(retried, status=UpgradeStatus.PENDING)

        def ids(status):
            found = [row.subscription.id for row in queries.list(upgrade_status=status).items]
            assert found == queries.ids(upgrade_status=status, at_most=100)
            return found

        assert ids("none") == [never.id]
        assert ids(UpgradeStatus.FAILED) == [failed.id]
        assert ids(UpgradeStatus.PENDING) == [retried.id]
        assert ids(UpgradeStatus.CANCELED) == []

    def test_a_long_page_takes_as_many_queries_as_a_short_one(self, queries, factories, db):
        plan = factories.service_plan()
        for _ in range(12):
            factories.upgrade(factories.subscription(plan), status=UpgradeStatus.FAILED)
        statements = []
        event.listen(db.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))

        def count(limit):
            db.expunge_all()
            statements.clear()
            for row in queries.list(limit=limit).items:
                assert row.subscription.account.name
                assert row.subscription.service_plan.name
                assert row.subscription.licenses
                assert row.upgrade_status is UpgradeStatus.FAILED
            return len(statements)

        assert count(1) == count(12) <= 3

    def test_versions_are_those_of_the_rows(self, queries, factories):
        upgrade = factories.upgrade()
        ids = [factories.subscription().id, upgrade.subscription_id]

        assert queries.versions(ids) == {row.subscription.id: row.version for row in queries.by_ids(ids)}

    def test_cursor_and_limit_are_checked(self, queries):
        with pytest.raises(InvalidCursorError):
            queries.list(cursor=encode_cursor(7))
        with pytest.raises(InvalidLimitError):
            queries.list(limit=501)


class TestWhoSeesWhat:
    def test_each_vendor_sees_its_own_branch_and_nothing_else(self, db, factories):
        tree = Tree(factories)
        for vendor in tree.vendors:
            queries = SubscriptionQueries(db, caller_of(db, vendor))
            seen = {tree.subscriptions[owner].id for owner in visible_to(tree, vendor)}
            managed = {
                f"management-{owner}" for owner in visible_to(tree, vendor) if owner != tree.provider.id
            }
            assert {row.subscription.id for row in queries.list().items} == seen | managed
            assert set(queries.ids(at_most=100)) == seen | managed
            everything = [each.id for each in tree.subscriptions.values()]
            assert set(queries.versions([*everything, "nowhere", "a\x00b"])) == seen
            for owner, subscription in tree.subscriptions.items():
                listed = queries.list(service_plan_id=tree.sources[owner].id).items
                if subscription.id in seen:
                    assert queries.get(subscription.id).subscription is subscription
                    assert len(listed) == 1
                    continue
                assert listed == []
                with pytest.raises(SubscriptionNotFoundError):
                    queries.get(subscription.id)


@pytest.fixture
def queries(db, factories):
    return SubscriptionQueries(db, caller_of(db, factories.provider()))
