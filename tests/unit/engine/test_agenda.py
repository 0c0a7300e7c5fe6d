import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gateway.engine.agenda import NOTHING_DUE, Agenda
from tests.functional.site import wait_until
from tests.unit.services.helpers import PATIENCE, in_background

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=5)


@pytest.fixture
def agenda():
    return Agenda()


def take_all(agenda, now=NOW):
    agenda.line_up(now)
    taken = []
    while (upgrade_id := agenda.take(0)) is not None:
        taken.append(upgrade_id)
    return taken


@contextmanager
def waiting_threads(agenda, number):
    """So many threads that wait for one upgrade each; what they were given, None for nothing."""
    taken: list[int | None] = []
    threads = [
        threading.Thread(target=lambda: taken.append(agenda.take(10 * PATIENCE))) for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: agenda._waiting == number, within=PATIENCE, what="all threads")
    try:
        yield taken
    finally:
        agenda.close()
        for thread in threads:
            thread.join(PATIENCE)


class TestAgenda:
    def test_it_gives_what_is_due_once_the_longest_due_first(self, agenda):
        agenda.update({1: NOW, 2: NOW - timedelta(seconds=1), 3: SOON})

        assert take_all(agenda) == [2, 1]
        assert take_all(agenda) == []
        assert agenda.busy() == {1, 2}

    def test_what_a_thread_is_busy_with_is_not_given_again(self, agenda):
        agenda.update({1: NOW})
        take_all(agenda)

        agenda.prepare_update()
        agenda.update({1: NOW, 2: NOW})

        assert take_all(agenda) == [2]

    def test_what_stands_in_line_is_not_put_there_twice(self, agenda):
        agenda.update({1: NOW})
        agenda.line_up(NOW)

        agenda.update({1: NOW})

        assert take_all(agenda) == [1]

    def test_what_was_claimed_is_not_given_to_a_second_thread_when_a_look_had_found_it_first(self, agenda):
        agenda.update({1: NOW, 2: NOW})
        agenda.line_up(NOW)
        busy_with = agenda.take(0)

        agenda.add([(1, NOW), (2, NOW), (3, NOW)], NOW)

        assert busy_with == 1
        assert take_all(agenda) == [2, 3]

    def test_what_is_put_back_comes_again_when_it_is_due(self, agenda):
        agenda.update({1: NOW})
        take_all(agenda)

        agenda.put_back(1, SOON)

        assert agenda.seconds_until_due(NOW) == 5
        assert agenda.seconds_until_due(SOON + timedelta(seconds=1)) == 0
        assert take_all(agenda) == []
        assert take_all(agenda, SOON) == [1]

    def test_it_tells_who_put_back_what_is_due_first(self, agenda):
        agenda.update({1: NOW, 2: NOW, 3: NOW})
        take_all(agenda)

        assert agenda.put_back(1, SOON)
        assert not agenda.put_back(2, SOON + timedelta(seconds=1))
        assert not agenda.put_back(3, None)

    def test_what_is_finished_is_forgotten(self, agenda):
        agenda.update({1: NOW})
        take_all(agenda)

        agenda.put_back(1, None)

        assert agenda.busy() == set()
        assert agenda.seconds_until_due(NOW) == NOTHING_DUE

    def test_the_database_may_bring_an_upgrade_forward_or_take_it_away(self, agenda):
        agenda.update({1: SOON, 2: SOON})

        agenda.update({1: NOW})

        assert take_all(agenda) == [1]
        assert take_all(agenda, SOON) == []

    def test_the_database_may_bring_forward_what_a_thread_put_back_before_the_last_look(self, agenda):
        agenda.update({1: NOW})
        take_all(agenda)
        agenda.put_back(1, SOON)

        agenda.prepare_update()
        agenda.update({1: NOW - timedelta(seconds=1)})

        assert take_all(agenda) == [1]

    def test_what_ended_here_and_was_given_to_this_worker_again_is_due_again(self, agenda):
        agenda.update({1: NOW})
        take_all(agenda)
        agenda.put_back(1, None)

        agenda.prepare_update()
        agenda.update({1: NOW})

        assert take_all(agenda) == [1]

    def test_a_look_that_found_nothing_new_is_not_undone_by_what_is_stored(self, agenda):
        agenda.update({1: NOW})
        take_all(agenda)
        agenda.put_back(1, SOON)
        agenda.prepare_update()

        agenda.update({1: NOW})

        assert take_all(agenda) == []
        assert take_all(agenda, SOON) == [1]

    def test_what_changed_while_the_database_was_looked_at_is_newer(self, agenda):
        agenda.update({1: NOW})
        take_all(agenda)
        agenda.prepare_update()
        agenda.put_back(1, SOON)
        agenda.add([(2, SOON)], NOW)

        agenda.update({1: NOW - timedelta(seconds=1)})

        assert take_all(agenda) == []
        assert take_all(agenda, SOON) == [1, 2]

    def test_what_was_claimed_needs_as_many_threads_as_are_not_waiting(self, agenda):
        assert agenda.add([(1, NOW), (2, NOW), (3, SOON)], NOW) == 2
        assert take_all(agenda) == [1, 2]

    def test_who_waits_is_given_what_comes(self, agenda):
        taken = []
        waiting = threading.Thread(target=lambda: taken.append(agenda.take(30)))
        waiting.start()

        agenda.add([(1, NOW)], NOW)

        waiting.join(30)
        assert taken == [1]

    def test_those_who_wait_need_no_other_thread_for_what_comes(self, agenda):
        with waiting_threads(agenda, 2) as taken:
            assert agenda.add([(1, NOW)], NOW) == 0
            wait_until(lambda: taken == [1], within=PATIENCE, what="the first one")
            assert agenda.add([(2, NOW), (3, NOW)], NOW) == 1
            wait_until(lambda: taken == [1, 2], within=PATIENCE, what="the second one")
            assert agenda.add([(4, NOW)], NOW) == 2

    def test_what_follows_is_for_the_thread_that_comes_for_it_and_wakes_no_other(self, agenda):
        with waiting_threads(agenda, 1) as taken:
            agenda.follow(1)

            assert agenda.take(0) == 1
            assert agenda._waiting == 1
        assert taken == [None]

    def test_what_follows_is_not_given_to_a_second_thread(self, agenda):
        agenda.update({1: NOW, 2: NOW})
        agenda.line_up(NOW)
        assert agenda.take(0) == 1

        agenda.follow(1)
        agenda.follow(2)

        assert take_all(agenda) == [2]

    def test_who_waits_goes_away_when_it_is_closed(self, agenda):
        with waiting_threads(agenda, 2) as taken:
            agenda.close()

            wait_until(lambda: taken == [None, None], within=PATIENCE, what="both")

    def test_when_it_is_closed_nothing_is_given_until_it_is_opened(self, agenda):
        agenda.update({1: NOW})
        agenda.line_up(NOW)
        agenda.close()
        assert agenda.take(30) is None

        agenda.open()

        assert take_all(agenda) == []
        agenda.update({1: NOW})
        assert take_all(agenda) == [1]

    def test_nothing_of_before_counts_when_it_is_opened(self, agenda):
        agenda.update({1: SOON})
        agenda.close()

        agenda.open()

        assert take_all(agenda, SOON) == []

    def test_who_waits_for_the_end_of_all_is_told(self, agenda):
        agenda.update({1: NOW})
        take_all(agenda)
        with in_background(lambda: agenda.wait_until_idle(10 * PATIENCE)) as idle:
            agenda.put_back(1, SOON)

            assert idle.result(PATIENCE)

    def test_it_is_idle_when_nothing_is_worked_on(self, agenda):
        assert agenda.wait_until_idle(0)
        agenda.update({1: NOW})
        take_all(agenda)
        assert not agenda.wait_until_idle(0)
        agenda.put_back(1, SOON)
        assert agenda.wait_until_idle(0)
