"""The spare worker: when there is one, and when it is of use."""

import os
import sys

import pytest

from gateway.pool.events import EventLog
from gateway.pool.spare import (
    FREE_MEMORY_NEEDED,
    GRACE_SECONDS,
    PAUSE_SECONDS,
    RETRY_SECONDS,
    TRUST_SECONDS,
    WARM_UP_SECONDS,
    SpareWorker,
    code_stamp,
)
from gateway.pool.timers import Timers
from tests.unit.pool.helpers import Clock, FakeWorker, settings


class Spares:
    def __init__(self, folder):
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.events = EventLog(folder / "events.jsonl")
        self.made: list[FakeWorker] = []
        self.free: int | None = None
        self.stamp = frozenset({("a.py", 1)})
        self.cannot = False
        self.urgent: list[bool] = []
        self._settings = settings(folder)
        self.spare = SpareWorker(
            self._spawn, self.timers, self.events, free=lambda: self.free, stamp=lambda: self.stamp
        )

    def _spawn(self, is_urgent):
        self.urgent.append(is_urgent)
        if self.cannot:
            raise OSError("no more processes")
        self.made.append(FakeWorker(len(self.made) + 1, self._settings))
        return self.made[-1]

    def keep(self, seconds=PAUSE_SECONDS):
        self.spare.keep(True)
        self.clock.now += seconds
        self.timers.run_due()


@pytest.fixture
def spares(tmp_path):
    return Spares(tmp_path)


def test_one_is_made_and_taken_once(spares):
    spares.keep()
    spares.keep()

    worker = spares.spare.take()

    assert spares.made == [worker]
    assert worker.was_spare
    assert spares.spare.take() is None
    spares.keep()
    assert len(spares.made) == 2


def test_one_that_is_not_wanted_any_more_is_ended(spares):
    spares.keep()

    spares.spare.keep(False)

    assert spares.made[0].killed
    assert spares.spare.take() is None


def test_one_that_is_about_to_be_needed_is_made_at_once_and_stays_for_a_while(spares):
    spares.spare.hasten()
    spares.spare.hasten()
    spares.spare.keep(False)
    assert spares.urgent == [True]
    assert not spares.made[0].killed

    spares.clock.now += GRACE_SECONDS
    spares.timers.run_due()
    spares.spare.keep(False)
    assert spares.made[0].killed


def test_one_that_there_is_need_not_be_made_in_haste(spares):
    spares.keep()

    spares.spare.hasten()

    assert spares.urgent == [False]


def test_none_waits_where_none_is_kept_once_it_was_taken(spares):
    spares.spare.hasten()
    worker = spares.spare.take()

    spares.spare.keep(False)

    assert worker is spares.made[0]
    assert not worker.killed
    assert spares.spare.take() is None


def test_it_is_known_whether_it_is_warm(spares):
    spares.keep()
    spares.spare.on_report(99, {"report": "warm"})
    assert not spares.spare.is_warm

    spares.spare.on_report(1, {"report": "warm"})
    assert spares.spare.is_warm

    spares.spare.take()
    assert not spares.spare.is_warm


def test_one_with_old_code_is_of_no_use(spares):
    spares.keep()
    spares.stamp = frozenset({("a.py", 2)})

    assert spares.spare.take() is None
    assert spares.made[0].killed


def test_one_with_old_code_is_replaced_before_it_is_needed(spares):
    spares.keep()
    spares.stamp = frozenset({("a.py", 2)})

    spares.spare.hasten()

    assert spares.urgent == [False, True]
    assert spares.made[0].killed
    assert spares.spare.take() is spares.made[1]


def test_the_code_is_looked_at_before_clients_wait_and_not_while_they_do(spares):
    spares.keep()
    spares.spare.prepare(lambda: None)
    spares.stamp = frozenset({("a.py", 2)})

    assert spares.spare.take() is spares.made[0]


