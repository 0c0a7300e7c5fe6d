import pytest

from gateway.pool.availability import PATIENCE_SECONDS
from gateway.pool.leaving import LIMIT_GRACE_SECONDS, REPLACED_GRACE_SECONDS
from gateway.pool.surroundings import exit_text
from tests.unit.pool.helpers import settings


class TestStart:
    def test_it_is_started_when_the_first_worker_serves(self, pool, tmp_path):
        pool.start(settings(tmp_path))
        assert pool.state() == "Starting"

        pool.make_serve(pool.newest)

        assert pool.state() == "Started"
        assert pool.told == [None]
        assert pool.machine.record.recycles == 0
        assert pool.machine.record.last_recycle is None

    def test_a_worker_is_probed_before_it_may_serve(self, pool, tmp_path):
        pool.start(settings(tmp_path))

        pool.report(pool.newest, "ready", port=1)
        assert pool.newest.probed
        assert pool.newest.commands == []

        pool.machine.on_probe(pool.newest.serial, None)
        assert pool.newest.commands == ["serve"]

    def test_clients_are_answered_when_it_takes_long(self, pool, tmp_path):
        pool.start(settings(tmp_path))
        pool.pass_time(PATIENCE_SECONDS - 1)
        assert not pool.answerer.is_open

        pool.pass_time(1)
        assert pool.answerer.is_open

        pool.make_serve(pool.newest)
        assert not pool.answerer.is_open

    def test_a_started_pool_is_not_started_again(self, started, tmp_path):
        started.start(settings(tmp_path))

        assert started.told[-1] == "the pool is Started, expected Stopped"

    def test_a_process_that_cannot_be_started_is_tried_again(self, pool, tmp_path):
        pool.cannot_spawn = True
        pool.start(settings(tmp_path))
        assert "no more processes" in pool.told[0]

        pool.cannot_spawn = False
        pool.pass_time(0)
        pool.make_serve(pool.newest)

        assert pool.state() == "Started"


