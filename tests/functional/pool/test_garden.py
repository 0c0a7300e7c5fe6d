"""Several workers at the same time, and more clients than may wait."""

import http.client
import threading
from collections import Counter

import pytest

from gateway.pool.control import ask
from tests.functional.pool.helpers import Load, eventually, is_alive, kill, settings_text
from tests.functional.pool.test_processes import event_ids

COUNT = 2


@pytest.fixture(scope="module")
def garden(running_pool):
    running_pool.write(garden_text())
    running_pool.until_status("two workers", lambda s: len(s["worker_pids"]) == COUNT, seconds=40)
    return running_pool


def garden_text(**values):
    return settings_text(**values).replace("<processModel ", f'<processModel maxProcesses="{COUNT}" ', 1)


def take_over(pool, text):
    """Have a short queue, from now on."""
    pool.write(text.replace('name="TestPool"', 'name="TestPool" queueLength="4"'))
    assert ask(pool.var, "take-over")["ok"]


def test_both_answer_and_no_request_fails_while_both_are_replaced(garden):
    with Load(garden.url, keep_alive=4, fresh=4) as load:
        eventually(lambda: len(load.pids()) == COUNT, what="both answer")
        before = set(garden.status()["worker_pids"])
        garden.write(garden_text(limit=33))
        after = garden.until_status(
            "the new limit", lambda s: s["limit"] == 33 and not s["leaving_pids"], seconds=40
        )
        eventually(lambda: load.pids() == set(after["worker_pids"]), what="the new ones alone answer")

    assert load.failures == []
    assert len(after["worker_pids"]) == COUNT
    assert not before & set(after["worker_pids"])
    # Never both generations at once: whoever answered with the new limit was of the new one.
    assert {a["limit"] for a in load.answers if a.get("pid") in before} == {10}


def test_each_is_listed_and_the_one_that_dies_is_replaced_alone(garden):
    first, second = sorted(garden.status()["worker_pids"])
    assert "PID" in garden.run("list-workers").stdout

    kill(second)
    assert garden.get()[0] == 200
    after = garden.until_status(
        "a successor", lambda s: len(s["worker_pids"]) == COUNT and second not in s["worker_pids"], seconds=40
    )

    assert first in after["worker_pids"]
    assert after["state"] == "Started"
    steps = Counter(what for _, what in garden.journal())
    assert steps["start beside another"] == 0


def test_no_worker_is_left_when_it_becomes_one_again(garden):
    before = garden.status()["worker_pids"]

    garden.settings()
    after = garden.until_status(
        "one worker", lambda s: len(s["worker_pids"]) == 1 and not s["leaving_pids"], seconds=40
    )

    assert not any(map(is_alive, before))
    assert after["worker_pid"] == garden.about()["pid"]


def test_more_clients_than_may_wait_are_answered_503(running_pool):
    take_over(running_pool, settings_text())
    statuses: Counter[int] = Counter()
    lock = threading.Lock()

    def ask():
        status, headers, _ = running_pool.get("/?until=full", timeout=60)
        with lock:
            statuses[status] += 1
        assert status == 200 or headers["Retry-After"] == "2"

    clients = [threading.Thread(target=ask) for _ in range(30)]
    for client in clients:
        client.start()
    # Six threads work and four requests wait; everybody else has an answer at once.
    eventually(lambda: statuses[503] == 20, what="refused ones")
    (running_pool.folder / "full").touch()
    for client in clients:
        client.join(timeout=60)

    assert statuses == {200: 10, 503: 20}
    assert running_pool.get()[0] == 200
    # Clients are answered before the pool hears of it.
    eventually(lambda: 9016 in event_ids(running_pool), what="event 9016")
    running_pool.settings()


def is_answered(pool):
    """Whether a client is answered soon; one that gives up has not waited in vain in the queue for long."""
    try:
        return pool.get(timeout=0.3)[0] == 200
    except OSError:
        return False


def test_clients_beyond_the_queue_of_a_pool_without_worker_are_answered_too(running_pool):
    take_over(running_pool, settings_text(recycling='disallowOverlappingRotation="true"'))
    worker = running_pool.status()["worker_pid"]
    slow = threading.Thread(target=lambda: running_pool.get("/?until=empty", timeout=60))
    slow.start()
    eventually(lambda: running_pool.about()["running"] == 2, what="the slow request runs")

    assert running_pool.run("recycle").returncode == 0
    eventually(lambda: running_pool.status()["leaving_pids"] == [worker], what="no worker")
    eventually(lambda: not is_answered(running_pool), what="the old one takes no new clients")
    host = running_pool.url.removeprefix("http://")
    connections = [http.client.HTTPConnection(host, timeout=60) for _ in range(12)]
    for connection in connections:
        connection.request("GET", "/")
    answers = [connection.getresponse().status for connection in connections[:8]]
    (running_pool.folder / "empty").touch()
    answers += [connection.getresponse().status for connection in connections[8:]]

    assert answers.count(503) >= 8
    for connection in connections:
        connection.close()
    slow.join(timeout=60)
    running_pool.until_status("a worker", lambda s: s["worker_pid"])
