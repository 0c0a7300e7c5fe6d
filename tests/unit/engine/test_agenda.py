from datetime import UTC, datetime, timedelta

from gateway.engine.agenda import NOTHING_DUE, Agenda

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=5)


class TestAgenda:
    def test_it_gives_what_is_due_once_the_longest_due_first(self):
        agenda = Agenda()
        agenda.update({1: NOW, 2: NOW - timedelta(seconds=1), 3: SOON})

        assert agenda.take_due(NOW) == [2, 1]
        assert agenda.take_due(NOW) == []
        assert agenda.busy() == {1, 2}

    def test_what_a_thread_is_busy_with_is_not_given_again(self):
        agenda = Agenda()
        agenda.update({1: NOW})
        agenda.take_due(NOW)

        agenda.update({1: NOW, 2: NOW})

        assert agenda.take_due(NOW) == [2]

    def test_what_is_put_back_comes_again_when_it_is_due(self):
        agenda = Agenda()
        agenda.update({1: NOW})
        agenda.take_due(NOW)

        agenda.put_back(1, SOON)

        assert agenda.seconds_until_due(NOW) == 5
        assert agenda.take_due(NOW) == []
        assert agenda.take_due(SOON) == [1]

    def test_what_is_finished_is_forgotten(self):
        agenda = Agenda()
        agenda.update({1: NOW})
        agenda.take_due(NOW)

        agenda.put_back(1, None)

        assert agenda.busy() == set()
        assert agenda.seconds_until_due(NOW) == NOTHING_DUE

    def test_the_database_may_bring_an_upgrade_forward_or_take_it_away(self):
        agenda = Agenda()
        agenda.update({1: SOON, 2: SOON})

        agenda.update({1: NOW})

        assert agenda.take_due(SOON) == [1]

    def test_a_look_that_found_nothing_new_is_not_undone_by_what_is_stored(self):
        agenda = Agenda()
        agenda.update({1: NOW})
        agenda.take_due(NOW)
        agenda.put_back(1, SOON)

        agenda.update({1: NOW})

        assert agenda.take_due(NOW) == []
        assert agenda.take_due(SOON) == [1]

    def test_it_is_idle_when_nothing_is_worked_on(self):
        agenda = Agenda()
        assert agenda.wait_until_idle(0)
        agenda.update({1: NOW})
        agenda.take_due(NOW)
        assert not agenda.wait_until_idle(0)
        agenda.put_back(1, SOON)
        assert agenda.wait_until_idle(0)