class TestRecycle:
    def test_the_old_one_hands_over_before_the_new_one_serves(self, started, tmp_path):
        old = started.newest
        started.recycle(settings(tmp_path, limit=20), by_file=True)

        started.make_ready(started.newest)
        assert old.commands == ["hand_over"]
        assert started.newest.commands == []

        started.report(old, "handed_over", complete=True)
        assert started.newest.commands == ["serve"]
        assert "drain" not in old.commands

        started.report(started.newest, "serving")
        assert old.commands == ["hand_over", "drain"]
        assert started.machine.current is started.newest
        assert started.told[-1] is None

    def test_it_tells_what_changed(self, started, tmp_path):
        started.recycle(settings(tmp_path, limit=20), by_file=True)
        started.clock.now += 3
        started.make_serve(started.newest)

        last = started.machine.record.last_recycle
        assert last["reason"] == "on demand"
        assert last["changed_keys"] == ["MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"]
        assert last["changes"] == [
            {"key": "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES", "old": "10", "new": "20"}
        ]
        assert last["seconds"] == 3
        assert started.machine.record.recycles == 1

    def test_a_hand_over_that_takes_too_long_is_not_waited_for(self, started, tmp_path):
        started.recycle(settings(tmp_path))
        started.make_ready(started.newest)

        started.pass_time(30 + LIMIT_GRACE_SECONDS)
        assert started.newest.commands == ["serve"]

        started.report(started.spawned[0], "handed_over", complete=False)
        assert started.newest.commands == ["serve"]

    def test_an_old_worker_that_does_not_leave_is_ended(self, started, tmp_path):
        old = started.newest
        started.recycle(settings(tmp_path))
        started.make_serve(started.newest)

        started.pass_time(30 + LIMIT_GRACE_SECONDS)

        assert old.killed
        started.exit(old, -9)
        assert started.machine.leaving == {}
        assert started.machine.record.failures == 0

    def test_a_request_during_a_recycle_is_carried_out_once_afterwards(self, started, tmp_path):
        started.recycle(settings(tmp_path, limit=11), by_file=True)
        first = started.newest
        started.recycle(settings(tmp_path, limit=12), by_file=True)
        started.recycle(settings(tmp_path, limit=13), by_file=True)
        assert started.newest is first

        started.make_serve(first)
        assert len(started.spawned) == 3
        started.make_serve(started.newest)

        assert len(started.spawned) == 3
        assert started.machine.good_settings.app.max_allowed_nb_of_simultaneous_upgrades == 13
        assert started.told[-3:] == [None, None, None]

    def test_a_change_that_was_taken_back_meanwhile_needs_no_worker(self, started, tmp_path):
        started.recycle(settings(tmp_path, limit=11), by_file=True)
        candidate = started.newest
        started.recycle(settings(tmp_path, limit=10), by_file=True)

        started.report(candidate, "failed", reason="broken")

        assert started.newest is candidate
        assert started.told[-2:] == ["broken", None]

    def test_one_that_overlaps_nothing_waits_for_the_old_worker(self, started, tmp_path):
        old = started.newest
        started.recycle(settings(tmp_path, recycling='disallowOverlappingRotation="true"'))
        assert old.commands == ["drain"]
        assert started.newest is old

        started.exit(old)
        assert started.newest is not old
        started.make_serve(started.newest)

        assert started.machine.record.recycles == 1
        assert started.state() == "Started"

    @pytest.fixture
    def waiting(self, started, tmp_path):
        """One whose recycle waits for a spare that is still loading."""
        started.is_spare_warm = False
        started.recycle(settings(tmp_path, limit=20, recycling='disallowOverlappingRotation="true"'))
        return started

    def test_the_old_worker_serves_until_the_spare_has_loaded_the_program(self, waiting):
        assert waiting.newest.commands == []
        assert waiting.machine.rotation is None

        waiting.spare_is_warm()

        assert waiting.newest.commands == ["drain"]
        assert waiting.told == [None]

    def test_one_that_overlaps_does_not_wait_for_the_spare(self, started, tmp_path):
        started.is_spare_warm = False

        started.recycle(settings(tmp_path))

        assert len(started.spawned) == 2

    def test_what_is_asked_for_meanwhile_becomes_one_with_it(self, waiting, tmp_path):
        old = waiting.newest
        waiting.recycle(settings(tmp_path, limit=30, recycling='disallowOverlappingRotation="true"'))
        waiting.spare_is_warm()
        waiting.spare_is_warm()
        waiting.exit(old)
        waiting.make_serve(waiting.newest)

        assert len(waiting.spawned) == 2
        assert waiting.told == [None, None, None]
        assert waiting.machine.good_settings.app.max_allowed_nb_of_simultaneous_upgrades == 30

    def test_a_worker_lost_while_the_spare_loads_is_replaced(self, waiting):
        waiting.exit(waiting.newest, code=1)
        waiting.spare_is_warm()
        waiting.make_serve(waiting.newest)

        assert len(waiting.spawned) == 2
        assert waiting.state() == "Started"
        assert waiting.machine.target_settings.app.max_allowed_nb_of_simultaneous_upgrades == 20

    def test_a_pool_stopped_while_the_spare_loads_stays_so(self, waiting):
        waiting.machine.stop(None)
        waiting.exit(waiting.newest)
        waiting.spare_is_warm()

        assert waiting.state() == "Stopped"
        assert waiting.told == [None, "the pool was stopped"]

    def test_one_that_comes_up_during_another_waits_for_the_spare_too(self, started, tmp_path):
        started.recycle(settings(tmp_path, limit=20))
        started.recycle(settings(tmp_path, limit=30, recycling='disallowOverlappingRotation="true"'))
        started.is_spare_warm = False
        started.make_serve(started.newest)
        second = started.newest
        assert second.commands == ["serve"]

        started.spare_is_warm()

        assert second.commands == ["serve", "drain"]

    @pytest.mark.parametrize("overlapping", [True, False])
    def test_idle_connections_are_given_time_when_no_client_waits_for_that(self, pool, tmp_path, overlapping):
        recycling = f'disallowOverlappingRotation="{str(not overlapping).lower()}"'
        pool.start(settings(tmp_path, recycling=recycling))
        old = pool.newest
        pool.make_serve(old)

        pool.recycle(settings(tmp_path, recycling=recycling))
        if overlapping:
            pool.make_serve(pool.newest)

        drain = old.arguments["drain"]
        assert (drain["idle_grace"], drain["lingering"]) == (REPLACED_GRACE_SECONDS, not overlapping)

    def test_clients_are_not_answered_while_the_one_that_leaves_serves_them(self, started, tmp_path):
        started.recycle(settings(tmp_path, recycling='disallowOverlappingRotation="true"'))

        started.pass_time(REPLACED_GRACE_SECONDS + PATIENCE_SECONDS - 1)
        assert not started.answerer.is_open
        started.pass_time(1)
        assert started.answerer.is_open

    def test_idle_connections_are_not_waited_for_when_the_pool_stops(self, started):
        started.machine.stop(None)

        assert "idle_grace" not in started.newest.arguments["drain"]

    def test_a_stopped_pool_is_not_recycled(self, pool, tmp_path):
        pool.recycle(settings(tmp_path))

        assert pool.told == ["the pool is Stopped; start-pool starts it"]


