"""The rows of licenses to move, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.engine.clients import PartnerCenterClients
from gateway.engine.context import EngineContext
from gateway.engine.entries import LeaseLostError
from gateway.engine.license_book import LicenseBook
from gateway.engine.move_queue import MoveLostError, MoveQueue
from gateway.models import (
    LicenseMove,
    MoveResult,
    Upgrade,
    UpgradeEvent,
    UpgradeStatus,
    UserLicense,
    UserLicenseState,
)
from gateway.settings import AppSettings, GatewaySettings
from tests.factories import NOW, Factories

LEASE = timedelta(seconds=30)


def test_only_one_worker_takes_a_move(database, upgrade):
    one, two = queue_of(database, "node:one"), queue_of(database, "node:two")

    assert [one.take(), two.take(), one.take()] == [upgrade.id, None, None]


def test_one_that_is_put_back_is_taken_when_it_is_due(database, upgrade):
    queue = queue_of(database, "node:one")
    queue.take()

    queue.put_back(upgrade.id, 10, waiting_for="Microsoft asked for a pause")

    assert queue.take() is None
    later = queue_of(database, "node:two", NOW + timedelta(seconds=10))
    assert later.take() == upgrade.id
    assert later.load(upgrade.id)[0].waiting_for == "Microsoft asked for a pause"


def test_one_whose_worker_died_is_taken_over_and_the_dead_writes_nothing(database, upgrade):
    dead = queue_of(database, "node:dead")
    dead.take()
    heir = queue_of(database, "node:heir", NOW + LEASE + timedelta(seconds=1))
    assert heir.take() == upgrade.id
    [user] = heir.users(upgrade.id)
    user.state, user.result = UserLicenseState.MOVED, MoveResult.MOVED

    with pytest.raises(MoveLostError):
        dead.report(user)
    assert len(heir.users(upgrade.id)) == 1
    heir.report(user)
    assert heir.users(upgrade.id) == []


def test_one_whose_worker_died_at_this_node_is_free_at_once(database, upgrade):
    queue_of(database, "one:dead").take()

    queue_of(database, "other:alive").release_those_of_the_dead()
    assert queue_of(database, "other:alive").take() is None
    heir = queue_of(database, "one:heir")
    heir.release_those_of_the_dead()
    assert heir.take() == upgrade.id


def test_the_end_completes_the_upgrade_and_leaves_no_row_of_it(database, upgrade):
    queue = queue_of(database, "node:one")
    queue.take()
    with database.write() as db:
        other = Factories(db).upgrade(status=UpgradeStatus.COMPLETED_WITH_WARNINGS).id
        db.add(LicenseMove(upgrade_id=other, requested_by="anna", requested_at=NOW, due_at=NOW))

    queue.finish(upgrade.id, UpgradeEvent(name="licenses_moved"), status=UpgradeStatus.COMPLETED)

    with database.read() as db:
        assert db.scalars(select(LicenseMove.upgrade_id)).all() == [other]
        assert db.get_one(Upgrade, upgrade.id).status is UpgradeStatus.COMPLETED
        assert db.scalars(select(UpgradeEvent.name)).all() == ["licenses_moved"]


def test_users_are_written_down_and_written_over(database, noting):
    book = LicenseBook(noting, 1)
    book.write([user("ada", UserLicenseState.NOTED), user("bo", UserLicenseState.OTHER)])

    book.write([user("ada", UserLicenseState.MOVED)])
    book.forget(UserLicenseState.OTHER)

    assert [(each.user_id, each.state) for each in book.users()] == [("ada", UserLicenseState.MOVED)]


def test_everybody_is_struck_out_where_no_state_is_named(database, noting):
    book = LicenseBook(noting, 1)
    book.write([user("ada", UserLicenseState.NOTED), user("bo", UserLicenseState.OTHER)])

    book.forget()

    assert book.users() == []


def test_those_of_an_earlier_upgrade_are_taken_over_and_nobody_else(database, noting):
    with database.write() as db:
        factories = Factories(db)
        earlier, other = (factories.upgrade(id=each, status=UpgradeStatus.FAILED) for each in (2, 3))
        people = [factories.user_license(upgrade).user_id for upgrade in (earlier, other)]
    book = LicenseBook(noting, 1)

    book.take_over(earlier.id)

    assert [each.user_id for each in book.users()] == people[:1]
    assert [each.user_id for each in LicenseBook(noting, other.id).users()] == people[1:]


def test_who_lost_the_upgrade_writes_nobody_down(database, noting):
    book = LicenseBook(replace(noting, owner="node:other"), 1)

    with pytest.raises(LeaseLostError):
        book.write([user("ada", UserLicenseState.NOTED)])
    assert book.users() == []


def user(user_id, state):
    return UserLicense(user_id=user_id, user_principal_name=user_id, state=state)


@pytest.fixture
def noting(database):
    """What a worker has that is busy with upgrade 1."""
    with database.write() as db:
        Factories(db).upgrade(id=1, status=UpgradeStatus.IN_PROGRESS, lease_owner="node:one")
    clients = PartnerCenterClients(GatewaySettings())
    yield EngineContext(database, clients, AppSettings(), "node:one", lambda: NOW)
    clients.close()


def queue_of(database, owner, now=NOW):
    return MoveQueue(database, owner, LEASE, lambda: now)


@pytest.fixture
def upgrade(database):
    """Somebody asked to move the license of the one user whom it left behind."""
    with database.write() as db:
        factories = Factories(db)
        upgrade = factories.upgrade(status=UpgradeStatus.COMPLETED_WITH_WARNINGS)
        factories.user_license(upgrade, state=UserLicenseState.MOVING)
        db.add(LicenseMove(upgrade_id=upgrade.id, requested_by="anna", requested_at=NOW, due_at=NOW))
    return upgrade
