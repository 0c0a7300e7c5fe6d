"""The requests that a worker has under way."""

import pytest

from gateway.pool.running import Running
from tests.unit.pool.helpers import Clock


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("gateway.pool.running.time.monotonic", clock)
    return clock


@pytest.fixture
def running(clock):
    return Running()


def test_ages_are_those_of_what_runs(running, clock):
    running.begin(1, "GET", "/slow", "10.0.0.1")
    clock.now += 2
    running.begin(2, "POST", "/quick", "10.0.0.2")
    clock.now += 1

    assert (running.oldest_age(), running.youngest_age()) == (3, 1)
    assert running.shown() == [
        {"method": "GET", "path": "/slow", "client": "10.0.0.1", "seconds": 3},
        {"method": "POST", "path": "/quick", "client": "10.0.0.2", "seconds": 1},
    ]

    running.end(1)
    assert (running.oldest_age(), len(running), running.begun) == (1, 1, 2)


def test_without_a_request_nothing_has_an_age(running):
    assert (running.oldest_age(), running.youngest_age(), running.shown()) == (0, 0, [])


def test_it_is_idle_since_the_last_request_ended(running, clock):
    clock.now += 5
    assert running.idle_seconds() == 5

    running.begin(1)
    clock.now += 5
    assert running.idle_seconds() == 0

    running.end(1)
    clock.now += 7
    assert running.idle_seconds() == 7


def test_a_request_that_ended_twice_does_no_harm(running):
    running.begin(1)

    running.end(1)
    running.end(1)

    assert len(running) == 0
