"""Starting and ending a pool, and what it does when processes die."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading

from gateway.pool.control import ask_briefly
from gateway.pool.start_permit import START_AGAIN
from tests.functional.pool.helpers import Load, PoolRunner, eventually, is_alive, kill, settings_text


def test_it_ends_in_good_order_and_answers_what_came_in(pool):
    pool.start()
    answers = []
    client = threading.Thread(target=lambda: answers.append(pool.get("/?sleep=1")[0]))
    worker = pool.status()["worker_pid"]
    client.start()
    eventually(lambda: pool.about()["running"] == 2, what="the slow request runs")

    code = pool.end()
    client.join(timeout=10)

    assert code == 0
    assert answers == [200]
    assert not is_alive(worker)
    assert not (pool.var / "pool.json").exists()


def test_it_starts_again_after_it_was_killed(pool):
    pool.start()
    address = pool.url.removeprefix("http://")
    orphan = pool.status()["worker_pid"]

    kill(pool.process.pid)
    pool.process.wait()
    assert pool.run("status").returncode == 3
    pool.start("--listen", address)

    assert pool.url == f"http://{address}"
    eventually(lambda: not is_alive(orphan), what="the orphan is gone")
    assert pool.about()["pid"] == pool.status()["worker_pid"] != orphan


def test_a_new_pool_takes_no_work_while_an_orphan_has_some_in_flight(pool):
    pool.settings(attempts=97)
    pool.start()
    answers = []
    client = threading.Thread(target=lambda: answers.append(pool.get("/?until=seen", timeout=60)[0]))
    client.start()
    eventually(lambda: pool.about()["running"] == 2, what="the slow request runs")
    orphan = pool.about()["pid"]

    kill(pool.process.pid)
    pool.process.wait()
    pool.start()
    assert is_alive(orphan)
    assert pool.about()["pid"] != orphan
    assert [pid for pid, _ in pool.journal()] == [str(orphan)]

    (pool.folder / "seen").touch()
    eventually(lambda: len(pool.journal()) == 2, what="the new worker takes work")
    client.join(timeout=10)
    assert answers == [200]
    assert [what for _, what in pool.journal()] == ["start", "start"]


def test_a_killed_worker_is_replaced(pool):
    pool.start()
    worker = pool.about()["pid"]

    kill(worker)

    pool.until_status("another worker", lambda s: s["worker_pid"] not in (None, worker), seconds=30)
    assert pool.about()["pid"] != worker
    assert pool.status()["failures"] == 1


def test_a_second_pool_is_refused(pool):
    pool.start()

    second = subprocess.run(
        pool.command_line("start", "--ini", str(pool.folder / "web.ini")),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert second.returncode == 1
    assert f"process {pool.process.pid}" in second.stderr
    assert pool.status()["state"] == "Started"


def test_a_taken_port_is_named(pool):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = pool.run("start", "--ini", str(pool.folder / "web.ini"), "--listen", f"127.0.0.1:{port}")

    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr


def test_an_invalid_file_is_refused_at_the_start(pool):
    pool.write(settings_text(limit="ten"))

    done = pool.run("start", "--ini", str(pool.folder / "web.ini"))

    assert done.returncode == 2
    assert "ten" in done.stderr
    assert not pool.var.exists()


def test_a_stopped_pool_answers_503_until_it_is_started(pool):
    pool.start()

    assert pool.run("stop").returncode == 0
    status = pool.status()
    assert (status["state"], status["worker_pid"]) == ("Stopped", None)
    code, headers, body = pool.get()
    assert (code, headers["Connection"], body) == (503, "close", b"Service Unavailable\n")
    assert int(headers["Retry-After"]) > 0
    refused = pool.run("recycle", "--wait")
    assert refused.returncode == 1
    assert "Stopped" in refused.stderr

    assert pool.run("start-pool").returncode == 0
    assert pool.get()[0] == 200
    assert pool.run("start-pool").returncode == 1


def test_workers_that_keep_failing_stop_the_pool(pool):
    pool.settings(attempts=98)
    pool.launch()
    pool.until_it_listens()

    stopped = pool.until_status("state Stopped", lambda s: s["state"] == "Stopped", seconds=25)
    assert stopped["failures"] == 5
    assert "cannot be loaded" in stopped["reason"]
    assert pool.get()[0] == 503

    pool.settings()
    assert pool.run("start-pool").returncode == 0
    assert pool.get()[0] == 200


def test_commands_say_by_their_exit_code_what_happened(pool):
    assert pool.run("status").returncode == 3
    assert pool.run("stop").returncode == 3
    assert pool.run("validate").returncode == 0
    assert pool.run("nonsense").returncode == 2
    bad = pool.folder / "Bad.config"
    bad.write_text("<configuration>")
    assert pool.run("validate", str(bad)).returncode == 2

    pool.start()
    assert "TestPool" in pool.run("status").stdout
    assert json.loads(pool.run("status", "--json").stdout)["worker_pid"] == pool.about()["pid"]
    assert pool.run("recycle").returncode == 0
    pool.until_status("one recycle", lambda s: s["recycles"] == 1)
    assert pool.run("stop", "--exit").returncode == 0
    assert pool.process.wait(timeout=10) == 0


def test_the_data_folder_may_have_a_long_and_odd_path(tmp_path):
    runner = PoolRunner(tmp_path, var=tmp_path / ("d" * 60) / ("100%(e)s" * 8))
    runner.settings()
    try:
        runner.start()
        assert runner.about()["var"] == str(runner.var)
        assert len(json.loads((runner.var / "pool.json").read_text())["control"]) < 100
    finally:
        assert runner.end() == 0


def test_what_the_pool_writes_is_for_its_owner_only(pool):
    pool.start()

    assert pool.var.stat().st_mode & 0o777 == 0o700
    for name in ("last-good.json", "control.key"):
        assert (pool.var / name).stat().st_mode & 0o777 == 0o600


def test_a_load_is_served_while_a_worker_leaves_by_itself(pool):
    pool.start()
    with Load(pool.url, keep_alive=2, fresh=2) as load:
        first = pool.status()["worker_pid"]
        subprocess.run(["kill", "-TERM", str(first)], check=True)
        eventually(lambda: load.pids() and first not in load.pids(), what="another worker answers")

    assert load.failures == []


def test_a_worker_that_hangs_is_replaced(pool):
    text = settings_text().replace(
        'shutdownTimeLimit="00:00:10"',
        'shutdownTimeLimit="00:00:10" pingInterval="00:00:01" pingResponseTime="00:00:01"',
    )
    pool.write(text)
    pool.start()
    worker = pool.about()["pid"]

    os.kill(worker, signal.SIGSTOP)

    pool.until_status("another worker", lambda s: s["worker_pid"] not in (None, worker))
    assert pool.get()[0] == 200
    assert not is_alive(worker)
    assert "did not answer a ping" in pool.run("events").stdout


def test_a_second_signal_ends_it_at_once(pool):
    pool.start()
    client = threading.Thread(target=lambda: suppressed(pool.get, "/?sleep=20"), daemon=True)
    client.start()
    eventually(lambda: pool.about()["running"] == 2, what="the slow request runs")
    worker = pool.status()["worker_pid"]

    pool.process.send_signal(signal.SIGINT)
    pool.until_status("state Stopping", lambda s: s["state"] == "Stopping")
    pool.process.send_signal(signal.SIGINT)

    assert pool.process.wait(timeout=10) == 1
    assert not is_alive(worker)
    client.join(timeout=10)


def test_who_may_start_it_again_does_not_keep_it_from_ending(pool):
    pool.start()
    client = threading.Thread(target=lambda: pool.get("/?until=seen", timeout=60))
    client.start()
    eventually(lambda: pool.about()["running"] == 2, what="the slow request runs")
    ask_briefly(pool.var, "stop", 0.1, permit="a digest")
    assert ask_briefly(pool.var, START_AGAIN, 0.1) is None

    pool.process.send_signal(signal.SIGTERM)
    eventually(lambda: "SIGTERM" in (pool.folder / "log.txt").read_text(), what="the signal is handled")
    (pool.folder / "seen").touch()

    assert pool.process.wait(timeout=20) == 0
    client.join(timeout=10)


def suppressed(call, *arguments):
    with contextlib.suppress(OSError, http.client.HTTPException):
        call(*arguments)
