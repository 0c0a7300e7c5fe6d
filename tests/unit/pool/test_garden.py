"""A web garden: several workers serve at the same time, all with the same values."""

import pytest

from gateway.pool import pool as pool_module
from gateway.pool.pool import worker_numbers
from gateway.pool.status import worker_rows
from gateway.settings import SettingsError
from tests.unit.pool.helpers import settings


def garden(folder, count=3, **values):
    more = values.pop("process_model", "")
    return settings(folder, process_model=f'maxProcesses="{count}" pingingEnabled="false" {more}', **values)


@pytest.fixture
def serving(pool, tmp_path):
    """A pool of three workers that serve."""
    wanted = garden(tmp_path)
    pool.file = wanted
    pool.start(wanted)
    pool.make_serve(pool.newest)
    for worker in pool.spawned[1:]:
        pool.make_serve(worker)
    for worker in pool.spawned:
        worker.commands.clear()
    return pool


def numbers(workers):
    return [worker.number for worker in workers]


def commands(workers):
    return [worker.commands for worker in workers]


class TestStart:
    def test_the_first_one_proves_the_values_and_serves_at_once(self, pool, tmp_path):
        pool.start(garden(tmp_path))
        assert numbers(pool.spawned) == [1]

        pool.make_serve(pool.newest)

        assert pool.state() == "Started"
        assert pool.told == []
        assert numbers(pool.spawned) == [1, 2, 3]

    def test_it_is_done_when_all_serve(self, serving):
        assert serving.told == [None]
        assert numbers(serving.machine.serving.values()) == [1, 2, 3]
        assert serving.machine.rotation is None

    def test_one_that_does_not_come_is_tried_again_while_the_others_serve(self, pool, tmp_path):
        pool.start(garden(tmp_path, count=2))
        pool.make_serve(pool.newest)

        pool.report(pool.newest, "failed", reason="broken")
        assert (pool.state(), pool.told) == ("Started", ["broken"])
        assert not pool.answerer.is_open

        pool.pass_time(0)
        pool.make_serve(pool.newest)
        assert numbers(pool.machine.serving.values()) == [1, 2]
        assert pool.machine.record.refused is None

    @pytest.mark.parametrize(("given", "count"), [(0, 2), (1, 1), (4, 4)])
    def test_zero_means_one_on_each_numa_node(self, tmp_path, monkeypatch, given, count):
        monkeypatch.setattr(pool_module, "numa_nodes", lambda: 2)

        assert len(worker_numbers(garden(tmp_path, count=given))) == count

    @pytest.mark.parametrize("given", ["-1", "65", "two", ""])
    def test_other_numbers_are_refused(self, tmp_path, given):
        with pytest.raises(SettingsError, match=r"maxProcesses.*from 0 to 64"):
            garden(tmp_path, count=given)


