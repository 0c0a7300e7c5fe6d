"""The engine with its threads: real time, a simulator that is quick."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from gateway.db import DatabaseClock, utcnow
from gateway.engine import Engine, PartnerCenterClients
from gateway.engine.claims import Claims
from gateway.engine.ledger import Ledger
from gateway.engine.mover import LOOK_AROUND
from gateway.engine.pauses import Pauses
from gateway.engine.taking import Taking
from gateway.models import UpgradeStatus
from gateway.services.license_moves import LicenseMoves
from gateway.settings import AppSettings, with_simulator
from tests.catalogs import STANDARD
from tests.functional.site import wait_until
from tests.simulation import BASE_URL, Transport
from tests.unit.engine.test_licenses import PROVIDER
from tests.unit.services.helpers import in_background


class RealClock:
    """Time as it is."""

    @property
    def now(self):
        return utcnow()

    def __call__(self):
        return utcnow()

    def sleep(self, seconds):
        threading.Event().wait(seconds)


@pytest.fixture
def clock():
    return RealClock()


@pytest.fixture
def make_engine(world):
    world.control.configure(latency=0.2)
    engines = []

    def make(node="node", **app):
        app = {"upgrade_poll_interval_seconds": 0.05, **app}
        settings = world.settings.model_copy(update={"app": AppSettings(**app)})
        clients = PartnerCenterClients(
            with_simulator(settings, BASE_URL), transport=Transport(app=world.simulator)
        )
        engines.append((Engine(world.database, settings, clients, node=node), clients))
        return engines[-1][0]

    yield make
    for engine, clients in engines:
        engine.hand_over(10)
        engine.close()
        clients.close()


def away(*_):
    raise OperationalError("UPDATE", {}, Exception("the connection was lost"))


def is_quiet(looked):
    """Whether nothing was asked for a second; what was asked before is forgotten."""
    looked.clear()
    threading.Event().wait(1)
    return not looked


def status(world, upgrade_id):
    return world.read(upgrade_id).status


class TestEngine:
    def test_it_carries_out_what_is_pending(self, world, make_engine, caplog):
        ids = [world.schedule("one", STANDARD), world.schedule("two", STANDARD)]
        engine = make_engine()

        engine.start()

        wait_until(
            lambda: {status(world, i) for i in ids} == {UpgradeStatus.COMPLETED}, within=20, what="both"
        )
        assert len(world.control.transitions()) == 2
        assert engine.status()["running"] == engine.status()["pending"] == 0
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    def test_it_moves_licenses_as_soon_as_somebody_asks_for_it(self, world, make_engine):
        world.control.fault("users_left_behind", share=1.0, times=1)
        upgrade_id = world.schedule("two", STANDARD)
        engine = make_engine(license_patience_minutes=0)
        engine.start()
        ended = UpgradeStatus.COMPLETED_WITH_WARNINGS
        wait_until(lambda: status(world, upgrade_id) is ended, within=20, what="the warning")

        with world.database.write() as db:
            assert LicenseMoves(db, PROVIDER).request(upgrade_id, utcnow()) == 2
        engine.wake()

        wait_until(
            lambda: status(world, upgrade_id) is UpgradeStatus.COMPLETED, within=LOOK_AROUND - 1, what="it"
        )

    def test_it_begins_at_once_with_what_another_process_schedules(self, world, make_engine):
        engine, another = make_engine(), make_engine("another node")
        engine.start()
        wait_until(lambda: engine.status()["last_heartbeat_at"], within=10, what="the first look")

        upgrade_id = world.schedule("one", STANDARD)
        another.wake()

        wait_until(lambda: status(world, upgrade_id) is not UpgradeStatus.PENDING, within=5, what="a start")

    def test_it_finds_what_nobody_told_it_of(self, world, make_engine, monkeypatch):
        monkeypatch.setattr("gateway.engine.engine.LOOK_AROUND", 0.5)
        engine = make_engine()
        engine.start()
        wait_until(lambda: engine.status()["last_heartbeat_at"], within=10, what="the first look")

        upgrade_id = world.schedule("one", STANDARD)

        wait_until(lambda: status(world, upgrade_id) is not UpgradeStatus.PENDING, within=10, what="a start")

    def test_it_looks_soon_again_while_microsoft_is_left_alone(self, world, make_engine, monkeypatch):
        rooms = {"office 365": 0}
        monkeypatch.setattr(Pauses, "rooms", lambda pauses, now: rooms)
        upgrade_id = world.schedule("one", STANDARD)
        engine = make_engine()
        engine.start()
        wait_until(lambda: engine.status()["last_heartbeat_at"], within=10, what="the first look")
        assert status(world, upgrade_id) is UpgradeStatus.PENDING

        rooms.clear()

        wait_until(lambda: status(world, upgrade_id) is not UpgradeStatus.PENDING, within=10, what="a start")

    def test_it_asks_the_database_nothing_while_there_is_nothing_to_do(self, world, make_engine, monkeypatch):
        for polling in ("engine", "mover"):
            monkeypatch.setattr(f"gateway.engine.{polling}.LOOK_AROUND", 60)
        looked = []
        engine = make_engine()
        engine.start()
        wait_until(lambda: engine.status()["last_heartbeat_at"], within=10, what="the first look")
        event.listen(world.database.engine, "before_cursor_execute", lambda *given: looked.append(given[2]))
        wait_until(lambda: is_quiet(looked), within=30, what="the end of the first look around")
        commits = engine._context.ledger.commits
        turns = []
        line_up = engine._agenda.line_up

        def count(now):
            turns.append(now)
            return line_up(now)

        monkeypatch.setattr(engine._agenda, "line_up", count)

        threading.Event().wait(2.5)

        # What the first look has left in SQLite's log is moved once.
        assert [statement for statement in looked if "upgrade" in statement] == []
        assert engine._context.ledger.commits == commits
        assert len(turns) <= 1

    def test_it_carries_out_two_of_one_customer_one_after_the_other(self, world, make_engine):
        world.control.configure(one_transition_per_customer=True)
        ids = [world.schedule("one", STANDARD), world.schedule("three", STANDARD)]

        make_engine().start()

        wait_until(
            lambda: {status(world, i) for i in ids} == {UpgradeStatus.COMPLETED}, within=20, what="both"
        )
        first, second = (world.read(i) for i in ids)
        assert first.finished_at <= second.started_at

    def test_it_hands_over_at_once_and_a_successor_goes_on(self, world, make_engine):
        world.control.configure(latency=1.5)
        upgrade_id = world.schedule("one", STANDARD)
        old, new = make_engine("node"), make_engine("other node")
        old.start()
        wait_until(lambda: world.control.transitions(), within=10, what="the request to Microsoft")

        assert old.hand_over(5)

        assert world.read(upgrade_id).lease_owner is None
        new.start()
        wait_until(lambda: status(world, upgrade_id) is UpgradeStatus.COMPLETED, within=20, what="the end")
        assert len(world.control.transitions()) == 1

    def test_it_has_handed_over_when_the_ends_are_written(self, world, make_engine, monkeypatch):
        transact, is_writing, go_on = Ledger._transact, threading.Event(), threading.Event()

        def slowly(ledger, group, *args, **kwargs):
            if any(waiting.entry and waiting.entry.ends for waiting in group):
                is_writing.set()
                assert go_on.wait(20)
            transact(ledger, group, *args, **kwargs)

        monkeypatch.setattr(Ledger, "_transact", slowly)
        upgrade_id = world.schedule("one", STANDARD)
        engine = make_engine()
        engine.start()
        assert is_writing.wait(20)

        assert not engine.hand_over(0.2)

        assert world.read(upgrade_id).lease_owner is not None
        go_on.set()
        assert engine.hand_over(10)
        assert status(world, upgrade_id) is UpgradeStatus.COMPLETED

    def test_it_hands_over_what_it_was_just_claiming(self, world, make_engine, monkeypatch):
        take, due_times = Taking.take, Claims.due_times
        is_claiming, is_looking, go_on = threading.Event(), threading.Event(), threading.Event()

        def slowly(taking, *how):
            is_claiming.set()
            assert go_on.wait(20)
            return take(taking, *how)

        def look(claims):
            is_looking.set()
            return due_times(claims)

        monkeypatch.setattr(Taking, "take", slowly)
        monkeypatch.setattr(Claims, "due_times", look)
        upgrade_id = world.schedule("one", STANDARD)
        engine = make_engine()
        monkeypatch.setattr(engine._mover, "start", lambda: None)  # It would wait for the claim, too.
        engine.start()
        assert is_claiming.wait(20)
        is_looking.clear()

        with in_background(engine.hand_over, 20) as future:
            assert not is_looking.wait(0.5)  # What it holds is known only when it claims nothing more.
            go_on.set()
            assert future.result(20)

        found = world.read(upgrade_id)
        assert (found.status, found.lease_owner) == (UpgradeStatus.IN_PROGRESS, None)

    def test_what_was_in_flight_is_given_back_as_soon_as_its_answer_is_written(
        self, world, make_engine, monkeypatch
    ):
        record, is_writing, go_on = Ledger.record, threading.Event(), threading.Event()

        def slowly(ledger, entry):
            is_writing.set()
            assert go_on.wait(20)
            record(ledger, entry)

        monkeypatch.setattr(Ledger, "record", slowly)
        upgrade_id = world.schedule("one", STANDARD)
        engine = make_engine()
        engine.start()
        assert is_writing.wait(20)
        assert not engine.hand_over(0.2)
        assert world.read(upgrade_id).lease_owner is not None

        go_on.set()

        wait_until(lambda: world.read(upgrade_id).lease_owner is None, within=10, what="the lease")

    def test_it_has_not_handed_over_while_licenses_are_being_moved(self, make_engine, monkeypatch):
        engine = make_engine()
        engine.start()
        monkeypatch.setattr(engine._mover, "wait", lambda timeout: False)

        assert not engine.hand_over(10)

    def test_it_has_not_handed_over_where_leases_cannot_be_given_back(self, make_engine, monkeypatch):
        engine = make_engine()
        engine.start()
        monkeypatch.setattr(Claims, "release", away)

        assert not engine.hand_over(10)

    def test_it_starts_while_the_database_is_away(self, world, make_engine, monkeypatch):
        upgrade_id = world.schedule("one", STANDARD)
        monkeypatch.setattr(Claims, "release_those_of_the_dead", away)

        make_engine().start()

        wait_until(lambda: status(world, upgrade_id) is UpgradeStatus.COMPLETED, within=20, what="the end")

    def test_a_clock_that_jumps_ahead_takes_no_upgrade_from_whoever_works_on_it(self, world, make_engine):
        upgrade_id = world.schedule("one", STANDARD)
        other = Ledger(world.database, "other:one", timedelta(seconds=30), utcnow, 1)
        other.claim()
        other.close()
        ahead = timedelta(0)
        world.database.clock = DatabaseClock(lambda: utcnow() + ahead)
        engine = make_engine()
        engine.start()
        wait_until(lambda: engine.status()["last_heartbeat_at"], within=10, what="the first look")

        ahead = timedelta(hours=1)
        engine.wake()
        afterwards = utcnow() + timedelta(minutes=30)
        wait_until(
            lambda: engine.status()["last_heartbeat_at"] > afterwards, within=10, what="a look after the jump"
        )

        assert world.read(upgrade_id).lease_owner == "other:one"

    def test_it_can_start_again_when_nobody_came_to_take_over(self, world, make_engine):
        engine = make_engine()
        engine.start()
        engine.hand_over(5)
        upgrade_id = world.schedule("one", STANDARD)

        engine.start()

        wait_until(lambda: status(world, upgrade_id) is UpgradeStatus.COMPLETED, within=20, what="the end")

    def test_that_it_is_started_twice_changes_nothing(self, world, make_engine):
        engine = make_engine()
        engine.start()
        dispatcher = engine._dispatcher

        engine.start()

        assert engine._dispatcher is dispatcher

    def test_after_stop_claiming_it_takes_nothing(self, world, make_engine):
        engine = make_engine()
        engine.start()
        engine.stop_claiming()
        assert engine.hand_over(5)
        upgrade_id = world.schedule("one", STANDARD)

        engine.wake()

        assert not engine.status()["started"]
        assert status(world, upgrade_id) is UpgradeStatus.PENDING

    def test_its_status_tells_the_limit_and_a_fresh_heartbeat(self, make_engine):
        engine = make_engine(max_allowed_nb_of_simultaneous_upgrades=7)
        assert not engine.status()["started"]

        engine.start()

        wait_until(lambda: engine.status()["last_heartbeat_at"], within=5, what="the first look around")
        assert (engine.status()["limit"], engine.status()["started"]) == (7, True)

    def test_a_look_that_fails_does_not_end_the_engine(self, world, make_engine, monkeypatch):
        failures = [RuntimeError("a mistake"), OperationalError("SELECT", {}, Exception("away"))]
        claim = Ledger.claim
        monkeypatch.setattr(
            Ledger, "claim", lambda ledger, **how: raise_one_of(failures) or claim(ledger, **how)
        )
        upgrade_id = world.schedule("one", STANDARD)

        make_engine().start()

        wait_until(lambda: status(world, upgrade_id) is UpgradeStatus.COMPLETED, within=20, what="the end")
        assert failures == []

    def test_what_was_claimed_goes_on_while_no_look_succeeds(self, world, make_engine, monkeypatch):
        monkeypatch.setattr(Engine, "_catch_up", lambda engine: 1 / 0)
        upgrade_id = world.schedule("one", STANDARD)

        make_engine().start()

        wait_until(lambda: status(world, upgrade_id) is UpgradeStatus.COMPLETED, within=20, what="the end")

    def test_a_thread_that_cannot_be_had_ends_neither_the_engine_nor_a_slot(
        self, world, make_engine, monkeypatch
    ):
        failures = [RuntimeError("can't start new thread") for _ in range(3)]
        engine = make_engine(max_allowed_nb_of_simultaneous_upgrades=1)
        add_job = engine._scheduler.add_job
        monkeypatch.setattr(
            engine._scheduler, "add_job", lambda *job, **how: raise_one_of(failures) or add_job(*job, **how)
        )
        upgrade_id = world.schedule("one", STANDARD)

        engine.start()

        wait_until(lambda: status(world, upgrade_id) is UpgradeStatus.COMPLETED, within=20, what="the end")
        assert failures == []


def raise_one_of(failures):
    if failures:
        raise failures.pop()
