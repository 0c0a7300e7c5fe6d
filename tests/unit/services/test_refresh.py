from datetime import timedelta

import pytest

from gateway.models import Role, UpgradeStatus, UpgradeStep
from gateway.services.errors import InvalidSelectionError, UpgradeBatchNotFoundError, UpgradeNotFoundError
from gateway.services.refresh import StatusRefresh
from tests.factories import NOW
from tests.unit.services.helpers import Tree, caller_of, visible_to

LATER = NOW + timedelta(minutes=5)
EARLIER = NOW - timedelta(minutes=5)
RUNNING = {"status": UpgradeStatus.IN_PROGRESS, "due_at": LATER}
WAITING = RUNNING | {"step": UpgradeStep.WAITING}


class TestRefreshUpgrades:
    @pytest.mark.parametrize("step", [UpgradeStep.WAITING, UpgradeStep.VERIFYING])
    def test_what_waits_for_microsoft_is_due_now(self, db, refresh, factories, step):
        upgrade = factories.upgrade(**RUNNING, step=step)

        result = refresh.refresh(upgrade_ids=[upgrade.id], now=NOW)

        db.refresh(upgrade)
        assert (result.refreshed, result.not_refreshed, result.others) == ([upgrade.id], [], 0)
        assert upgrade.due_at == NOW

    @pytest.mark.parametrize(("due_at", "expected"), [(EARLIER, EARLIER), (None, NOW)])
    def test_one_that_is_overdue_keeps_its_place(self, db, refresh, factories, due_at, expected):
        upgrade = factories.upgrade(**(WAITING | {"due_at": due_at}))

        assert refresh.refresh(upgrade_ids=[upgrade.id], now=NOW).refreshed == [upgrade.id]

        db.refresh(upgrade)
        assert upgrade.due_at == expected

    @pytest.mark.parametrize(
        "columns",
        [
            {"status": UpgradeStatus.PENDING},
            RUNNING | {"step": UpgradeStep.CHECKING},
            RUNNING | {"step": UpgradeStep.SUBMITTING},
            {"status": UpgradeStatus.COMPLETED, "step": UpgradeStep.VERIFYING},
            {"status": UpgradeStatus.COMPLETED_WITH_WARNINGS, "step": UpgradeStep.VERIFYING},
            {"status": UpgradeStatus.FAILED, "step": UpgradeStep.WAITING},
            {"status": UpgradeStatus.CANCELED},
        ],
    )
    def test_others_stay_and_say_why(self, db, refresh, factories, columns):
        upgrade = factories.upgrade(**({"due_at": LATER} | columns))

        result = refresh.refresh(upgrade_ids=[upgrade.id], now=NOW)

        db.refresh(upgrade)
        [other] = result.not_refreshed
        assert (other.upgrade_id, other.status) == (upgrade.id, columns["status"])
        assert other.detail
        assert (result.refreshed, upgrade.due_at) == ([], LATER)

    def test_who_only_reads_may_do_it(self, db, factories):
        upgrade = factories.upgrade(**WAITING)
        refresh = StatusRefresh(db, caller_of(db, factories.provider(), Role.READ_ONLY))

        assert refresh.refresh(upgrade_ids=[upgrade.id], now=NOW).refreshed == [upgrade.id]

    def test_each_vendor_refreshes_in_its_own_branch_and_nothing_else(self, db, factories):
        tree = Tree(factories)
        upgrades = {
            vendor.id: factories.upgrade(tree.subscriptions[vendor.id], tree.targets[vendor.id], **WAITING)
            for vendor in tree.vendors
        }
        for vendor in tree.vendors:
            refresh = StatusRefresh(db, caller_of(db, vendor))
            for owner, upgrade in upgrades.items():
                if owner in visible_to(tree, vendor):
                    assert refresh.refresh(upgrade_ids=[upgrade.id], now=NOW).refreshed == [upgrade.id]
                    continue
                with pytest.raises(UpgradeNotFoundError):
                    refresh.refresh(upgrade_ids=[upgrade.id], now=NOW)
                with pytest.raises(UpgradeBatchNotFoundError):
                    refresh.refresh(batch_id=upgrade.batch_id, now=NOW)

    def test_it_names_either_upgrades_or_a_batch(self, refresh):
        with pytest.raises(InvalidSelectionError):
            refresh.refresh(now=NOW)


class TestRefreshBatch:
    def test_those_in_progress_are_named_and_the_others_counted(self, refresh, factories):
        batch = factories.batch()
        waiting = [factories.upgrade(batch=batch, **WAITING).id for _ in range(2)]
        checking = factories.upgrade(batch=batch, **RUNNING, step=UpgradeStep.CHECKING)
        factories.upgrade(batch=batch)
        factories.upgrade(batch=batch, status=UpgradeStatus.FAILED)
        factories.upgrade(**WAITING)

        result = refresh.refresh(batch_id=batch.id, now=NOW)

        assert result.refreshed == waiting
        assert [other.upgrade_id for other in result.not_refreshed] == [checking.id]
        assert result.others == 2


@pytest.fixture
def refresh(db, factories):
    return StatusRefresh(db, caller_of(db, factories.provider()))
