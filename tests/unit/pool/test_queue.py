"""Clients beyond `queueLength`: how many there are, and that they are answered."""

import socket
from contextlib import ExitStack

import pytest

from gateway.pool.backlog import ROOM, Backlog, waiting_connections
from gateway.pool.listener import Address, bind
from gateway.pool.overflow import TELL_SECONDS, Overflow
from gateway.pool.unavailable import UnavailableAnswerer
from tests.functional.pool.helpers import eventually
from tests.unit.pool.helpers import Clock


@pytest.fixture
def listener():
    with bind(Address("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def connect(listener):
    with ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_connection(listener.getsockname(), timeout=10))


def test_the_system_tells_how_many_wait(listener, connect):
    assert waiting_connections(listener) == 0

    for _ in range(5):
        connect()
    assert waiting_connections(listener) == 5

    accepted, _ = listener.accept()
    accepted.close()
    assert waiting_connections(listener) == 4


def test_a_socket_that_is_closed_tells_nothing(listener):
    listener.close()

    assert waiting_connections(listener) is None


def test_only_those_that_are_too_many_are_shed(listener, connect):
    shed: list[int] = []
    backlog = Backlog(listener, shed.append)
    for _ in range(4):
        connect()

    backlog.keep(4)
    assert shed == []
    connect()
    backlog.keep(4)
    backlog.keep(2)

    assert shed == [1, 3]


def test_where_the_system_does_not_tell_nobody_is_shed(listener, connect):
    shed: list[int] = []
    connect()

    Backlog(listener, shed.append, waiting=lambda _: None).keep(0)

    assert shed == []


def test_the_system_keeps_more_so_that_they_can_be_answered(listener, connect):
    Backlog(listener, lambda _: None).keep(3)

    clients = [connect() for _ in range(3 + ROOM)]

    assert waiting_connections(listener) == len(clients)


def test_those_that_are_shed_are_answered_and_the_others_wait(listener, connect):
    answerer = UnavailableAnswerer(listener, lambda: 7)
    clients = [connect() for _ in range(3)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    answerer.shed(2)

    try:
        answers = [client.recv(4096) for client in clients[:2]]
        assert all(b" 503 " in answer and b"Retry-After: 7\r\n" in answer for answer in answers)
        assert eventually(lambda: waiting_connections(listener) == 1)
    finally:
        for client in clients:
            client.close()
        answerer.end()


def test_a_flood_is_told_now_and_then():
    clock = Clock()
    told: list[int] = []
    overflow = Overflow(told.append, clock)
    for _ in range(3):
        overflow.refuse()
    assert told == [1]

    clock.now += TELL_SECONDS
    overflow.refuse(5)

    assert told == [1, 7]


def test_the_rest_of_a_flood_is_told_although_nobody_else_is_refused():
    clock = Clock()
    told: list[int] = []
    overflow = Overflow(told.append, clock)
    for _ in range(3):
        overflow.refuse()
    overflow.keep()
    assert told == [1]

    clock.now += TELL_SECONDS
    overflow.keep()
    overflow.keep()
    overflow.refuse()
    assert told == [1, 2]

    overflow.tell_rest()
    overflow.tell_rest()
    assert told == [1, 2, 1]
