"""A thread leaves the end of its upgrade to be written, and goes on with another one."""

import threading
from dataclasses import replace
from queue import Queue

import pytest
from sqlalchemy.exc import OperationalError

from gateway.engine.entries import Entry, LeaseLostError
from gateway.engine.ledger import Ledger
from gateway.engine.steps import DATABASE_PAUSE, WRITTEN_LATER, advance
from gateway.models import UpgradeEvent, UpgradeStatus
from gateway.statements import Statements
from tests.catalogs import STANDARD
from tests.functional.site import wait_until
from tests.unit.engine.test_claims import make, many
from tests.unit.engine.test_ledger import ends, lock_subscription, status_of
from tests.unit.engine.test_successors import change, in_progress, make_worker
from tests.unit.services.helpers import PATIENCE
from tests.unit.services.test_races import wait_until_blocked

__all__ = ["make", "make_worker"]


class Answers(Queue[tuple[int, Exception | None]]):
    """What was told of each, in turn."""

    def of(self, upgrade_id):
        return lambda failure: self.put((upgrade_id, failure))

    def next(self, count):
        return [self.get(timeout=PATIENCE) for _ in range(count)]


@pytest.fixture
def answers():
    return Answers()


class Held:
    """A worker whose transactions wait until they are let go."""

    def __init__(self, worker, answers):
        self.worker = worker
        self.groups = []
        self._answers = answers
        self._go_on = threading.Event()
        self._transact = worker.ledger._transact
        worker.ledger.__dict__["_transact"] = self._slowly

    def _slowly(self, group, *args, **kwargs):
        assert self._go_on.wait(PATIENCE)
        self._transact(group, *args, **kwargs)
        self.groups.append([waiting.entry.upgrade_id for waiting in group])

    def leave(self, upgrade_id, entry=None):
        ledger = self.worker.ledger
        ledger.leave(entry or ends(self.worker.database, upgrade_id), self._answers.of(upgrade_id))

    def begin(self, upgrade_id):
        """Have this one be under way, by itself, while others gather."""
        self.leave(upgrade_id)
        wait_until(lambda: not self.worker.ledger._gathering, within=PATIENCE, what="the first transaction")

    def let_go(self):
        self._go_on.set()

    def pause(self):
        self._go_on.clear()


@pytest.fixture
def make_held(make_worker, answers):
    def make_held(limit):
        worker = make_worker(limit)
        worker.ledger.claim()
        return Held(worker, answers)

    return make_held


class TestAnEndThatIsLeft:
    def test_is_written_soon_and_its_successor_has_begun(self, database, make, make_held, answers):
        first, second = make(many(2))
        held = make_held(1)

        held.leave(first)

        assert held.worker.ids == [first, second]
        assert in_progress(database) == [first]
        held.let_go()
        assert answers.next(1) == [(first, None)]
        assert in_progress(database) == [second]

    def test_is_not_written_where_another_worker_has_taken_the_upgrade_over(
        self, database, make, make_held, answers
    ):
        (first,) = make(many(1))
        held = make_held(1)
        change(database, first, lease_owner="other:two")

        held.leave(first)
        held.let_go()

        [(told, failure)] = answers.next(1)
        assert told == first
        assert isinstance(failure, LeaseLostError)
        assert status_of(database, first) is UpgradeStatus.IN_PROGRESS

    def test_that_is_nonsense_is_refused_alone(self, make, make_held, answers):
        first, wrong, last = make(many(3))
        held = make_held(3)
        held.begin(first)
        held.leave(wrong, Entry(wrong, {"batch_id": None}))
        held.leave(last)

        held.let_go()

        assert [(told, failure is None) for told, failure in answers.next(3)] == [
            (first, True),
            (wrong, False),
            (last, True),
        ]

    def test_whoever_cannot_be_told_keeps_the_news_from_nobody_else(self, make, make_held, answers, caplog):
        first, deaf, last = make(many(3))
        held = make_held(3)
        held.begin(first)
        held.worker.ledger.leave(ends(held.worker.database, deaf), lambda _failure: 1 / 0)
        held.leave(last)

        held.let_go()

        assert answers.next(2) == [(first, None), (last, None)]
        assert "could not be told" in caplog.text


