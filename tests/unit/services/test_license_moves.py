"""Who of an upgrade has which license, and the request to move those left behind."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.models import AuditEntry, LicenseMove, Role, UpgradeStatus, UserLicense, UserLicenseState
from gateway.services.errors import (
    CustomerManagementRequiredError,
    NoLicensesToMoveError,
    RoleNotSufficientError,
    UpgradeNotFoundError,
)
from gateway.services.license_moves import LicenseMoves
from tests.factories import NOW
from tests.unit.services.helpers import caller_of


def test_exactly_those_left_behind_are_asked_for(db, moves, upgrade, users):
    assert moves.request(upgrade.id, NOW) == 1

    assert db.scalars(select(UserLicense.user_id).where(MOVING)).all() == [users["left"].user_id]
    summary = moves.summary(upgrade.id)
    assert (summary.total, summary.moving, summary.left_behind) == (3, 1, 0)
    assert summary.move.requested_by.startswith("user of provider")


def test_asking_again_changes_nothing(db, moves, upgrade, users):
    moves.request(upgrade.id, NOW)

    assert moves.request(upgrade.id, NOW) == 1
    assert len(db.scalars(select(LicenseMove)).all()) == 1
    assert len(db.scalars(select(AuditEntry)).all()) == 1


@pytest.mark.parametrize("status", [UpgradeStatus.COMPLETED, UpgradeStatus.FAILED, UpgradeStatus.IN_PROGRESS])
def test_an_upgrade_that_is_not_completed_with_warnings_has_nothing_to_move(moves, upgrade, users, status):
    upgrade.status = status

    with pytest.raises(NoLicensesToMoveError, match=status.value.replace("_", " ")):
        moves.request(upgrade.id, NOW)


def test_one_that_left_nobody_behind_has_nothing_to_move(moves, upgrade):
    with pytest.raises(NoLicensesToMoveError, match="left no user behind"):
        moves.request(upgrade.id, NOW)


def test_one_that_a_newer_upgrade_followed_has_nothing_to_move(factories, moves, upgrade, users):
    newer = factories.upgrade(upgrade.subscription, upgrade.target_plan)

    with pytest.raises(NoLicensesToMoveError, match=f"upgrade {newer.id} of the subscription came after"):
        moves.request(upgrade.id, NOW)


def test_one_that_was_canceled_does_not_count(factories, moves, upgrade, users):
    factories.upgrade(upgrade.subscription, upgrade.target_plan, status=UpgradeStatus.CANCELED)

    assert moves.request(upgrade.id, NOW) == 1


def test_who_only_reads_may_not(db, world_of_upgrade, upgrade, users):
    reader = LicenseMoves(db, caller_of(db, world_of_upgrade, Role.READ_ONLY))

    assert reader.summary(upgrade.id).left_behind == 1
    with pytest.raises(RoleNotSufficientError):
        reader.request(upgrade.id, NOW)


def test_a_reseller_needs_customer_management(db, factories):
    reseller = factories.reseller()
    plan = factories.service_plan(vendor=reseller)
    upgrade = factories.upgrade(factories.subscription(plan), status=UpgradeStatus.COMPLETED_WITH_WARNINGS)
    factories.user_license(upgrade)

    with pytest.raises(CustomerManagementRequiredError):
        LicenseMoves(db, caller_of(db, reseller)).request(upgrade.id, NOW)


def test_for_another_reseller_it_does_not_exist(db, factories, upgrade, users):
    moves = LicenseMoves(db, caller_of(db, factories.reseller()))

    for ask in (moves.summary, moves.list, lambda key: moves.request(key, NOW)):
        with pytest.raises(UpgradeNotFoundError):
            ask(upgrade.id)


def test_users_are_listed_in_pages_and_those_who_need_attention_first(moves, upgrade, users):
    first = moves.list(upgrade.id, limit=2)
    rest = moves.list(upgrade.id, cursor=first.next_cursor, limit=2)

    listed = [each.user_id for each in [*first.items, *rest.items]]
    assert listed == sorted(each.user_id for name, each in users.items() if name != "other")
    assert rest.next_cursor is None
    assert moves.first(upgrade.id, 1) == [users["left"]]


MOVING = UserLicense.state == UserLicenseState.MOVING


@pytest.fixture
def world_of_upgrade(factories):
    return factories.provider()


@pytest.fixture
def moves(db, world_of_upgrade):
    return LicenseMoves(db, caller_of(db, world_of_upgrade))


@pytest.fixture
def upgrade(factories, world_of_upgrade):
    return factories.upgrade(status=UpgradeStatus.COMPLETED_WITH_WARNINGS)


@pytest.fixture
def users(factories, upgrade):
    states = {
        "moved": UserLicenseState.MOVED,
        "left": UserLicenseState.LEFT_BEHIND,
        "gone": UserLicenseState.GONE,
        "other": UserLicenseState.OTHER,
    }
    return {name: factories.user_license(upgrade, state=state) for name, state in states.items()}