def test_that_the_code_was_looked_at_counts_for_a_moment_only(spares):
    spares.keep()
    spares.spare.prepare(lambda: None)
    spares.stamp = frozenset({("a.py", 2)})
    spares.clock.now += TRUST_SECONDS
    spares.timers.run_due()

    assert spares.spare.take() is None


def test_that_the_code_was_looked_at_says_nothing_of_the_next_spare(spares):
    spares.keep()
    spares.spare.prepare(lambda: None)
    spares.spare.take()
    spares.keep()
    spares.stamp = frozenset({("a.py", 2)})

    assert spares.spare.take() is None


class TestPreparing:
    """Before workers go whose clients then wait."""

    @pytest.fixture
    def told(self):
        return []

    @pytest.fixture
    def preparing(self, spares, told):
        spares.spare.prepare(lambda: told.append("first"))
        assert told == []
        return spares

    def test_one_that_is_warm_is_not_waited_for(self, spares, told):
        spares.keep()
        spares.spare.on_report(1, {"report": "warm"})

        spares.spare.prepare(lambda: told.append("first"))

        assert told == ["first"]

    def test_where_there_is_none_one_is_made_and_waited_for(self, preparing, told):
        assert preparing.urgent == [True]
        preparing.spare.prepare(lambda: told.append("second"))
        preparing.spare.on_report(1, {"report": "warm"})
        assert told == ["first", "second"]

        preparing.spare.on_report(1, {"report": "warm"})
        assert told == ["first", "second"]

    def test_it_is_not_waited_for_too_long(self, preparing, told):
        preparing.clock.now += WARM_UP_SECONDS
        preparing.timers.run_due()

        assert told == ["first"]

    def test_one_that_ends_is_not_waited_for(self, preparing, told):
        preparing.spare.on_exit(1, 1)

        assert told == ["first"]

    def test_one_that_is_not_wanted_any_more_is_not_waited_for(self, preparing, told):
        preparing.spare.dismiss()

        assert told == ["first"]

    def test_one_that_cannot_be_made_is_not_waited_for(self, spares, told):
        spares.cannot = True

        spares.spare.prepare(lambda: told.append("first"))

        assert told == ["first"]

    def test_one_replaced_by_another_is_waited_for(self, preparing, told):
        preparing.stamp = frozenset({("a.py", 2)})
        preparing.spare.hasten()
        assert told == []

        preparing.spare.on_report(2, {"report": "warm"})
        assert told == ["first"]


@pytest.mark.parametrize(("free", "made"), [(FREE_MEMORY_NEEDED - 1, 0), (FREE_MEMORY_NEEDED, 1), (None, 1)])
def test_there_is_none_where_memory_is_short(spares, free, made):
    spares.free = free

    spares.keep()

    assert len(spares.made) == made


def test_one_that_ends_is_replaced_after_a_while_and_told(spares):
    spares.keep()

    spares.spare.on_exit(1, -9)
    spares.keep()
    assert len(spares.made) == 1
    assert spares.events.recent(1)[0]["reason"] == "ended by signal 9"

    spares.keep(RETRY_SECONDS)
    spares.keep()
    assert len(spares.made) == 2


def test_a_process_that_cannot_be_started_is_tried_later(spares):
    spares.cannot = True
    spares.keep()
    spares.cannot = False

    spares.keep(RETRY_SECONDS)
    spares.keep()

    assert len(spares.made) == 1


def test_the_stamp_is_the_same_for_the_same_code():
    assert code_stamp() == code_stamp()
    assert any(path.endswith("spare.py") for path, _ in code_stamp())


def test_a_file_saved_beside_the_program_does_not_change_the_stamp(tmp_path, monkeypatch):
    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(packages)])
    before = code_stamp()

    os.utime(tmp_path, (1, 1))
    assert code_stamp() == before

    os.utime(packages, (1, 1))
    assert code_stamp() != before
