import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.engine.claims import Claims
from gateway.engine.clients import PartnerCenterClients
from gateway.engine.context import EngineContext
from gateway.engine.ledger import Ledger
from gateway.models import ApplicationInstance, Upgrade, UpgradeEvent, UpgradeStatus, UpgradeStep
from gateway.settings import AppSettings, GatewaySettings
from tests.factories import NOW, Factories

LEASE = timedelta(seconds=30)


@pytest.fixture
def make(database):
    """Rows that are committed, so that claims in transactions of their own see them."""

    def make(build):
        with database.write() as db:
            return build(Factories(db))

    return make


class Worker:
    """What one worker claims and holds."""

    def __init__(self, database, owner, now=NOW):
        self._claims = Claims(database, owner, LEASE, lambda: now)
        self._made = database, owner, LEASE, lambda: now

    def claim(self, limit, rooms=None):
        ledger = Ledger(*self._made, limit, rooms=lambda: rooms or {})
        try:
            return sorted(ledger.claim())
        finally:
            ledger.close()

    def __getattr__(self, name):
        return getattr(self._claims, name)


@pytest.fixture
def claims(database):
    return Worker(database, "node:one")


def claims_of(database, owner, now=NOW):
    return Worker(database, owner, now)


def read(database, upgrade_id):
    with database.read() as db:
        return db.get_one(Upgrade, upgrade_id)


def many(count):
    def build(factories):
        batch = factories.batch()
        plan = factories.service_plan()
        return [
            factories.upgrade(
                factories.subscription(plan=plan), target_plan=batch.target_plan, batch=batch
            ).id
            for _ in range(count)
        ]

    return build


def name_of_the_instance(database):
    with database.read() as db:
        return db.scalars(select(ApplicationInstance.name)).one().casefold()


class TestRooms:
    def test_an_instance_takes_no_more_than_its_room(self, database, claims, make):
        ids = make(many(4))
        name = name_of_the_instance(database)

        assert claims.claim(10, {name: 0}) == []
        assert claims.claim(1, {name: 0}) == []
        assert claims.claim(10, {name: 2}) == ids[:2]
        assert claims.claim(10, {name: 2}) == []
        assert claims.claim(10, {name: 3}) == ids[2:3]

    def test_another_instance_goes_on(self, database, claims, make):
        ids = make(many(2))

        assert claims.claim(10, {"another one": 0}) == ids


class TestClaim:
    def test_it_takes_the_oldest_first_and_leaves_a_trace(self, database, claims, make):
        ids = make(many(3))

        assert claims.claim(2) == ids[:2]

        first = read(database, ids[0])
        assert (first.status, first.step) == (UpgradeStatus.IN_PROGRESS, UpgradeStep.CHECKING)
        assert (first.lease_owner, first.lease_expires_at) == ("node:one", NOW + LEASE)
        assert (first.started_at, first.due_at) == (NOW, NOW)
        assert read(database, ids[2]).status is UpgradeStatus.PENDING
        with database.read() as db:
            names = db.scalars(select(UpgradeEvent.name).where(UpgradeEvent.upgrade_id == ids[0])).all()
        assert names == ["started"]

    def test_it_counts_what_others_have_in_progress(self, database, claims, make):
        make(many(5))
        claims_of(database, "other:two").claim(3)

        assert len(claims.claim(4)) == 1
        assert claims.claim(4) == []

    def test_a_lower_limit_claims_nothing_until_enough_have_ended(self, database, claims, make):
        make(many(5))
        claims.claim(4)

        assert claims.claim(2) == []

    def test_it_takes_one_at_a_time_of_a_customer(self, database, claims, make):
        def build(factories):
            customer = factories.customer()
            plan = factories.service_plan()
            mine = [factories.upgrade(factories.subscription(plan, account=customer)).id for _ in range(3)]
            return mine, factories.upgrade().id

        mine, other = make(build)

        assert claims.claim(10) == [mine[0], other]
        assert claims.claim(10) == []

    def test_a_customer_with_many_upgrades_does_not_hide_the_others(self, claims, make, monkeypatch):
        monkeypatch.setattr("gateway.engine.backlog.MOST", 1)

        def build(factories):
            customer = factories.customer()
            plan = factories.service_plan()
            batch = factories.batch()
            for _ in range(10):
                factories.upgrade(factories.subscription(plan, account=customer), batch=batch)
            return [factories.upgrade(batch=batch).id for _ in range(2)]

        others = make(build)

        assert set(others) < set(claims.claim(3))

    def test_what_is_canceled_is_not_taken(self, claims, make):
        make(lambda factories: factories.upgrade(status=UpgradeStatus.CANCELED))

        assert claims.claim(10) == []

    def test_several_at_once_never_exceed_the_limit_together(self, database, make):
        make(many(40))
        taken = []
        start = threading.Barrier(6)

        def work(number):
            start.wait()
            for _ in range(4):
                taken.extend(claims_of(database, f"node:{number}").claim(10))

        threads = [threading.Thread(target=work, args=[n]) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert len(taken) == len(set(taken)) == 10


class TestInstances:
    def test_each_upgrade_goes_to_its_own_instance_when_it_is_claimed_and_ever_after(self, context, make):
        def build(factories):
            upgrades = [factories.upgrade()]
            for _ in range(2):
                template = factories.service_template(factories.application_instance())
                plan = factories.service_plan(service_template=template)
                upgrades.append(factories.upgrade(factories.subscription(plan)))
            return {u.id: u.source_plan.service_template.application_instance.name for u in upgrades}

        names = make(build)
        assert len(set(names.values())) == 3

        claimed = context.ledger.claim()

        for _ in ("claimed", "read again"):
            assert {key: context.load(key).instance_name for key in claimed} == names

    @pytest.fixture
    def context(self, database):
        clients = PartnerCenterClients(GatewaySettings())
        context = EngineContext(database, clients, AppSettings(), "node:one", lambda: NOW)
        yield context
        context.ledger.close()
        clients.close()


class TestAdopt:
    def test_it_takes_over_what_was_released_and_what_has_expired(self, database, make):
        ids = make(many(3))
        old = claims_of(database, "node:old")
        old.claim(3)
        old.release([ids[0]])
        later = NOW + LEASE + timedelta(seconds=1)
        new = claims_of(database, "node:new", later)
        with database.write() as db:
            db.get_one(Upgrade, ids[2]).lease_expires_at = later + LEASE

        assert new.adopt() == ids[:2]

        adopted = read(database, ids[0])
        assert (adopted.lease_owner, adopted.lease_expires_at) == ("node:new", later + LEASE)
        assert read(database, ids[2]).lease_owner == "node:old"

    def test_it_leaves_leases_alone_that_are_kept(self, database, claims, make):
        make(many(1))
        old = claims_of(database, "node:old", NOW + LEASE)
        old.claim(1)
        old.renew()

        assert claims_of(database, "node:new", NOW + LEASE + timedelta(seconds=1)).adopt() == []

    def test_a_successor_on_the_same_node_need_not_wait_for_leases_to_expire(self, database, make):
        ids = make(many(2))
        claims_of(database, "node:dead").claim(1)
        claims_of(database, "node_2:alive").claim(2)
        new = claims_of(database, "node:new")

        assert new.release_those_of_the_dead("node") == 1
        assert new.adopt() == ids[:1]


class TestDueTimes:
    def test_it_tells_those_of_this_worker_only(self, database, claims, make):
        ids = make(many(2))
        claims.claim(1)
        claims_of(database, "node:two").claim(2)

        assert claims.due_times() == {ids[0]: NOW}
