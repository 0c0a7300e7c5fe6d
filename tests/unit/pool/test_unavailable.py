import socket
import threading

import pytest

from gateway.pool.listener import Address, bind, bound_address
from gateway.pool.unavailable import UnavailableAnswerer, request_is_whole

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def listener():
    with bind(Address("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def answerer(listener):
    answerer = UnavailableAnswerer(listener, lambda: 7)
    yield answerer
    answerer.end()


def connect(listener):
    address = bound_address(listener)
    return socket.create_connection((address.host, address.port), timeout=10)


def read_all(client):
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def test_it_answers_503_and_closes(listener, answerer):
    answerer.open()

    with connect(listener) as client:
        client.sendall(REQUEST)
        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 7\r\n" in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nService Unavailable\n")


def test_a_browser_gets_a_page(listener, answerer):
    answerer.open()

    with connect(listener) as client:
        client.sendall(b"GET /provider/ HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*\r\n\r\n")
        head, _, page = read_all(client).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Content-Type: text/html; charset=utf-8" in head
    assert f"Content-Length: {len(page)}".encode() in head
    assert b"Try again" in page


def test_what_has_another_answer_gets_that(listener):
    answerer = UnavailableAnswerer(
        listener, lambda: 7, answer=lambda request: b"another" if b"/start" in request else None
    )
    answerer.open()
    answers = []
    for path in (b"/start", b"/"):
        with connect(listener) as client:
            client.sendall(b"GET " + path + b" HTTP/1.1\r\n\r\n")
            answers.append(read_all(client)[:12])
    answerer.end()

    assert answers == [b"another", b"HTTP/1.1 503"]


def test_a_request_with_a_body_is_read_before_the_answer(listener, answerer):
    answerer.open()

    with connect(listener) as client:
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 503")


def test_slow_clients_do_not_keep_others_waiting(listener, answerer):
    answerer.open()
    slow = [connect(listener) for _ in range(20)]
    try:
        for client in slow:
            client.sendall(b"GET / HT")
        with connect(listener) as client:
            client.sendall(REQUEST)
            assert read_all(client).startswith(b"HTTP/1.1 503")
    finally:
        for client in slow:
            client.close()


def test_it_may_see_by_itself_that_this_is_the_end(listener):
    answerer = UnavailableAnswerer(listener, lambda: 7)
    answerer._ended = True
    answerer._wake()
    answerer._thread.join(10)

    answerer.end()

    assert answerer._wake_writer.fileno() == -1


def test_connections_are_left_to_the_workers_when_closed(listener, answerer):
    answerer.open()
    with connect(listener) as client:
        client.sendall(REQUEST)
        read_all(client)
    answerer.close()

    with connect(listener) as client:
        client.sendall(REQUEST)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        accepted, _ = listener.accept()
        accepted.close()


def test_many_clients_at_once_are_all_answered(listener, answerer):
    answerer.open()
    answers = []

    def ask():
        with connect(listener) as client:
            client.sendall(REQUEST)
            answers.append(read_all(client)[:12])

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert answers == [b"HTTP/1.1 503"] * 50


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", False),
        (REQUEST, True),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", True),
        (b"\xff\xfe", False),
    ],
)
def test_a_request_is_whole_with_its_body(data, whole):
    assert request_is_whole(data) is whole