class TestRecycle:
    def test_all_new_ones_are_ready_before_any_old_one_hands_over(self, serving, tmp_path):
        old = serving.spawned[:]
        serving.recycle(garden(tmp_path, limit=20))
        serving.make_ready(serving.newest)
        new = serving.spawned[3:]
        assert numbers(new) == [1, 2, 3]

        serving.make_ready(new[1])
        assert commands(old) == [[], [], []]
        serving.make_ready(new[2])
        assert commands(old) == [["hand_over"]] * 3

        for worker in old[:2]:
            serving.report(worker, "handed_over", complete=True)
        assert commands(new) == [[], [], []]
        serving.report(old[2], "handed_over", complete=True)
        assert commands(new) == [["serve"]] * 3

    def test_no_old_one_leaves_before_all_new_ones_serve(self, serving, tmp_path):
        old = serving.spawned[:]
        serving.recycle(garden(tmp_path, limit=20))
        new = self._bring_to_serve(serving, old)

        for worker in new[:2]:
            serving.report(worker, "serving")
        assert commands(old) == [["hand_over"]] * 3
        assert list(serving.machine.serving.values()) == old

        serving.report(new[2], "serving")
        assert commands(old) == [["hand_over", "drain"]] * 3
        assert list(serving.machine.serving.values()) == new
        assert serving.machine.record.recycles == 1
        assert serving.told[-1] is None

    def test_when_one_new_one_fails_at_last_all_old_ones_stay(self, serving, tmp_path):
        old = serving.spawned[:]
        serving.recycle(garden(tmp_path, limit=20), by_file=True)
        new = self._bring_to_serve(serving, old)
        serving.report(new[0], "serving")

        serving.exit(new[1], 1)

        assert new[0].commands == ["serve", "drain"]  # Clients may be with it.
        assert new[2].killed
        assert commands(old) == [["hand_over", "resume"]] * 3
        assert list(serving.machine.serving.values()) == old
        assert serving.machine.record.refused is not None

    def test_an_old_one_that_dies_meanwhile_is_not_waited_for(self, serving, tmp_path):
        old = serving.spawned[:]
        serving.recycle(garden(tmp_path))
        serving.make_ready(serving.newest)
        for worker in serving.spawned[4:]:
            serving.make_ready(worker)
        for worker in old[:2]:
            serving.report(worker, "handed_over", complete=True)

        serving.exit(old[2], -9)

        assert commands(serving.spawned[3:]) == [["serve"]] * 3
        assert serving.state() == "Started"

    def test_the_number_of_workers_may_change(self, serving, tmp_path):
        serving.recycle(garden(tmp_path, count=1), by_file=True)
        serving.make_serve(serving.newest)

        assert numbers(serving.machine.serving.values()) == [1]
        assert [worker.commands[-1] for worker in serving.spawned[:3]] == ["drain"] * 3

        serving.recycle(garden(tmp_path, count=2), by_file=True)
        serving.make_ready(serving.newest)
        serving.make_ready(serving.newest)
        serving.report(serving.spawned[3], "handed_over", complete=True)
        for worker in serving.spawned[4:]:
            serving.report(worker, "serving")
        assert numbers(serving.machine.serving.values()) == [1, 2]

    def test_without_overlap_all_old_ones_go_first(self, serving, tmp_path):
        old = serving.spawned[:]
        serving.recycle(garden(tmp_path, recycling='disallowOverlappingRotation="true"'))
        assert commands(old) == [["drain"]] * 3

        for worker in old[:2]:
            serving.exit(worker)
        assert len(serving.spawned) == 3
        serving.exit(old[2])

        serving.make_serve(serving.newest)
        for worker in serving.spawned[4:]:
            serving.make_serve(worker)
        assert numbers(serving.machine.serving.values()) == [1, 2, 3]
        assert serving.machine.record.recycles == 1

    def _bring_to_serve(self, pool, old):
        pool.make_ready(pool.newest)
        new = pool.spawned[len(old) :]
        for worker in new[1:]:
            pool.make_ready(worker)
        for worker in old:
            pool.report(worker, "handed_over", complete=True)
        return new


class TestCrash:
    def test_only_the_one_that_died_is_replaced(self, serving):
        serving.exit(serving.spawned[1], -9)
        assert serving.state() == "Started"
        serving.pass_time(0)

        assert numbers(serving.spawned[3:]) == [2]
        serving.make_ready(serving.newest)
        assert serving.newest.commands == ["serve"]
        serving.report(serving.newest, "serving")

        assert [w.commands for w in (serving.spawned[0], serving.spawned[2])] == [[], []]
        assert sorted(serving.machine.serving) == [1, 2, 3]
        assert serving.machine.record.recycles == 0

    def test_two_that_die_at_once_are_both_replaced(self, serving):
        for worker in serving.spawned[:2]:
            serving.exit(worker, -9)
        serving.pass_time(0.1)

        serving.make_serve(serving.spawned[3])
        serving.make_serve(serving.newest)

        assert sorted(serving.machine.serving) == [1, 2, 3]
        assert serving.machine.record.failures == 2

    def test_one_that_dies_while_another_is_replaced_is_not_forgotten(self, serving):
        serving.exit(serving.spawned[1], -9)
        serving.pass_time(0)
        serving.exit(serving.spawned[0], -9)
        serving.make_serve(serving.newest)
        serving.pass_time(0.1)

        serving.make_serve(serving.newest)

        assert sorted(serving.machine.serving) == [1, 2, 3]

    def test_clients_are_told_only_when_none_serves(self, serving):
        for worker in serving.spawned[:2]:
            serving.exit(worker, -9)
        assert serving.state() == "Started"

        serving.exit(serving.spawned[2], -9)

        assert serving.state() == "Starting"

    def test_too_many_failures_of_one_stop_the_pool(self, serving):
        serving.exit(serving.spawned[1], 1)
        for _ in range(4):
            serving.pass_time(2)
            serving.exit(serving.newest, 1)

        assert serving.state() == "Stopping"
        assert [serving.spawned[0].commands, serving.spawned[2].commands] == [["drain"], ["drain"]]
        for worker in list(serving.machine.workers):
            serving.exit(worker)
        assert serving.state() == "Stopped"
        assert "rapid-fail protection" in serving.machine.stop_reason
        assert serving.answerer.is_open


