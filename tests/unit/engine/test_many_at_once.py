"""The engine with threads that hurry, while others look around, schedule and cancel all the time."""

import threading
from collections import Counter

import pytest
from sqlalchemy import func, select, update

from gateway.engine import Engine, PartnerCenterClients
from gateway.engine.outcome import Outcome
from gateway.models import Upgrade, UpgradeStatus, UpgradeStep
from gateway.settings import AppSettings, GatewaySettings
from tests.functional.site import wait_until
from tests.unit.engine.test_claims import make, many

__all__ = ["make"]

LIMIT = 5
COMPLETED = Outcome(event="completed", finish=UpgradeStatus.COMPLETED, changes={"quantity": 1})


class Hurry:
    """A step that ends each upgrade at once, and sees how many are at it."""

    def __init__(self):
        self.most = 0
        self.begun: Counter[int] = Counter()
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, work, ctx):
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.begun[work.upgrade.id] += 1
        threading.Event().wait(0.001)
        with self._lock:
            self._now -= 1
        return COMPLETED


@pytest.fixture
def hurry():
    return Hurry()


@pytest.fixture
def engine(database, hurry):
    settings = GatewaySettings(app=AppSettings(max_allowed_nb_of_simultaneous_upgrades=LIMIT))
    clients = PartnerCenterClients(settings)
    engine = Engine(
        database, settings, clients, node="node", steps=dict.fromkeys(UpgradeStep, hurry)
    )  # fmt: skip
    yield engine
    engine.hand_over(10)
    engine.close()
    clients.close()


def left(database):
    live = (UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS)
    with database.read() as db:
        return db.scalar(select(func.count()).where(Upgrade.status.in_(live)))


def of_two_customers(factories):
    batch, plan = factories.batch(), factories.service_plan()
    customers = [factories.customer() for _ in range(2)]
    for number in range(20):
        factories.upgrade(
            factories.subscription(plan, account=customers[number % 2]), batch.target_plan, batch=batch
        )


def test_each_is_carried_out_once_and_none_is_forgotten(database, make, hurry, engine):
    make(of_two_customers)
    ids = make(many(250))
    canceled = ids[100::7]
    engine.start()
    ended = threading.Event()

    def look_around():
        while not ended.wait(0.003):
            engine.wake()

    looking = threading.Thread(target=look_around)
    looking.start()
    try:
        for upgrade_id in canceled:
            with database.write() as db:
                pending = Upgrade.id == upgrade_id, Upgrade.status == UpgradeStatus.PENDING
                db.execute(update(Upgrade).where(*pending).values(status=UpgradeStatus.CANCELED))
        make(many(10))
        wait_until(lambda: left(database) == 0, within=60, what="the end of all")
    finally:
        ended.set()
        looking.join()

    assert hurry.most <= LIMIT
    with database.read() as db:
        completed = db.scalars(select(Upgrade.id).where(Upgrade.status == UpgradeStatus.COMPLETED)).all()
        others = db.scalars(select(Upgrade.id).where(Upgrade.status != UpgradeStatus.COMPLETED)).all()
    assert {hurry.begun[each] for each in completed} == {1}
    assert set(others) <= set(canceled)
