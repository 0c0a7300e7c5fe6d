from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.models import SubscriptionStatus, Upgrade, UpgradeEvent, UpgradeStatus
from gateway.services.errors import (
    InvalidSelectionError,
    NotEligibleError,
    UpgradeBatchNotFoundError,
    UpgradeNotFoundError,
)
from gateway.services.retrying import UpgradeRetry
from gateway.services.scheduling import UpgradeScheduling
from tests.factories import NOW
from tests.unit.services.helpers import caller_of, paths_of


class TestRetry:
    def test_a_failed_one_is_repeated_and_linked_to_its_successor(self, db, retry, batch, make):
        failed = make(UpgradeStatus.FAILED)

        repeated, assessment = retry.retry(batch.id, None, NOW)

        successor = db.scalars(select(Upgrade).where(Upgrade.batch_id == repeated.id)).one()
        assert assessment.eligible == [failed]
        assert (successor.retry_of_id, successor.subscription_id) == (failed.id, failed.subscription_id)
        assert (successor.status, successor.target_plan_id) == (UpgradeStatus.PENDING, batch.target_plan_id)
        assert successor.request_id != failed.request_id

    def test_the_old_one_stays_as_it_ended(self, db, retry, batch, make):
        failed = make(UpgradeStatus.FAILED, reason="It broke")

        repeated, _ = retry.retry(batch.id, [failed.id], NOW)

        db.refresh(failed)
        lines = db.scalars(select(UpgradeEvent).where(UpgradeEvent.upgrade_id == failed.id)).all()
        assert (failed.status, failed.reason, failed.batch_id) == (UpgradeStatus.FAILED, "It broke", batch.id)
        assert [(line.name, f"batch {repeated.id}" in line.detail) for line in lines] == [
            ("scheduled_again", True)
        ]

    def test_twice_makes_one_successor(self, db, retry, batch, make):
        make(UpgradeStatus.FAILED)
        repeated, _ = retry.retry(batch.id, None, NOW)

        with pytest.raises(NotEligibleError):
            retry.retry(batch.id, None, NOW)

        assert retry.assess(batch.id, None, NOW).done_before_in == repeated.id
        assert len(db.scalars(select(Upgrade)).all()) == 2

    def test_what_failed_again_can_be_repeated_in_its_turn(self, db, retry, batch, make):
        make(UpgradeStatus.FAILED)
        second, _ = retry.retry(batch.id, None, NOW)
        db.scalars(select(Upgrade).where(Upgrade.batch_id == second.id)).one().status = UpgradeStatus.FAILED
        db.flush()

        third, assessment = retry.retry(second.id, None, NOW)

        assert third.id not in (batch.id, second.id)
        assert len(assessment.eligible) == 1

    def test_those_that_cannot_be_are_left_out_with_their_reasons(self, db, factories, retry, batch, make):
        good, pending, suspended, overtaken = (
            make(status)
            for status in (
                UpgradeStatus.FAILED,
                UpgradeStatus.PENDING,
                UpgradeStatus.FAILED,
                UpgradeStatus.FAILED,
            )
        )
        suspended.subscription.status = SubscriptionStatus.SUSPENDED
        later = factories.upgrade(overtaken.subscription, status=UpgradeStatus.CANCELED)
        db.flush()

        _, assessment = retry.retry(batch.id, [good.id, pending.id, suspended.id, overtaken.id], NOW)

        reasons = {each.upgrade: each.reasons[0].detail for each in assessment.refused}
        assert assessment.eligible == [good]
        assert reasons[pending] == "Its status is pending; only a failed one is scheduled again"
        assert "suspended" in reasons[suspended]
        assert reasons[overtaken] == f"Upgrade {later.id} came after it"
        assert all(each.reasons[0].remedy for each in assessment.refused)

    def test_all_failed_ones_leaves_the_others_alone(self, retry, batch, make):
        failed = make(UpgradeStatus.FAILED)
        make(UpgradeStatus.COMPLETED)

        assessment = retry.assess(batch.id, None, NOW)

        assert (assessment.eligible, assessment.refused) == ([failed], [])

    def test_without_any_it_is_an_error(self, retry, batch, make):
        make(UpgradeStatus.COMPLETED)

        with pytest.raises(InvalidSelectionError):
            retry.assess(batch.id, None, NOW)

    def test_upgrades_of_another_batch_are_not_found(self, factories, retry, batch, make):
        make(UpgradeStatus.FAILED)
        other = factories.upgrade(status=UpgradeStatus.FAILED)

        with pytest.raises(UpgradeNotFoundError):
            retry.assess(batch.id, [other.id], NOW)

    @pytest.mark.parametrize("batch_id", [0, -1, 10**12])
    def test_a_batch_that_does_not_exist_is_an_error(self, retry, batch_id):
        with pytest.raises(UpgradeBatchNotFoundError):
            retry.assess(batch_id, None, NOW)

    def test_a_foreign_batch_does_not_exist(self, db, factories, batch, make):
        make(UpgradeStatus.FAILED)
        stranger = caller_of(db, factories.reseller())
        foreign = UpgradeRetry(db, stranger, UpgradeScheduling(db, stranger, paths_of(db)))

        with pytest.raises(UpgradeBatchNotFoundError):
            foreign.retry(batch.id, None, NOW)

    @pytest.fixture
    def plans(self, factories):
        template = factories.service_template()
        return [factories.service_plan(service_template=template) for _ in range(2)]

    @pytest.fixture
    def batch(self, factories, plans):
        return factories.batch(plans[1])

    @pytest.fixture
    def make(self, factories, plans, batch):
        def make(status, **columns):
            return factories.upgrade(factories.subscription(plans[0]), batch=batch, status=status, **columns)

        return make

    @pytest.fixture
    def retry(self, db, factories):
        caller = caller_of(db, factories.provider())
        return UpgradeRetry(db, caller, UpgradeScheduling(db, caller, paths_of(db)))
