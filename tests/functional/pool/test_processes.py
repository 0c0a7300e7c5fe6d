"""Spare workers, workers that come on demand and go when idle, and what ends the others."""

import contextlib
import http.client
import json
import os
import threading
import time
from pathlib import Path

import pytest

from gateway.pool.loading import AT_LEISURE
from tests.functional.pool.helpers import eventually, is_alive, kill, settings_text


def write(pool, process_model="", pool_attributes="", periodic="", failure=""):
    """Write settings with these attributes."""
    text = settings_text().replace("<processModel ", f"<processModel {process_model} ", 1)
    text = text.replace(
        '<applicationPool name="TestPool"', f'<applicationPool name="TestPool" {pool_attributes}'
    )
    text = text.replace("<recycling  />", f"<recycling>{periodic}</recycling>")
    pool.write(text.replace("</applicationPool>", f"  <failure {failure} />\n</applicationPool>"))


def cut_off(pool):
    """Ask for something slow; the worker is ended before it answers."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        pool.get("/?sleep=30", timeout=20)


def event_ids(pool):
    return [json.loads(line)["id"] for line in (pool.var / "events.jsonl").read_text().splitlines()]


def test_a_recycle_uses_the_spare_and_makes_another(pool):
    pool.start()
    spare = pool.until_status("a spare", lambda s: s["spare_pid"])["spare_pid"]

    assert pool.recycle() is None

    assert AT_LEISURE in Path(f"/proc/{spare}/cmdline").read_text()
    assert pool.about()["pid"] == spare
    after = pool.until_status("another spare", lambda s: s["spare_pid"] not in (None, spare))
    pool.end()
    eventually(lambda: not is_alive(after["spare_pid"]), what="the spare is gone")


def test_a_spare_can_be_switched_off(pool):
    pool.start()
    spare = pool.until_status("a spare", lambda s: s["spare_pid"])["spare_pid"]

    write(pool, 'spareWorker="false"')

    pool.until_status("no spare", lambda s: s["spare_pid"] is None and s["recycles"] == 1)
    eventually(lambda: pool.status()["spare_pid"] is None, what="no spare")
    assert pool.about()["pid"] == spare


def test_no_process_remains_of_a_pool_that_was_killed(pool):
    pool.start()
    status = pool.until_status("a spare", lambda s: s["spare_pid"])

    kill(pool.process.pid)
    pool.process.wait()

    for pid in (status["spare_pid"], status["worker_pid"]):
        eventually(lambda pid=pid: not is_alive(pid), what=f"process {pid} gone")


def test_a_worker_comes_with_the_first_client_and_goes_when_idle(pool):
    write(pool, 'idleTimeout="00:00:01" spareWorker="false"', 'startMode="OnDemand"')
    pool.start()
    assert pool.status()["worker_pid"] is None

    first = pool.about()["pid"]
    # A worker may answer before the pool has heard from it, so its absence alone would prove nothing.
    eventually(lambda: 5186 in event_ids(pool), what="event 5186")
    pool.until_status("no worker", lambda s: s["worker_pid"] is None and not s["leaving_pids"])

    assert pool.status()["state"] == "Started"
    assert pool.about()["pid"] != first


def test_without_auto_start_it_answers_503_until_it_is_started(pool):
    write(pool, pool_attributes='autoStart="false"')
    pool.launch()
    pool.until_it_listens()
    assert pool.get("/livez")[0] == 503
    assert pool.status()["state"] == "Stopped"

    assert pool.run("start-pool").returncode == 0

    assert pool.get()[0] == 200


def test_a_balancer_that_reads_no_http_is_cut_off(pool):
    write(pool, failure='loadBalancerCapabilities="TcpLevel"')
    pool.start()
    assert pool.run("stop").returncode == 0

    with pytest.raises(OSError):
        pool.get()


def test_a_worker_goes_after_so_many_requests(pool):
    write(pool, periodic='<periodicRestart requests="5" />')
    pool.start()
    for _ in range(6):
        pool.about()

    pool.until_status("a recycle", lambda s: s["recycles"] == 1)
    assert 5075 in event_ids(pool)


def test_a_worker_that_leaks_is_replaced(pool):
    write(pool, periodic='<periodicRestart privateMemory="90000" />')
    pool.start()
    pool.get("/leak?size=100000000")

    status = pool.until_status("a recycle", lambda s: s["recycles"] == 1)
    assert status["last_recycle"]["reason"] == "private memory limit"
    assert 5117 in event_ids(pool)


def test_a_worker_whose_threads_are_stuck_is_replaced(pool):
    write(pool, 'pingInterval="00:00:01" pingResponseTime="00:00:01"')
    pool.start()
    worker = pool.about()["pid"]
    clients = [threading.Thread(target=lambda: cut_off(pool), daemon=True) for _ in range(8)]
    for client in clients:
        client.start()

    pool.until_status("another worker", lambda s: s["worker_pid"] not in (None, worker))

    assert pool.get()[0] == 200
    assert 5010 in event_ids(pool)
    for client in clients:
        client.join(timeout=10)


def test_a_worker_that_will_not_stop_is_ended(pool):
    pool.write(settings_text().replace('shutdownTimeLimit="00:00:10"', 'shutdownTimeLimit="00:00:01"'))
    pool.start()
    worker = pool.about()["pid"]
    client = threading.Thread(target=lambda: cut_off(pool), daemon=True)
    client.start()
    eventually(lambda: pool.about()["running"] == 2, what="the slow request runs")

    began = time.monotonic()
    assert pool.recycle() is None

    eventually(lambda: not is_alive(worker), what="the old worker gone")
    assert time.monotonic() - began < 10
    assert pool.status()["failures"] == 0
    client.join(timeout=10)


def test_a_worker_that_hears_nothing_at_its_end_is_killed_and_told(pool):
    pool.write(settings_text().replace('shutdownTimeLimit="00:00:10"', 'shutdownTimeLimit="00:00:01"'))
    pool.start()
    worker = pool.about()["pid"]
    os.kill(worker, 19)

    assert pool.recycle() is None

    eventually(lambda: not is_alive(worker), what="the old worker gone")
    assert 5013 in event_ids(pool)


def test_a_worker_killed_again_and_again_comes_back(pool):
    write(pool, failure='rapidFailProtectionMaxCrashes="100"')
    pool.start()
    for _ in range(5):
        worker = pool.until_status("a worker", lambda s: s["worker_pid"])["worker_pid"]
        kill(worker)
        pool.until_status("another worker", lambda s, old=worker: s["worker_pid"] not in (None, old))

    assert pool.get()[0] == 200
    assert event_ids(pool).count(5009) == 5
