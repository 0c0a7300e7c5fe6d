import queue
import threading
from multiprocessing.connection import Client

import pytest

from gateway.pool.control import FAMILY, ControlFiles, ask, was_left_behind
from gateway.pool.control_server import ControlServer
from gateway.pool.errors import PoolError, PoolNotRunningError


class Running:
    """A control server whose requests a test answers."""

    def __init__(self, var):
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()  # type: ignore[type-arg]
        self.server = ControlServer(var, {"url": "http://x"}, self.inbox.put)

    def answer_one(self, answer):
        def run():
            request = self.inbox.get(timeout=10)
            request.answer(answer | {"command": request.command, "arguments": request.arguments})

        threading.Thread(target=run, daemon=True).start()


@pytest.fixture
def var(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def running(var):
    running = Running(var)
    yield running
    running.server.close()


def test_an_answer_comes_back(var, running):
    running.answer_one({"ok": True})

    assert ask(var, "recycle", wait=True) == {"ok": True, "command": "recycle", "arguments": {"wait": True}}


def test_nobody_answers_in_a_folder_without_a_pool(var):
    with pytest.raises(PoolNotRunningError):
        ask(var, "status")


def test_nobody_answers_after_the_end(var):
    Running(var).server.close()

    assert not was_left_behind(var)
    with pytest.raises(PoolNotRunningError):
        ask(var, "status")


def test_what_a_killed_pool_left_is_no_obstacle(var, running):
    files = ControlFiles(var)
    left, key = files.pool.read_text(), files.key.read_text()
    running.server.close()
    files.pool.write_text(left)
    files.key.write_text(key)

    assert was_left_behind(var)
    with pytest.raises(PoolNotRunningError):
        ask(var, "status")
    Running(var).server.close()


def test_a_wrong_key_opens_nothing(var, running):
    ControlFiles(var).key.write_text("guessed")

    with pytest.raises(PoolNotRunningError):
        ask(var, "stop")

    assert running.inbox.empty()


def test_a_client_that_says_nothing_holds_nobody_up(var, running):
    with Client(running.server._listener.address, FAMILY):
        running.answer_one({"ok": True})

        assert ask(var, "status")["ok"]


def test_who_still_waits_at_the_end_is_told(var):
    running = Running(var)
    told = []

    def wait():
        told.append(ask(var, "recycle", wait=True))

    client = threading.Thread(target=wait)
    client.start()
    running.inbox.get(timeout=10)

    running.server.close()
    client.join(timeout=10)

    assert told == [{"ok": False, "problem": "the pool ended before it answered"}]


def test_nonsense_is_not_answered(var, running):
    key = ControlFiles(var).key.read_text().encode()
    with Client(running.server._listener.address, FAMILY, authkey=key) as client:
        client.send_bytes(b"{}")
        with pytest.raises(EOFError):
            client.recv_bytes()


def test_a_pool_that_dies_before_it_answers_is_an_error(var, running, monkeypatch):
    def wrong(*_, **__):
        raise OSError("gone")

    class Broken:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        send_bytes = wrong

    monkeypatch.setattr("gateway.pool.control.Client", lambda *_, **__: Broken())
    with pytest.raises(PoolError, match="ended before"):
        ask(var, "status")