class TestCandidateFails:
    @pytest.fixture
    def candidate(self, started, tmp_path):
        started.recycle(settings(tmp_path, limit=20), by_file=True)
        return started.newest

    def test_the_old_worker_serves_on(self, started, candidate):
        old = started.spawned[0]

        started.report(candidate, "failed", reason="no database")

        assert candidate.killed
        assert started.machine.current is old
        assert old.commands == []
        assert started.state() == "Started"
        assert started.told[-1] == "no database"
        assert "no database" in started.machine.record.refused
        assert started.machine.record.failures == 1

    def test_it_has_to_be_ready_in_time(self, started, candidate):
        started.report(candidate, "not_ready", problems=["schema is old"])

        started.pass_time(60)

        assert candidate.killed
        assert started.told[-1] == "not ready within 60 s: schema is old"

    def test_it_has_to_answer_over_http(self, started, candidate):
        started.report(candidate, "ready", port=1)

        started.machine.on_probe(candidate.serial, "GET /readyz answered 503, expected 200")

        assert candidate.killed
        assert "503" in started.told[-1]

    def test_the_old_worker_takes_its_work_up_again(self, started, candidate):
        started.make_ready(candidate)

        started.exit(candidate, 1)

        assert started.spawned[0].commands == ["hand_over", "resume"]
        assert started.state() == "Started"

    def test_it_has_to_begin_to_serve_in_time(self, started, candidate):
        started.make_ready(candidate)
        started.report(started.spawned[0], "handed_over", complete=True)

        started.pass_time(60)

        assert candidate.killed
        assert "did not begin to serve" in started.told[-1]
        assert started.spawned[0].commands[-1] == "resume"

    def test_reports_of_a_dropped_one_mean_nothing(self, started, candidate):
        started.report(candidate, "failed", reason="no database")

        started.report(candidate, "serving")
        started.exit(candidate, -9)

        assert started.machine.current is started.spawned[0]
        assert started.machine.record.failures == 1

    def test_good_values_that_serve_clear_the_refusal(self, started, candidate, tmp_path):
        started.report(candidate, "failed", reason="no database")
        started.recycle(settings(tmp_path, limit=20))
        started.make_serve(started.newest)

        assert started.machine.record.refused is None


class TestCrash:
    def test_it_is_restarted_with_the_values_that_served(self, started, tmp_path):
        started.recycle(settings(tmp_path, limit=20), by_file=True)
        started.report(started.newest, "failed", reason="broken")

        started.exit(started.spawned[0], -11)
        started.pass_time(0)

        assert len(started.spawned) == 3
        assert started.newest.settings.app.max_allowed_nb_of_simultaneous_upgrades == 10
        started.make_serve(started.newest)
        assert started.state() == "Started"
        assert started.machine.record.recycles == 0

    def test_a_candidate_takes_over_when_the_old_one_dies_first(self, started, tmp_path):
        started.recycle(settings(tmp_path, limit=20), by_file=True)
        candidate = started.newest
        started.make_ready(candidate)

        started.exit(started.spawned[0], -9)

        assert candidate.commands == ["serve"]
        started.report(candidate, "serving")
        assert started.machine.current is candidate
        started.pass_time(60)
        assert len(started.spawned) == 2

    def test_pauses_grow(self, started):
        started.exit(started.newest, 1)
        started.pass_time(0)
        started.exit(started.newest, 1)
        started.pass_time(0.05)
        assert len(started.spawned) == 2

        started.pass_time(0.06)
        assert len(started.spawned) == 3

    def test_too_many_in_the_window_stop_the_pool(self, started):
        for _ in range(5):
            started.exit(started.newest, 1)
            started.pass_time(2)

        assert started.state() == "Stopped"
        assert started.machine.stop_reason == "rapid-fail protection: ended with exit code 1"
        assert started.answerer.is_open
        assert len(started.spawned) == 5

    def test_without_protection_it_never_gives_up(self, pool, tmp_path):
        pool.start(settings(tmp_path, failure='rapidFailProtection="false"'))

        for _ in range(20):
            pool.exit(pool.newest, 1)
            pool.pass_time(30)

        assert len(pool.spawned) == 21
        assert pool.state() == "Starting"

    def test_one_that_cannot_go_on_is_replaced(self, started):
        old = started.newest
        started.report(old, "failed", reason="engine did not start")

        started.pass_time(0)
        started.make_serve(started.newest)
        started.exit(old, 1)

        assert old.commands == ["drain"]
        assert started.state() == "Started"
        assert started.machine.record.failures == 1

    @pytest.mark.parametrize(("code", "text"), [(-9, "ended by signal 9"), (3, "ended with exit code 3")])
    def test_the_reason_is_told_in_words(self, code, text):
        assert exit_text(code) == text


