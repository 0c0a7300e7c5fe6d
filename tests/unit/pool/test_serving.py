import http.client
import random
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from waitress import wasyncore
from waitress.buffers import TempfileBasedBuffer
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.task import Task, WSGITask

from gateway.pool import serving
from gateway.pool.listener import Address, bind, bound_address
from gateway.pool.overflow import TELL_SECONDS
from gateway.pool.serving import Serving
from gateway.pool.worker import only_with_secret
from tests.functional.pool.helpers import eventually


class Application:
    """Answers when it is let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.let_go.set()
        self.pieces = [b"ok"]

    def __call__(self, environ, start_response):
        self.let_go.wait(timeout=10)
        start_response("200 OK", [("Content-Length", str(sum(map(len, self.pieces))))])
        return self.pieces


class Server:
    def __init__(self):
        self.application = Application()
        self.public = bind(Address("127.0.0.1", 0))
        private = socket.create_server(("127.0.0.1", 0))
        self.port = bound_address(self.public).port
        self.private_port = private.getsockname()[1]
        guarded = only_with_secret(self.application, "s3")
        self.refused: list[int] = []
        self.serving = Serving(
            self.application,
            guarded,
            self.public,
            private,
            {"threads": "2", "listen": "x"},
            queue_length=4,
            on_queue_full=self.refused.append,
        )
        self.results: list[bool] = []
        self.thread = threading.Thread(target=lambda: self.results.append(self.serving.run()))
        self.thread.start()

    def connect(self, port=None):
        return http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)

    def wait_for_end(self):
        self.thread.join(timeout=15)
        assert not self.thread.is_alive()
        return self.results[0]


@pytest.fixture
def server():
    server = Server()
    yield server
    server.application.let_go.set()
    server.serving.drain(5)
    server.thread.join(timeout=15)
    wasyncore.close_all(server.serving._map)
    server.public.close()


def get(connection, headers=None):
    connection.request("GET", "/", headers=headers or {})
    response = connection.getresponse()
    return response.status, response.headers["Connection"], response.read()


def test_the_public_socket_is_closed_until_it_is_opened(server):
    client = server.connect()
    client.request("GET", "/")
    assert client.sock is not None
    client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.sock.recv(1)

    server.serving.open()
    client.sock.settimeout(10)

    assert client.getresponse().read() == b"ok"
    client.close()


def test_the_private_socket_is_for_who_knows_the_secret(server):
    for headers, status in (({"X-Gateway-Probe": "s3"}, 200), ({"X-Gateway-Probe": "no"}, 404), ({}, 404)):
        client = server.connect(server.private_port)
        assert get(client, headers)[0] == status
        client.close()


def test_a_kept_connection_is_closed_with_its_next_answer(server):
    server.serving.open()
    client = server.connect()
    assert get(client) == (200, None, b"ok")

    server.serving.drain(10)

    assert get(client) == (200, "close", b"ok")
    client.close()
    assert server.wait_for_end() is True


def test_while_nobody_takes_over_new_clients_are_served_as_long_as_idle_ones_have_time(server):
    server.serving.open()
    idle = server.connect()
    get(idle)

    server.serving.drain(10, lingering=True)
    eventually(server.serving._draining.is_set)
    late = server.connect()

    assert get(late) == (200, "close", b"ok")
    assert server.wait_for_end() is True
    for client in (idle, late):
        client.close()


def test_while_somebody_takes_over_new_clients_are_left_to_them(server):
    server.serving.open()
    idle = server.connect()
    get(idle)

    server.serving.drain(10)
    eventually(server.serving._draining.is_set)
    late = server.connect()
    late.request("GET", "/")
    assert late.sock is not None
    late.sock.settimeout(0.3)

    with pytest.raises(TimeoutError):
        late.sock.recv(1)
    for client in (idle, late):
        client.close()


def test_an_idle_connection_does_not_hold_it_for_long(server):
    server.serving.open()
    client = server.connect()
    get(client)
    began = time.monotonic()

    server.serving.drain(10)

    assert server.wait_for_end() is True
    assert time.monotonic() - began < 5
    client.close()


def test_an_idle_connection_is_given_as_long_as_is_said(server):
    server.serving.open()
    client = server.connect()
    get(client)

    server.serving.drain(10, idle_grace=2.5)
    eventually(lambda: server.serving.state()["loop_age"] < 0.05 and server.serving._draining.is_set())
    time.sleep(1.5)

    assert get(client) == (200, "close", b"ok")
    client.close()


def test_running_and_queued_requests_are_answered(server):
    server.serving.open()
    server.application.let_go.clear()
    clients = [server.connect() for _ in range(5)]
    for client in clients:
        client.request("GET", "/")
    eventually(lambda: server.serving.state()["running"] == 2 and server.serving.state()["queue"] == 3)

    server.serving.drain(10)
    assert server.serving.state()["oldest_request_age"] > 0
    server.application.let_go.set()

    assert [client.getresponse().read() for client in clients] == [b"ok"] * 5
    assert server.wait_for_end() is True
    for client in clients:
        client.close()


def test_beyond_the_length_of_the_queue_requests_are_refused_at_once(server):
    server.serving.open()
    server.application.let_go.clear()
    waiting = [server.connect() for _ in range(6)]
    for client in waiting:
        client.request("GET", "/")
    eventually(lambda: server.serving.state()["running"] == 2 and server.serving.state()["queue"] == 4)

    refused = server.connect()
    refused.request("POST", "/", body=b"x" * 100_000)
    response = refused.getresponse()

    assert (response.status, response.headers["Connection"]) == (503, "close")
    assert response.headers["Retry-After"] == "2"
    assert response.read() == b"Service Unavailable\n"
    assert server.refused == [1]
    probe = server.connect(server.private_port)
    probe.request("GET", "/", headers={"X-Gateway-Probe": "s3"})
    server.application.let_go.set()
    assert [client.getresponse().status for client in (*waiting, probe)] == [200] * 7
    again = server.connect()
    assert get(again)[0] == 200
    for client in (*waiting, refused, probe, again):
        client.close()


def test_all_that_were_refused_are_told_of_in_the_end(server):
    server.serving.open()
    server.application.let_go.clear()
    waiting = [server.connect() for _ in range(6)]
    for client in waiting:
        client.request("GET", "/")
    eventually(lambda: server.serving.state()["running"] == 2 and server.serving.state()["queue"] == 4)

    clients = [server.connect() for _ in range(4)]
    assert [get(client)[0] for client in clients[:3]] == [503] * 3
    assert server.refused == [1]
    server.serving._overflow._told_at -= TELL_SECONDS
    eventually(lambda: server.refused == [1, 2])

    assert get(clients[3])[0] == 503
    server.application.let_go.set()
    assert [client.getresponse().status for client in waiting] == [200] * 6
    server.serving.drain(5)
    assert server.wait_for_end()
    assert server.refused == [1, 2, 1]
    for client in (*waiting, *clients):
        client.close()


def test_pipelined_requests_are_all_answered(server):
    server.serving.open()
    server.application.let_go.clear()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        eventually(lambda: server.serving.state()["running"] == 1)
        server.serving.drain(10)
        eventually(server.serving._draining.is_set)
        server.application.let_go.set()
        received = b""
        while data := client.recv(65536):
            received += data

    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b"Connection: close") == 1


def test_a_request_that_takes_too_long_is_cut(server):
    server.serving.open()
    server.application.let_go.clear()
    client = server.connect()
    client.request("GET", "/")
    eventually(lambda: server.serving.state()["running"] == 1)

    server.serving.drain(0.5)

    assert server.wait_for_end() is False
    client.close()


def test_the_port_is_free_at_once_when_it_is_let_go(server):
    server.serving.open()
    server.application.let_go.clear()
    client = server.connect()
    client.request("GET", "/")
    eventually(lambda: server.serving.state()["running"] == 1)

    server.serving.drain(10, let_go=True)
    server.public.close()
    with bind(Address("127.0.0.1", server.port), patience=5):
        server.application.let_go.set()
        assert client.getresponse().read() == b"ok"
    client.close()


def test_large_pieces_are_sent_in_order_and_not_put_into_a_file(server, monkeypatch):
    monkeypatch.delattr(TempfileBasedBuffer, "newfile")
    large = random.randbytes(5_000_000)
    server.application.pieces = [b"before", large, b"between", large[::-1], b"after"]
    server.serving.open()
    connection = server.connect()

    for _ in range(2):
        assert get(connection)[2] == b"".join(server.application.pieces)

    connection.close()


def test_the_loop_leaves_a_connection_to_the_thread_that_sends_and_goes_on_after_it(server, monkeypatch):
    """It must not look again and again; nor must it sleep once the thread has something else to do."""
    monkeypatch.setattr(serving, "LOOP_SECONDS", 60.0)
    has_left, has_read = threading.Event(), threading.Event()
    public = server.serving._public
    writable, write_soon = public.channel_class.writable, HTTPChannel.write_soon

    def watched(channel):
        is_writable = writable(channel)
        if channel.total_outbufs_len and not is_writable:
            has_left.set()
        return is_writable

    def sending_for_long(channel, data):
        with channel.outbuf_lock:
            count = write_soon(channel, data)
            if channel.total_outbufs_len:
                assert has_left.wait(timeout=10)
        return count

    monkeypatch.setattr(public.channel_class, "writable", watched)
    monkeypatch.setattr(HTTPChannel, "write_soon", sending_for_long)
    piece = random.randbytes(12_000_000)

    def application(environ, start_response):
        start_response("200 OK", [("Content-Length", str(len(piece) + 3))])
        yield piece
        assert has_read.wait(timeout=10)
        yield b"end"

    public.application = application
    server.serving.open()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.settimeout(10)
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert has_left.wait(timeout=10)
        with client.makefile("rb") as answer:
            while answer.readline().strip():
                pass
            assert answer.read(len(piece)) == piece
            has_read.set()
            assert answer.read() == b"end"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"requests": ["one"], "total_outbufs_len": 9}, False),
        ({"requests": ["one"], "total_outbufs_len": 11}, True),
        ({"requests": ["one"], "total_outbufs_len": 9, "will_close": True}, True),
        ({"requests": [], "total_outbufs_len": 9}, True),
    ],
)
def test_a_connection_that_another_thread_sends_on_is_left_alone_unless_that_waits(server, state, expected):
    with socket.socket() as nobody:
        public = server.serving._public
        channel = public.channel_class(public, nobody, None, public.adj, map={})
        channel.adj = SimpleNamespace(outbuf_high_watermark=10)
        vars(channel).update(state)
        found = []
        with channel.outbuf_lock:
            other = threading.Thread(target=lambda: found.append(channel.writable()))
            other.start()
            other.join()
        channel.del_channel({})

        assert found == [expected]


def test_waitress_has_what_the_drain_relies_on():
    for name in ("accepting", "channel_class", "active_channels", "trigger"):
        assert hasattr(BaseWSGIServer, name) or name in BaseWSGIServer.__init__.__code__.co_names
    for name in ("requests_lock", "total_outbufs_len", "will_close", "close_when_flushed", "last_activity"):
        assert hasattr(HTTPChannel, name) or name in HTTPChannel.__init__.__code__.co_names
    assert HTTPChannel.task_class is WSGITask
    assert callable(Task.build_response_header)
    assert callable(Task.set_close_on_finish)
