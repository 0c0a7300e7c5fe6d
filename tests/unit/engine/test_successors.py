"""What begins while the end of the upgrade before it is written, and what keeps that from doing harm."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from gateway.engine.entries import Entry, LeaseLostError, NotClaimedError
from gateway.engine.ledger import Ledger
from gateway.engine.steps import advance
from gateway.engine.taking import Taking
from gateway.models import Upgrade, UpgradeEvent, UpgradeStatus
from gateway.statements import Prepared, Statements
from tests.catalogs import STANDARD
from tests.factories import NOW
from tests.functional.site import wait_until
from tests.unit.engine.test_claims import LEASE, make, many, name_of_the_instance, read
from tests.unit.engine.test_ledger import ends, lock_subscription, waits
from tests.unit.services.helpers import PATIENCE, in_background

__all__ = ["make"]


class Worker:
    """A ledger, what it said has begun, and what it says before it is written."""

    def __init__(self, database, limit, owner="node:one", rooms=dict, clock=lambda: NOW):
        self.database = database
        self.begun = []
        self.stopping = threading.Event()
        self.on_begun = lambda rows: None
        self.ledger = Ledger(
            database, owner, LEASE, clock, limit,
            rooms=rooms, stopping=self.stopping, on_claimed=self._on_claimed,
        )  # fmt: skip

    def _on_claimed(self, rows):
        self.begun += rows
        self.on_begun(rows)

    @property
    def ids(self):
        return [row["id"] for row in self.begun]

    def end(self, upgrade_id):
        self.ledger.record(ends(self.database, upgrade_id))


@pytest.fixture
def make_worker(database):
    made = []

    def make_worker(limit, **how):
        made.append(Worker(database, limit, **how))
        return made[-1]

    yield make_worker
    for worker in made:
        worker.ledger.close()


def change(database, upgrade_id, **values):
    with database.write() as db:
        db.execute(update(Upgrade).where(Upgrade.id == upgrade_id).values(**values))


def in_progress(database):
    with database.read() as db:
        running = Upgrade.status == UpgradeStatus.IN_PROGRESS
        return list(db.scalars(select(Upgrade.id).where(running).order_by(Upgrade.id)))


def of_customers(*names):
    def build(factories):
        batch, plan = factories.batch(), factories.service_plan()
        customers = {name: factories.customer() for name in names}
        return [
            factories.upgrade(
                factories.subscription(plan, account=customers[name]), batch.target_plan, batch
            ).id
            for name in names
        ]

    return build


class TestASuccessor:
    def test_begins_before_the_end_is_written_and_is_claimed_with_it(self, database, make, make_worker):
        first, second, third = make(many(3))
        worker = make_worker(1)
        worker.ledger.claim()
        seen = []
        worker.on_begun = lambda rows: seen.append(read(database, first).status)

        worker.end(first)

        assert worker.ids == [first, second]
        assert seen == [UpgradeStatus.IN_PROGRESS]
        assert in_progress(database) == [second]
        assert read(database, third).status is UpgradeStatus.PENDING
        with database.read() as db:
            names = db.scalars(select(UpgradeEvent.name).where(UpgradeEvent.upgrade_id == second)).all()
        assert names == ["started"]

    def test_is_what_will_stand_in_the_database(self, database, make, make_worker):
        first, second = make(many(2))
        seconds = itertools.count()
        worker = make_worker(1, clock=lambda: NOW + timedelta(seconds=next(seconds)))
        worker.ledger.claim()

        worker.end(first)

        stored, begun = read(database, second), worker.begun[1]
        columns = [column.key for column in Upgrade.__table__.columns]
        assert {key: begun[key] for key in columns} == {key: getattr(stored, key) for key in columns}

    def test_stays_in_line_while_one_before_it_is_claimed_for_an_end_that_had_none(
        self, database, make, make_worker, monkeypatch
    ):
        ids = make(many(8))
        worker = make_worker(3)
        worker.ledger.claim()
        claim, in_line = Taking._claim, []

        def look_and_claim(taking, *how):
            in_line.append(len(taking._successors))
            return claim(taking, *how)

        monkeypatch.setattr(Taking, "_claim", look_and_claim)
        monkeypatch.setattr(worker.ledger._taking, "successor", lambda _now: None)

        worker.end(ids[0])

        assert in_line == [2]
        assert in_progress(database) == ids[1:4]

    def test_that_was_canceled_meanwhile_ends_there_and_another_one_begins(self, database, make, make_worker):
        first, second, third = make(many(3))
        worker = make_worker(1)
        worker.ledger.claim()
        change(database, second, status=UpgradeStatus.CANCELED)

        worker.end(first)

        assert worker.ids == [first, second, third]
        assert in_progress(database) == [third]
        with pytest.raises(NotClaimedError):
            worker.ledger.record(waits(second))
        assert read(database, second).status is UpgradeStatus.CANCELED

    def test_does_not_begin_while_more_are_in_progress_than_may_be(self, database, make, make_worker):
        ids = make(many(5))
        make_worker(3, owner="node:before").ledger.claim()
        worker = make_worker(2)
        worker.ledger.claim()
        change(database, ids[0], lease_owner="node:one")

        worker.end(ids[0])

        assert worker.ids == []
        assert in_progress(database) == ids[1:3]

    def test_has_no_place_when_the_one_before_it_is_worked_on_by_somebody_else(
        self, database, make, make_worker
    ):
        first, second, _third = make(many(3))
        worker = make_worker(1)
        worker.ledger.claim()
        change(database, first, lease_owner="other:two")

        with pytest.raises(LeaseLostError):
            worker.end(first)

        assert worker.ids == [first, second]
        assert in_progress(database) == [first]
        with pytest.raises(NotClaimedError):
            worker.ledger.record(waits(second))
        change(database, first, status=UpgradeStatus.FAILED)
        assert worker.ledger.claim() == [second]

    def test_is_of_another_customer_than_what_is_in_progress(self, make, make_worker):
        one, former, latter, last = make(of_customers("one", "twice", "twice", "last"))
        worker = make_worker(2)
        assert sorted(worker.ledger.claim()) == [one, former]

        worker.end(one)

        assert worker.ids[2:] == [last]
        worker.end(former)
        assert worker.ids[3:] == [latter]

    def test_is_of_another_customer_than_the_other_successors(self, make, make_worker):
        names = ("one", "two", "three", "twice", "twice", "last")
        one, two, three, former, latter, last = make(of_customers(*names))
        worker = make_worker(2)
        worker.ledger.claim()

        for upgrade_id in (one, two, three):
            worker.end(upgrade_id)

        assert worker.ids[2:] == [three, former, last]
        worker.end(former)
        assert worker.ids[-1] == latter

    def test_is_chosen_anew_after_a_transaction_that_broke(self, database, make, make_worker):
        first, second = make(many(2))
        worker = make_worker(1)
        worker.ledger.claim()
        with pytest.raises(IntegrityError):
            worker.ledger.record(Entry(first, {"batch_id": None}))
        seen = []
        worker.on_begun = lambda rows: seen.append(read(database, first).status)

        worker.end(first)

        worker.ledger.claim()
        assert worker.ids == [first, second]
        assert seen == [UpgradeStatus.FAILED]

    def test_waits_while_microsoft_is_to_be_left_alone(self, database, make, make_worker):
        first, second = make(many(2))
        rooms: dict[str, int] = {}
        worker = make_worker(1, rooms=lambda: rooms)
        worker.ledger.claim()
        rooms[name_of_the_instance(database)] = 0

        worker.end(first)

        assert worker.ids == [first]
        assert read(database, second).status is UpgradeStatus.PENDING
        rooms.clear()
        assert worker.ledger.claim() == [second]

    def test_is_not_claimed_by_an_engine_that_stops(self, database, make, make_worker):
        first, second = make(many(2))
        worker = make_worker(1)
        worker.ledger.claim()
        worker.on_begun = lambda rows: worker.stopping.set()

        worker.end(first)

        assert in_progress(database) == []
        worker.stopping.clear()
        assert worker.ledger.claim() == [second]

    def test_is_claimed_before_anything_is_written_about_it(self, database, make, make_worker):
        busy, first, second = make(many(3))
        worker = make_worker(2)
        assert sorted(worker.ledger.claim()) == [busy, first]
        answers = []
        held = threading.Event()
        transact = worker.ledger._transact

        def slowly(group, *args, **kwargs):
            if group[0].entry.upgrade_id == busy:
                assert held.wait(PATIENCE)
            transact(group, *args, **kwargs)

        worker.ledger.__dict__["_transact"] = slowly
        with ThreadPoolExecutor(3) as threads:
            worker.on_begun = lambda rows: answers.append(threads.submit(worker.ledger.record, waits(second)))
            one = threads.submit(worker.ledger.record, waits(busy))
            wait_until(lambda: worker.ledger._is_led, within=PATIENCE, what="the first transaction")
            two = threads.submit(worker.end, first)
            wait_until(lambda: len(worker.ledger._gathering) == 2, within=PATIENCE, what="the others")
            held.set()

            assert [future.exception(PATIENCE) for future in (one, two, *answers)] == [None] * 3

        assert read(database, second).waiting_for == "Microsoft"

    def test_is_begun_once_though_its_batch_is_read_again(self, database, make, make_worker):
        first, second, third = make(many(3))
        worker = make_worker(2)
        assert sorted(worker.ledger.claim()) == [first, second]
        worker.on_begun = lambda rows: worker.ledger._taking.forget() if rows[0]["id"] == third else None

        worker.end(first)
        worker.ledger.claim()
        worker.end(second)

        assert worker.ids == [first, second, third]
        assert in_progress(database) == [third]

    def test_that_has_no_place_can_wait_before_what_it_is_claimed_with(self, database, make, make_worker):
        busy, lost, ended, again = make(many(4))
        worker = make_worker(3)
        assert sorted(worker.ledger.claim()) == [busy, lost, ended]
        change(database, lost, lease_owner="other:two")
        words: list[Any] = []
        answers: list[Any] = []
        transact = worker.ledger._transact

        def slowly(group, *args, **kwargs):
            if group[0].entry.upgrade_id == lost:
                # Its successor has begun in vain, and has something to say already.
                words.append(threads.submit(worker.ledger.record, waits(again)))
                wait_until(lambda: len(worker.ledger._gathering) == 1, within=PATIENCE, what="its words")
                transact(group, *args, **kwargs)
                worker.on_begun = lambda rows: None
                answers.append(threads.submit(worker.end, ended))
                wait_until(lambda: len(worker.ledger._gathering) == 2, within=PATIENCE, what="the other end")
                return
            transact(group, *args, **kwargs)

        worker.ledger.__dict__["_transact"] = slowly
        with ThreadPoolExecutor(4) as threads:
            one = threads.submit(worker.end, lost)

            assert isinstance(one.exception(PATIENCE), LeaseLostError)
            assert [future.exception(PATIENCE) for future in (*words, *answers)] == [None] * 2

        assert in_progress(database) == [busy, lost, again]
        assert read(database, again).waiting_for == "Microsoft"

    def test_that_was_canceled_meanwhile_never_reaches_microsoft(self, world):
        first, second = world.schedule("one", STANDARD), world.schedule("two", STANDARD)
        ctx = world.context(max_allowed_nb_of_simultaneous_upgrades=1)
        assert world.claim(ctx) == [first]
        change(world.database, second, status=UpgradeStatus.CANCELED)
        while (after := advance(first, ctx)) is not None:
            world.clock.sleep(after)
        assert ctx.rows[second].is_fresh

        assert advance(second, ctx) is None

        assert len(world.control.transitions()) == 1
        assert world.read(second).status is UpgradeStatus.CANCELED


class TestASuccessorThatIsBeingImported:
    """SQLite has one writer at a time, so that there is nothing to wait for but its end."""

    @pytest.fixture
    def database(self, postgresql_database):
        return postgresql_database

    def test_is_left_alone_and_another_one_begins(self, database, make, make_worker):
        first, second, third = make(many(3))
        worker = make_worker(1)
        worker.ledger.claim()
        with database.write_session() as db:
            lock_subscription(db, ends(database, second).ends.subscription_id)
            with in_background(worker.end, first) as future:
                wait([future], PATIENCE)
                db.rollback()
                assert future.result() is None

        assert worker.ids == [first, second, third]
        assert in_progress(database) == [third]
        with pytest.raises(NotClaimedError):
            worker.ledger.record(waits(second))
        worker.end(third)
        assert worker.ledger.claim() == [second]


class TestWhatIsOnTheDiskBeforeAnythingIsSent:
    @pytest.fixture
    def committed(self, monkeypatch):
        """Whether each transaction waited for it."""
        waited = []
        say = Statements.say

        def say_and_tell(statements, sql):
            if sql == "COMMIT":
                mode = text("PRAGMA synchronous" if statements.is_sqlite else "SHOW synchronous_commit")
                waited.append(statements.rows(Prepared(mode))[0][0] in (2, "on"))
            say(statements, sql)

        monkeypatch.setattr(Statements, "say", say_and_tell)
        return waited

    def test_a_claim_alone_need_not_be(self, make, make_worker, committed):
        make(many(1))

        make_worker(1).ledger.claim()

        assert committed == [False]

    def test_all_that_is_known_of_an_upgrade_is(self, make, make_worker, committed):
        (upgrade_id,) = make(many(1))
        worker = make_worker(1)
        worker.ledger.claim()

        worker.ledger.record(waits(upgrade_id))

        assert committed == [False, True]

    def test_a_claim_together_with_that_is_too(self, database, make, make_worker, committed):
        first, second = make(many(2))
        worker = make_worker(1)
        worker.ledger.claim()

        worker.end(first)

        assert in_progress(database) == [second]
        assert committed == [False, True]

    def test_who_does_not_know_of_a_request_that_may_have_left_cannot_write(
        self, database, make, make_worker
    ):
        (upgrade_id,) = make(many(1))
        worker = make_worker(1)
        worker.ledger.claim()
        worker.ledger.record(Entry(upgrade_id, {"intended_at": NOW}))

        with pytest.raises(LeaseLostError):
            worker.ledger.record(Entry(upgrade_id, {"waiting_for": "Microsoft"}))

        assert read(database, upgrade_id).waiting_for is None
        worker.ledger.record(Entry(upgrade_id, {"waiting_for": "Microsoft"}, intended_at=NOW))
        assert read(database, upgrade_id).waiting_for == "Microsoft"