class TestLimits:
    def test_a_worker_that_has_done_enough_is_replaced_alone(self, pool, tmp_path):
        self._serve(pool, garden(tmp_path, count=2, periodic='<periodicRestart requests="10" />'))

        self._tell(pool, pool.spawned[1], requests=10)

        assert numbers(pool.spawned[2:]) == [2]
        pool.make_serve(pool.newest)
        assert pool.spawned[0].commands == ["serve"]
        assert pool.spawned[1].commands == ["serve", "hand_over", "drain"]
        assert pool.machine.record.recycles == 1

    def test_one_that_is_due_during_the_recycle_of_another_has_its_turn(self, pool, tmp_path):
        self._serve(pool, garden(tmp_path, count=2, periodic='<periodicRestart requests="10" />'))
        self._tell(pool, pool.spawned[1], requests=10)
        self._tell(pool, pool.spawned[0], requests=10)

        pool.make_serve(pool.newest)
        pool.make_serve(pool.newest)

        assert numbers(pool.spawned) == [1, 2, 2, 1]
        assert pool.machine.record.recycles == 2

    def test_with_other_values_in_the_file_all_are_replaced(self, pool, tmp_path):
        self._serve(pool, garden(tmp_path, count=2, periodic='<periodicRestart requests="10" />'))
        pool.file = garden(tmp_path, count=2, limit=30)

        self._tell(pool, pool.spawned[1], requests=10)
        pool.make_ready(pool.newest)

        assert numbers(pool.spawned[2:]) == [1, 2]

    def test_they_are_idle_when_all_of_them_are(self, pool, tmp_path):
        self._serve(pool, garden(tmp_path, count=2, process_model='idleTimeout="00:01:00"'))

        self._tell(pool, pool.spawned[0], idle_seconds=61)
        assert not pool.bell.is_armed
        self._tell(pool, pool.spawned[1], idle_seconds=61)

        assert pool.bell.is_armed
        assert [worker.commands[-1] for worker in pool.spawned] == ["drain", "drain"]

    def _serve(self, pool, wanted):
        pool.file = wanted
        pool.start(wanted)
        pool.make_serve(pool.newest)
        pool.make_serve(pool.newest)

    def _tell(self, pool, worker, **figures):
        known = {"requests": 0, "idle_seconds": 0.0, "private_memory": 0, "upgrades": 0}
        pool.report(worker, "figures", **(known | figures))


def test_each_worker_is_pinged(pool, tmp_path):
    pool.start(settings(tmp_path, process_model='maxProcesses="2"'))
    for worker in (1, 2):
        pool.make_serve(pool.spawned[worker - 1])
    pool.pass_time(30)
    assert commands(pool.spawned) == [["serve", "ping"]] * 2

    pool.report(pool.spawned[0], "pong", id=1, loop_age=0.0, stuck_seconds=0.0)
    pool.pass_time(90)

    assert [worker.killed for worker in pool.spawned] == [False, True]


def test_the_list_shows_each(serving):
    rows = worker_rows(serving.machine)

    assert [(row["number"], row["serves"]) for row in rows] == [(1, True), (2, True), (3, True)]
