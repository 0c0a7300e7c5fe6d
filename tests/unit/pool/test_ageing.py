"""When a serving worker has done enough."""

from datetime import UTC, datetime, time, timedelta

import pytest

from gateway.pool.ageing import LOOK_SECONDS, RETRY_SECONDS, Ageing, seconds_to_next
from gateway.pool.timers import Timers
from tests.unit.pool.helpers import Clock, FakeWorker, settings


def periodic(attributes="", schedule=""):
    age = "" if "time=" in attributes else 'time="00:00:00"'
    return f"<periodicRestart {age} {attributes}><schedule>{schedule}</schedule></periodicRestart>"


@pytest.fixture
def serve(pool, tmp_path):
    """Start a pool with these settings; return the worker that serves."""

    def serve(**values):
        wanted = settings(tmp_path, **values)
        pool.file = wanted
        pool.start(wanted)
        pool.make_serve(pool.newest)
        return pool.newest

    return serve


def tell(pool, worker, **figures):
    known = {"requests": 0, "idle_seconds": 0.0, "private_memory": 0, "upgrades": 0}
    pool.report(worker, "figures", **(known | figures))


NO_PING = 'pingingEnabled="false"'


class TestLimits:
    def test_a_worker_is_recycled_at_its_age_or_a_little_earlier(self, pool, serve):
        serve(periodic=periodic('time="00:10:00"'), process_model=NO_PING)

        pool.pass_time(539)
        assert len(pool.spawned) == 1

        pool.pass_time(61)
        pool.make_serve(pool.newest)
        assert pool.machine.record.last_recycle["reason"] == "time limit"
        assert 5074 in pool.event_ids()

    @pytest.mark.parametrize(
        ("attributes", "figures", "event"),
        [
            ('requests="100"', {"requests": 100}, 5075),
            ('privateMemory="2000"', {"private_memory": 2001}, 5117),
        ],
    )
    def test_a_limit_that_is_reached_recycles(self, pool, serve, attributes, figures, event):
        worker = serve(periodic=periodic(attributes), process_model=NO_PING)
        pool.pass_time(LOOK_SECONDS)
        assert worker.commands[-1] == "look"
        tell(pool, worker, requests=99, private_memory=2000)
        assert len(pool.spawned) == 1

        tell(pool, worker, **figures)
        tell(pool, worker, **figures)

        assert len(pool.spawned) == 2
        assert event in pool.event_ids()

    def test_a_worker_without_limits_is_not_looked_at(self, pool, serve):
        worker = serve(periodic=periodic(), process_model=NO_PING)

        pool.pass_time(1_000_000)

        assert worker.commands == ["serve"]

    def test_a_recycle_that_failed_is_tried_again_later(self, pool, serve):
        worker = serve(periodic=periodic('requests="1"'), process_model=NO_PING)
        tell(pool, worker, requests=1)
        pool.report(pool.newest, "failed", reason="broken")
        tell(pool, worker, requests=1)
        assert len(pool.spawned) == 2

        pool.pass_time(RETRY_SECONDS)
        tell(pool, worker, requests=1)

        assert len(pool.spawned) == 3

    def test_values_that_failed_are_not_tried_by_the_clock(self, pool, serve, tmp_path):
        worker = serve(periodic=periodic('requests="1"'), process_model=NO_PING)
        bad = settings(tmp_path, limit=99)
        pool.recycle(bad, by_file=True)
        pool.report(pool.newest, "failed", reason="broken")
        pool.file = bad

        pool.pass_time(RETRY_SECONDS)
        tell(pool, worker, requests=1)

        assert pool.newest.settings.app.max_allowed_nb_of_simultaneous_upgrades == 10


class TestSchedule:
    def test_the_next_of_the_times_counts(self):
        now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

        assert seconds_to_next(now, (time(3), time(12, 0), time(12, 30))) == 1800
        assert seconds_to_next(now, (time(3), time(12, 0))) == 15 * 3600

    def test_a_scheduled_time_recycles(self, tmp_path):
        clock, reached = Clock(), []
        worker = FakeWorker(1, settings(tmp_path, periodic=periodic(schedule='<add value="03:00:00" />')))
        timers = Timers(clock)
        ageing = Ageing(
            timers,
            on_due=lambda reason, at: reached.append((reason, at)),
            on_idle=lambda: None,
            now=lambda: datetime(2026, 11, 23, 2, 58, tzinfo=UTC) + timedelta(seconds=clock.now - 1000),
        )
        ageing.watch(worker)

        for _ in range(119):
            clock.now += 1
            timers.run_due()
        assert reached == []

        clock.now += 1.5
        timers.run_due()
        assert reached == [("scheduled time", "03:00:00")]


class TestIdle:
    def test_an_idle_worker_is_ended_and_the_next_client_starts_one(self, pool, serve):
        worker = serve(process_model='idleTimeout="00:01:00"')

        tell(pool, worker, idle_seconds=61)

        assert worker.commands[-1] == "drain"
        assert pool.state() == "Started"
        assert pool.bell.is_armed
        assert not pool.answerer.is_open
        assert 5186 in pool.event_ids()

        pool.exit(worker)
        pool.machine.wake()
        assert pool.state() == "Starting"
        pool.make_serve(pool.newest)
        assert pool.machine.current is pool.newest
        assert not pool.bell.is_armed
        assert pool.machine.record.failures == 0

    @pytest.mark.parametrize("upgrades", [1, None])
    def test_it_is_not_ended_while_there_are_or_may_be_upgrades(self, pool, serve, upgrades):
        worker = serve(process_model='idleTimeout="00:01:00"')

        tell(pool, worker, idle_seconds=600, upgrades=upgrades)

        assert "drain" not in worker.commands

    def test_a_change_of_the_file_starts_a_worker_that_proves_it(self, pool, serve, tmp_path):
        worker = serve(process_model='idleTimeout="00:01:00"')
        tell(pool, worker, idle_seconds=61)
        pool.exit(worker)

        pool.recycle(settings(tmp_path, limit=30), by_file=True)
        pool.make_serve(pool.newest)

        assert pool.machine.good_settings.app.max_allowed_nb_of_simultaneous_upgrades == 30


class TestStartMode:
    def test_on_demand_it_waits_for_the_first_client(self, pool, tmp_path):
        pool.start(settings(tmp_path, pool='startMode="OnDemand"'))
        assert pool.state() == "Started"
        assert pool.spawned == []
        assert pool.bell.is_armed
        assert pool.told == [None]

        pool.machine.wake()
        pool.machine.wake()

        assert len(pool.spawned) == 1

    def test_a_pool_that_waits_can_be_stopped(self, pool, tmp_path):
        pool.start(settings(tmp_path, pool='startMode="OnDemand"'))

        pool.machine.stop()
        pool.machine.wake()

        assert pool.state() == "Stopped"
        assert not pool.bell.is_armed
        assert pool.spawned == []

    def test_without_auto_start_it_stays_stopped(self, pool, tmp_path):
        pool.machine.stay_stopped("autoStart is false")

        assert pool.state() == "Stopped"
        assert pool.answerer.is_open
        pool.start(settings(tmp_path))
        pool.make_serve(pool.newest)
        assert pool.state() == "Started"
        assert not pool.answerer.is_open
