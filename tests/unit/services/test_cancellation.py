import pytest
from sqlalchemy import select

from gateway.models import PlanKind, Role, Upgrade, UpgradeEvent, UpgradeStatus
from gateway.services import selection
from gateway.services.cancellation import UpgradeCancellation
from gateway.services.errors import (
    CustomerManagementRequiredError,
    InvalidSelectionError,
    RoleNotSufficientError,
    UpgradeBatchNotFoundError,
    UpgradeNotFoundError,
)
from tests.factories import NOW
from tests.unit.services.helpers import Tree, caller_of, visible_to

NOT_PENDING = [status for status in UpgradeStatus if status is not UpgradeStatus.PENDING]


class TestCancelUpgrades:
    def test_what_is_pending_is_canceled(self, db, cancellation, factories):
        ids = [factories.upgrade(waiting_for="a slot").id for _ in range(2)]

        result = cancellation.cancel(upgrade_ids=ids[::-1], now=NOW)

        assert (result.canceled, result.not_canceled, result.finished) == (ids, [], 0)
        for row in db.scalars(select(Upgrade).execution_options(populate_existing=True)):
            assert row.status is UpgradeStatus.CANCELED
            assert (row.finished_at, row.changed_at, row.due_at, row.waiting_for) == (NOW, NOW, None, None)

    def test_rows_that_were_read_before_know_it(self, cancellation, factories):
        upgrade = factories.upgrade()

        cancellation.cancel(upgrade_ids=[upgrade.id], now=NOW)

        assert upgrade.status is UpgradeStatus.CANCELED

    def test_the_timeline_says_who_did_it(self, db, cancellation, factories, caller):
        upgrade = factories.upgrade()

        cancellation.cancel(upgrade_ids=[upgrade.id], now=NOW)

        event = db.scalars(select(UpgradeEvent)).one()
        assert (event.upgrade_id, event.name, event.at) == (upgrade.id, "canceled", NOW)
        assert event.detail == f"Canceled by {caller.name}"

    @pytest.mark.parametrize("status", NOT_PENDING)
    def test_what_is_not_pending_stays_and_says_why(self, db, cancellation, factories, status):
        pending, other = factories.upgrade(), factories.upgrade(status=status)

        result = cancellation.cancel(upgrade_ids=[other.id, pending.id], now=NOW)

        assert result.canceled == [pending.id]
        [not_canceled] = result.not_canceled
        assert (not_canceled.upgrade_id, not_canceled.status) == (other.id, status)
        assert not_canceled.detail
        assert result.finished == (status is not UpgradeStatus.IN_PROGRESS)
        assert db.scalar(select(Upgrade.status).where(Upgrade.id == other.id)) is status
        assert db.scalars(select(UpgradeEvent.upgrade_id)).all() == [pending.id]

    def test_a_repeated_id_counts_once(self, cancellation, factories):
        upgrade = factories.upgrade()

        assert cancellation.cancel(upgrade_ids=[upgrade.id] * 3, now=NOW).canceled == [upgrade.id]

    def test_a_second_time_it_says_that_it_was_canceled_before(self, cancellation, factories):
        upgrade = factories.upgrade()
        cancellation.cancel(upgrade_ids=[upgrade.id], now=NOW)

        result = cancellation.cancel(upgrade_ids=[upgrade.id], now=NOW)

        assert [n.detail for n in result.not_canceled] == ["It was canceled before"]

    def test_unknown_ids_are_all_named_and_nothing_happens(self, cancellation, factories):
        upgrade = factories.upgrade()

        with pytest.raises(UpgradeNotFoundError) as caught:
            cancellation.cancel(upgrade_ids=[upgrade.id, 0, -3, 10**30, upgrade.id + 1], now=NOW)

        assert set(caught.value.ids) == {0, -3, 10**30, upgrade.id + 1}
        assert caught.value.code == "upgrade_not_found"
        assert upgrade.status is UpgradeStatus.PENDING


