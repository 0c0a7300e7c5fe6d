"""The doorbell: told of the first client, which stays in the queue."""

import queue
import socket

import pytest

from gateway.pool.doorbell import Doorbell
from gateway.pool.listener import Address, bind


@pytest.fixture
def listener():
    with bind(Address("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def rings():
    return queue.SimpleQueue()


@pytest.fixture
def bell(listener, rings):
    bell = Doorbell(listener, lambda: rings.put("ring"))
    yield bell
    bell.disarm()


def test_it_rings_once_and_leaves_the_client_to_the_worker(listener, rings, bell):
    bell.arm()
    with socket.create_connection(listener.getsockname(), timeout=5) as client:
        assert rings.get(timeout=5) == "ring"

        with pytest.raises(queue.Empty):
            rings.get(timeout=0.1)
        accepted, address = listener.accept()
        accepted.close()
        assert address == client.getsockname()


def test_it_is_silent_when_it_was_disarmed(listener, rings, bell):
    bell.arm()
    bell.disarm()

    with socket.create_connection(listener.getsockname(), timeout=5), pytest.raises(queue.Empty):
        rings.get(timeout=0.2)


def test_it_rings_once_when_it_was_armed_twice(listener, rings, bell):
    bell.arm()
    bell.arm()

    with socket.create_connection(listener.getsockname(), timeout=5):
        assert rings.get(timeout=5) == "ring"
        with pytest.raises(queue.Empty):
            rings.get(timeout=0.1)


def test_it_does_not_mind_a_listener_that_was_closed(rings, bell, listener):
    listener.close()

    bell.arm()

    with pytest.raises(queue.Empty):
        rings.get(timeout=0.1)
