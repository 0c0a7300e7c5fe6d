"""The keeper of the simulator, with a command that does what a test needs."""

import queue
import sys
import time

import pytest

from gateway.pool.messages import SimulatorExited, SimulatorReady
from gateway.pool.simulator import Simulator, set_latency
from gateway.pool.timers import Timers
from tests.unit.pool.helpers import Clock

READY = """
import sys
print("Partner Center simulator ready on http://127.0.0.1:{port}", flush=True)
sys.stdin.read()
"""


class Keeper:
    def __init__(self, var):
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()  # type: ignore[type-arg]
        self.ports = []
        self.program = READY
        self.simulator = Simulator(var, self.timers, self.inbox.put, self.command)

    def command(self, folder, port, latency):
        self.ports.append(port)
        return [sys.executable, "-c", self.program.format(port=port or 1)]

    def process_id(self):
        return self.simulator.pid

    def next(self):
        message = self.inbox.get(timeout=10)
        if isinstance(message, SimulatorReady):
            return self.simulator.on_ready(message)
        assert isinstance(message, SimulatorExited)
        self.simulator.on_exit(message)
        return None

    def pass_time(self, seconds):
        self.clock.now += seconds
        self.timers.run_due()


@pytest.fixture
def keeper(tmp_path):
    keeper = Keeper(tmp_path)
    yield keeper
    keeper.simulator.end()
    give_up_at = time.monotonic() + 10
    while keeper.simulator.pid and time.monotonic() < give_up_at:
        keeper.next()


def test_it_is_ready_when_it_says_so(keeper):
    keeper.simulator.want(3.0)

    assert keeper.next() is True

    assert keeper.simulator.url == "http://127.0.0.1:1"
    assert keeper.process_id()


def test_one_that_ended_is_started_on_the_same_port(keeper):
    keeper.simulator.want(3.0)
    keeper.next()
    keeper.simulator._process.kill()
    keeper.next()
    assert keeper.process_id() is None

    keeper.pass_time(1)
    keeper.next()

    assert keeper.ports == [0, 1]
    assert keeper.simulator.url == "http://127.0.0.1:1"


def test_another_port_is_chosen_when_the_old_one_is_lost(keeper, tmp_path):
    (tmp_path / "simulator.json").write_text('{"port": 7}')
    keeper.program = "raise SystemExit(1)"
    keeper.simulator.want(3.0)

    for _ in range(3):
        keeper.next()
        keeper.pass_time(60)
    keeper.next()

    assert keeper.ports == [7, 7, 7, 0]


def test_one_that_is_not_wanted_any_more_stays_away(keeper):
    keeper.simulator.want(3.0)
    keeper.next()

    keeper.simulator.unwant()
    keeper.next()
    keeper.pass_time(60)

    assert keeper.simulator.url is None
    assert keeper.ports == [0]


def test_a_simulator_that_does_not_listen_is_no_error():
    set_latency("http://127.0.0.1:1", 1.0)