class TestCancelBatch:
    def test_everything_pending_in_it_is_canceled(self, cancellation, factories):
        batch = factories.batch()
        pending = [factories.upgrade(batch=batch).id for _ in range(3)]
        running = factories.upgrade(batch=batch, status=UpgradeStatus.IN_PROGRESS)
        factories.upgrade(batch=batch, status=UpgradeStatus.COMPLETED)
        factories.upgrade(batch=batch, status=UpgradeStatus.CANCELED)
        elsewhere = factories.upgrade()

        result = cancellation.cancel(batch_id=batch.id, now=NOW)

        assert result.canceled == pending
        assert [(n.upgrade_id, n.status) for n in result.not_canceled] == [
            (running.id, UpgradeStatus.IN_PROGRESS)
        ]
        assert result.finished == 2
        assert elsewhere.status is UpgradeStatus.PENDING

    @pytest.mark.parametrize("batch_id", [0, 10**30, 4711])
    def test_an_unknown_one_is_an_error(self, cancellation, batch_id):
        with pytest.raises(UpgradeBatchNotFoundError) as caught:
            cancellation.cancel(batch_id=batch_id, now=NOW)

        assert caught.value.code == "upgrade_batch_not_found"


class TestWhatTheRequestMustBe:
    @pytest.mark.parametrize("request_", [{}, {"upgrade_ids": [1], "batch_id": 1}, {"upgrade_ids": []}])
    def test_it_names_either_upgrades_or_a_batch(self, cancellation, request_):
        with pytest.raises(InvalidSelectionError) as caught:
            cancellation.cancel(**request_, now=NOW)

        assert caught.value.code == "invalid_selection"

    def test_there_are_at_most_so_many(self, cancellation, monkeypatch):
        monkeypatch.setattr(selection, "MOST_UPGRADES", 2)

        with pytest.raises(InvalidSelectionError, match="3 upgrade_ids; expected 1 to 2"):
            cancellation.cancel(upgrade_ids=[1, 2, 3], now=NOW)


class TestWhoMayDoIt:
    def test_each_vendor_cancels_in_its_own_branch_and_nothing_else(self, db, factories):
        tree = Tree(factories)
        for vendor in tree.vendors:
            for owner in tree.vendors:
                with db.begin_nested() as savepoint:
                    upgrade = factories.upgrade(tree.subscriptions[owner.id], tree.targets[owner.id])
                    cancel = UpgradeCancellation(db, caller_of(db, vendor)).cancel
                    if owner.id in visible_to(tree, vendor):
                        assert cancel(upgrade_ids=[upgrade.id], now=NOW).canceled == [upgrade.id]
                    else:
                        with pytest.raises(UpgradeNotFoundError):
                            cancel(upgrade_ids=[upgrade.id], now=NOW)
                        with pytest.raises(UpgradeBatchNotFoundError):
                            cancel(batch_id=upgrade.batch_id, now=NOW)
                    savepoint.rollback()

    def test_a_batch_leaves_alone_what_has_left_the_branch(self, db, factories):
        tree = Tree(factories)
        batch = factories.batch(tree.targets["parent"], tree.parent)
        mine = factories.upgrade(tree.subscriptions["parent"], batch=batch)
        gone = factories.upgrade(tree.subscriptions["sibling"], batch=batch)

        result = UpgradeCancellation(db, caller_of(db, tree.parent)).cancel(batch_id=batch.id, now=NOW)

        assert (result.canceled, result.finished) == ([mine.id], 0)
        assert gone.status is UpgradeStatus.PENDING

    def test_a_reseller_needs_customer_management(self, db, factories):
        reseller = factories.reseller()
        upgrade = factories.upgrade(factories.subscription(factories.service_plan(vendor=reseller)))
        cancellation = UpgradeCancellation(db, caller_of(db, reseller))

        with pytest.raises(CustomerManagementRequiredError):
            cancellation.cancel(upgrade_ids=[upgrade.id], now=NOW)
        factories.subscription(factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT), account=reseller)

        assert cancellation.cancel(upgrade_ids=[upgrade.id], now=NOW).canceled == [upgrade.id]

    def test_a_role_that_reads_is_refused(self, db, factories):
        upgrade = factories.upgrade()
        caller = caller_of(db, factories.provider(), Role.READ_ONLY)

        with pytest.raises(RoleNotSufficientError):
            UpgradeCancellation(db, caller).cancel(upgrade_ids=[upgrade.id], now=NOW)


@pytest.fixture
def caller(db, factories):
    return caller_of(db, factories.provider())


@pytest.fixture
def cancellation(db, caller):
    return UpgradeCancellation(db, caller)
