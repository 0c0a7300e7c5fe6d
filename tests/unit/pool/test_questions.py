"""Questions to the workers: told once, with what came back in time."""

import pytest

from gateway.pool.questions import PATIENCE_SECONDS, Questions


@pytest.fixture
def questions(started):
    return Questions(started.machine, started.timers)


@pytest.fixture
def told():
    return []


def said(number, text):
    return {"report": "requests", "id": number, "requests": [text]}


def test_it_is_told_when_all_have_answered(questions, told, started, tmp_path):
    started.recycle(started.machine.good_settings)
    first, second = started.spawned
    questions.ask(told.append)
    assert [worker.commands for worker in (first, second)] == [["requests"], ["requests"]]

    questions.on_report(first.serial, said(1, "a"))
    assert told == []
    questions.on_report(second.serial, said(1, "b"))

    assert [answers[s]["requests"] for answers in told for s in (1, 2)] == [["a"], ["b"]]


def test_a_worker_that_says_nothing_is_left_out(questions, told, started):
    questions.ask(told.append)

    started.pass_time(PATIENCE_SECONDS)
    questions.on_report(started.newest.serial, said(1, "late"))

    assert told == [{}]


def test_a_worker_that_ended_is_not_waited_for(questions, told, started):
    questions.ask(told.append)

    questions.on_exit(started.newest.serial)

    assert told == [{}]


def test_without_workers_it_is_told_at_once(pool, told):
    Questions(pool.machine, pool.timers).ask(told.append)

    assert told == [{}]


def test_each_question_gets_its_own_answers(questions, told, started):
    questions.ask(told.append)
    questions.ask(told.append)

    questions.on_report(started.newest.serial, said(2, "second"))
    questions.on_report(started.newest.serial, {"report": "pong", "id": 1})
    assert [each[1]["requests"] for each in told] == [["second"]]
    questions.on_report(started.newest.serial, said(1, "first"))

    assert [each[1]["requests"] for each in told] == [["second"], ["first"]]
