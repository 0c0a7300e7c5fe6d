"""The simulator runs beside the workers, for as long as an application instance asks for it."""

import json
import urllib.request

import pytest

from tests.functional.pool.helpers import eventually, is_alive, kill

INSTANCE = (
    '<applicationInstances><add name="Office 365" partnerCenterUrl="{url}" tenantId="t" clientId="c" '
    'clientSecret="s" /></applicationInstances>'
)
SIMULATED = INSTANCE.format(url="simulator")
REAL = INSTANCE.format(url="https://api.partnercenter.microsoft.com")


@pytest.fixture
def simulated(pool):
    pool.settings(more=SIMULATED)
    return pool.start()


def configuration(url):
    request = urllib.request.Request(f"{url}/_control/configure", data=b"{}", method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def test_workers_are_told_where_it_is(simulated):
    status = simulated.status()

    assert simulated.about()["instances"] == [status["simulator_url"]]
    assert is_alive(status["simulator_pid"])


def test_it_outlives_workers_and_comes_back_on_its_port(simulated):
    before = simulated.status()

    assert simulated.recycle() is None
    assert simulated.status()["simulator_pid"] == before["simulator_pid"]

    kill(before["simulator_pid"])
    after = simulated.until_status(
        "another simulator",
        lambda s: s["simulator_pid"] not in (None, before["simulator_pid"]),
    )
    assert after["simulator_url"] == before["simulator_url"]
    assert after["worker_pid"] == simulated.about()["pid"]
    eventually(lambda: configuration_or_none(before["simulator_url"]), what="it answers again")

    simulated.end()
    assert not is_alive(after["simulator_pid"])
    simulated.start()
    assert simulated.status()["simulator_url"] == before["simulator_url"]


def test_another_latency_does_not_restart_it(simulated):
    before = simulated.status()

    text = simulated.config.read_text().replace(
        "</appSettings>", '<add key="SIMULATOR_LATENCY_SECONDS" value="0.25" /></appSettings>'
    )
    simulated.write(text)

    eventually(lambda: configuration(before["simulator_url"])["latency"] == 0.25, what="latency")
    assert simulated.status()["simulator_pid"] == before["simulator_pid"]


def test_it_comes_and_goes_with_the_settings(pool):
    pool.settings(more=REAL)
    pool.start()
    assert pool.status()["simulator_pid"] is None

    pool.settings(more=SIMULATED)
    status = pool.until_status("a simulator", lambda s: s["recycles"] == 1)
    assert pool.about()["instances"] == [status["simulator_url"]]

    pool.settings(more=REAL)
    pool.until_status("no simulator", lambda s: s["simulator_url"] is None)
    eventually(lambda: not is_alive(status["simulator_pid"]), what="the simulator is gone")


def test_it_does_not_outlive_a_pool_that_is_killed(simulated):
    status = simulated.status()

    kill(simulated.process.pid)
    simulated.process.wait()

    for pid in (status["simulator_pid"], status["worker_pid"]):
        eventually(lambda pid=pid: not is_alive(pid), what=f"process {pid} is gone")


def configuration_or_none(url):
    try:
        return configuration(url)
    except OSError:
        return None