class TestShortUpgrades:
    """They end while the ends of those before them are being written."""

    def test_and_their_successors_are_written_in_one_transaction(self, database, make, make_held, answers):
        busy, first, second, third, fourth = make(many(5))
        held = make_held(2)
        held.begin(busy)

        for upgrade_id in (first, second, third):
            held.leave(upgrade_id)
        held.let_go()

        assert [told for told, failure in answers.next(4) if failure is None] == [busy, first, second, third]
        assert held.groups == [[busy], [first, second, third]]
        assert in_progress(database) == [fourth]

    def test_are_written_in_as_many_statements_as_one(self, make, make_held, answers, monkeypatch):
        said = []
        run = Statements._run

        def run_and_tell(statements, prepared, values):
            said.append(prepared)
            return run(statements, prepared, values)

        monkeypatch.setattr(Statements, "_run", run_and_tell)
        busy, *ids = make(many(9))
        held = make_held(2)
        held.begin(busy)
        for upgrade_id in ids[:3]:
            held.leave(upgrade_id)
        held.let_go()
        answers.next(4)
        few = said[:]
        held.pause()
        held.begin(ids[3])
        for upgrade_id in ids[4:]:
            held.leave(upgrade_id)
        said.clear()
        held.let_go()
        answers.next(5)

        assert 0 < len(said) <= len(few)

    def test_have_their_events_in_the_order_in_which_they_happened(self, database, make, make_held, answers):
        busy, first, second = make(many(3))
        held = make_held(2)
        held.begin(busy)
        at = held.worker.ledger._clock()
        for upgrade_id in (first, second):
            event = {"upgrade_id": upgrade_id, "at": at, "name": "failed", "attempt": 0}
            rest = dict.fromkeys(("detail", "request_id", "correlation_id"))
            held.leave(upgrade_id, replace(ends(database, upgrade_id), event=event | rest))

        held.let_go()

        answers.next(3)
        with database.read() as db:
            events = db.query(UpgradeEvent).filter_by(upgrade_id=second).order_by(UpgradeEvent.id).all()
            assert [event.name for event in events][-2:] == ["started", "failed"]

    def test_go_on_one_by_one_where_the_end_of_the_first_is_refused(self, database, make, make_held, answers):
        busy, lost, second, third = make(many(4))
        held = make_held(2)
        held.begin(busy)
        change(database, lost, lease_owner="other:two")

        held.leave(lost)
        held.leave(second)
        held.let_go()

        told = dict(answers.next(3))
        assert told[busy] is None
        assert isinstance(told[lost], LeaseLostError)
        assert len(in_progress(database)) == 2
        assert lost in in_progress(database)
        assert third not in in_progress(database) or status_of(database, second) is UpgradeStatus.FAILED


class TestASubscriptionThatSomebodyHolds:
    @pytest.fixture
    def database(self, postgresql_database):
        return postgresql_database

    def test_keeps_no_other_end_from_being_written(self, database, make, make_held, answers):
        busy, imported, last = make(many(3))
        held = make_held(3)
        held.begin(busy)
        with database.write_session() as db:
            lock_subscription(db, ends(database, imported).ends.subscription_id)
            held.leave(imported)
            held.leave(last)
            held.let_go()

            assert answers.next(2) == [(busy, None), (last, None)]
            wait_until_blocked(database)
            db.commit()

        assert answers.next(1) == [(imported, None)]
        assert status_of(database, imported) is UpgradeStatus.FAILED


class TestAStepThatEndsAnUpgrade:
    @pytest.fixture
    def context(self, world, answers):
        context = replace(world.context(), on_ended=lambda *told: answers.put(told))
        yield context
        context.ledger.close()

    def end(self, world, context):
        """Microsoft says no, so the first step ends it; what `advance` returns."""
        world.control.fault("ineligible", code=3)
        upgrade_id = world.schedule("one", STANDARD)
        assert context.ledger.claim() == [upgrade_id]
        return upgrade_id, advance(upgrade_id, context)

    def test_leaves_its_end_to_be_written(self, world, context, answers):
        upgrade_id, after = self.end(world, context)

        assert after == WRITTEN_LATER
        assert answers.next(1) == [(upgrade_id, None)]
        assert world.read(upgrade_id).status is UpgradeStatus.FAILED

    @pytest.mark.parametrize(
        ("failure", "after"),
        [(OperationalError("COMMIT", {}, Exception("away")), DATABASE_PAUSE), (RuntimeError("a mistake"), 5)],
    )
    def test_hears_next_time_that_it_was_not_written(
        self, world, context, answers, monkeypatch, failure, after
    ):
        failures = [failure]
        transact = Ledger._transact

        def fail_once(ledger, group, *args, **kwargs):
            if failures and group[0].entry:
                raise failures.pop()
            transact(ledger, group, *args, **kwargs)

        monkeypatch.setattr(Ledger, "_transact", fail_once)
        upgrade_id, _ = self.end(world, context)
        assert answers.next(1) == [(upgrade_id, failure)]

        assert (advance(upgrade_id, context) or 0) >= after * 0.5

        assert world.read(upgrade_id).status is UpgradeStatus.IN_PROGRESS
        assert advance(upgrade_id, context) == WRITTEN_LATER
        assert answers.next(1) == [(upgrade_id, None)]
        assert world.read(upgrade_id).status is UpgradeStatus.FAILED

    def test_of_which_the_lease_was_lost_leaves_it_to_whoever_has_it(
        self, world, context, answers, monkeypatch
    ):
        transact = Ledger._transact

        def lose(ledger, group, *args, **kwargs):
            if group[0].entry:
                change(world.database, group[0].entry.upgrade_id, lease_owner="other:two")
            transact(ledger, group, *args, **kwargs)

        monkeypatch.setattr(Ledger, "_transact", lose)
        upgrade_id, _ = self.end(world, context)
        [(_, failure)] = answers.next(1)
        assert isinstance(failure, LeaseLostError)

        assert advance(upgrade_id, context) is None

        assert world.events(upgrade_id)[-1] == "started"

    def test_that_was_lost_and_claimed_again_goes_on(self, world, context, answers, monkeypatch):
        transact = Ledger._transact

        def lose(ledger, group, *args, **kwargs):
            if group[0].entry:
                change(world.database, group[0].entry.upgrade_id, lease_owner="other:two")
            transact(ledger, group, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "_transact", lose)
            upgrade_id, _ = self.end(world, context)
            answers.next(1)
        change(world.database, upgrade_id, lease_owner=context.owner)

        assert advance(upgrade_id, context) == WRITTEN_LATER

        assert answers.next(1) == [(upgrade_id, None)]