class TestPing:
    def test_one_that_does_not_answer_is_ended(self, started):
        worker = started.newest
        started.pass_time(30)
        assert worker.commands == ["ping"]

        started.pass_time(90)

        assert worker.killed
        assert worker.failure == "no answer to a ping within 90 s"

    def test_one_that_answers_is_pinged_again(self, started):
        worker = started.newest
        for number in (1, 2, 3):
            started.pass_time(30)
            started.report(worker, "pong", id=number, loop_age=0.5, stuck_seconds=0.0)

        assert worker.commands == ["ping"] * 3
        assert not worker.killed

    def test_one_whose_loop_stands_still_is_ended(self, started):
        started.pass_time(30)

        started.report(started.newest, "pong", id=1, loop_age=91, stuck_seconds=0.0)

        assert started.newest.killed

    def test_it_can_be_switched_off(self, pool, tmp_path):
        pool.start(settings(tmp_path, process_model='pingingEnabled="false"'))
        pool.make_serve(pool.newest)

        pool.pass_time(3600)

        assert pool.newest.commands == ["serve"]


class TestStop:
    def test_it_is_stopped_when_the_worker_is_gone(self, started):
        started.machine.stop(started.told.append)
        assert started.state() == "Stopping"
        assert started.answerer.is_open
        told_before = len(started.told)

        started.exit(started.newest)

        assert started.state() == "Stopped"
        assert started.told[told_before:] == [None]

    def test_one_that_was_replaced_a_moment_ago_is_told_to_hurry(self, started, tmp_path):
        old = started.newest
        started.recycle(settings(tmp_path))
        started.make_serve(started.newest)
        assert old.commands == ["hand_over", "drain"]

        started.machine.stop()

        assert old.commands == ["hand_over", "drain", "drain"]
        assert started.newest.commands == ["serve", "drain"]

    def test_a_recycle_that_goes_on_is_given_up(self, started, tmp_path):
        started.recycle(settings(tmp_path))
        started.recycle(settings(tmp_path))
        started.machine.stop()

        assert started.newest.killed
        assert started.told[-2:] == ["the pool was stopped"] * 2
        for worker in started.spawned:
            started.exit(worker)
        assert started.state() == "Stopped"

    def test_a_stopped_pool_can_be_stopped_and_started(self, started, tmp_path):
        started.machine.stop()
        started.exit(started.newest)
        started.machine.stop(started.told.append)
        assert started.told[-1] is None

        started.start(settings(tmp_path))
        started.make_serve(started.newest)

        assert started.state() == "Started"
        assert not started.answerer.is_open

    def test_a_restart_that_was_planned_does_not_happen(self, started):
        for _ in range(3):
            started.exit(started.newest, 1)
            started.pass_time(0.11)
        started.machine.stop()

        started.pass_time(60)

        assert started.state() == "Stopped"
        assert len(started.spawned) == 3


class TestRetryAfter:
    def test_it_is_short_while_a_worker_comes(self, started):
        assert started.machine.retry_after() == 2

    def test_it_is_the_pause_that_is_left(self, pool, tmp_path):
        pool.start(settings(tmp_path, failure='rapidFailProtection="false"'))
        for _ in range(7):
            pool.exit(pool.newest, 1)
            pool.pass_time(8)
        pool.exit(pool.newest, 1)

        assert pool.machine.retry_after() == 16

    def test_it_is_longer_when_the_pool_is_stopped(self, pool):
        assert pool.machine.retry_after() == 30


class TestEvents:
    """Each way to go wrong has its number, which is that of IIS where it has one."""

    def test_one_that_never_gets_ready(self, pool, tmp_path):
        pool.start(settings(tmp_path))

        pool.pass_time(60)

        assert pool.event_ids()[:3] == [9011, 5012, 9013]

    def test_one_that_never_gets_ready_while_another_serves(self, started, tmp_path):
        before = len(started.event_ids())
        started.recycle(settings(tmp_path, limit=20), by_file=True)

        started.pass_time(60)

        assert started.event_ids()[before:] == [5079, 9011, 5012, 5093, 9021]

    def test_one_that_stops_answering(self, started):
        before = len(started.event_ids())
        started.pass_time(30)
        started.pass_time(90)
        started.exit(started.newest, -9)

        assert started.event_ids()[before:] == [5010, 5009]

    def test_one_that_will_not_stop(self, started, tmp_path):
        started.recycle(settings(tmp_path))
        started.make_serve(started.newest)
        before = len(started.event_ids())

        started.pass_time(30 + LIMIT_GRACE_SECONDS)

        assert started.event_ids()[before:] == [5013]

    def test_one_that_cannot_even_be_started(self, pool, tmp_path):
        pool.cannot_spawn = True

        pool.start(settings(tmp_path))

        assert pool.event_ids() == [5059, 9013]

    def test_too_many_of_them(self, started):
        for _ in range(5):
            started.exit(started.newest, 1)
            started.pass_time(2)

        assert started.event_ids().count(5009) + started.event_ids().count(9013) == 5
        assert started.event_ids()[-2:] == [5002, 9002]
