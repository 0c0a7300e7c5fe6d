"""What systemd is told, and when."""

import socket

import pytest

from gateway.pool.service_manager import Condition, ServiceManager
from gateway.pool.status import service_condition
from tests.unit.pool.helpers import Clock, settings


def condition(ready=False, reloading=False, stopping=False, text="Starting"):
    return Condition(is_ready=ready, is_reloading=reloading, is_stopping=stopping, text=text)


class FakeSystemd:
    def __init__(self, address):
        self.clock = Clock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self):
        """Return what came since it was asked last, a list of lines for each datagram."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return found

    def close(self):
        self._socket.close()


@pytest.fixture
def systemd(tmp_path):
    systemd = FakeSystemd(str(tmp_path / "notify"))
    yield systemd
    systemd.close()


@pytest.fixture
def manager(tmp_path, systemd):
    return ServiceManager(str(tmp_path / "notify"), None, systemd.clock)


def test_it_is_ready_once_a_worker_serves(manager, systemd):
    manager.keep(condition())
    assert systemd.heard() == [["STATUS=Starting"]]

    manager.keep(condition(ready=True, text="Started"))
    manager.keep(condition(ready=True, text="Started"))

    assert systemd.heard() == [["READY=1", "STATUS=Started"]]


def test_a_recycle_is_a_reload_that_ends_with_ready(manager, systemd):
    manager.keep(condition(ready=True))
    systemd.heard()

    manager.keep(condition(ready=True, reloading=True))
    manager.keep(condition(ready=True))

    reloading, ready = systemd.heard()
    assert reloading[0] == "RELOADING=1"
    assert reloading[1].startswith("MONOTONIC_USEC=")
    assert ready == ["READY=1"]


def test_a_reload_without_overlap_ends_with_ready_too(manager, systemd):
    manager.keep(condition(ready=True))
    manager.keep(condition(ready=False, reloading=True))

    manager.keep(condition(ready=False))

    assert systemd.heard()[-1] == ["READY=1"]


def test_the_end_is_told_once(manager, systemd):
    manager.keep(condition(ready=True))
    systemd.heard()

    manager.keep(condition(ready=True, stopping=True))
    manager.keep(condition(ready=True, stopping=True))

    assert systemd.heard() == [["STOPPING=1"]]


def test_a_sign_of_life_comes_twice_in_the_time_of_the_watchdog(tmp_path, systemd):
    manager = ServiceManager(str(tmp_path / "notify"), 30.0, systemd.clock)
    manager.keep(condition())
    assert systemd.heard()[0][-1] == "WATCHDOG=1"

    for seconds, heard in ((14, []), (1, [["WATCHDOG=1"]]), (1, [])):
        systemd.clock.now += seconds
        manager.keep(condition())
        assert systemd.heard() == heard


def test_what_did_not_arrive_is_sent_again(tmp_path, caplog):
    manager = ServiceManager(str(tmp_path / "late"), None)
    manager.keep(condition(ready=True))
    manager.keep(condition(ready=True))
    assert len(caplog.records) == 1

    systemd = FakeSystemd(str(tmp_path / "late"))
    manager.keep(condition(ready=True))

    assert systemd.heard() == [["READY=1", "STATUS=Starting"]]
    systemd.close()


def test_an_address_may_be_abstract(systemd):
    abstract = FakeSystemd("\0gateway-unit-test")

    ServiceManager("@gateway-unit-test", None).keep(condition())

    assert abstract.heard() == [["STATUS=Starting"]]
    abstract.close()


def test_workers_do_not_inherit_what_is_meant_for_the_pool(tmp_path, systemd):
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000", "HOME": "/"}

    ServiceManager.of_environment(environ).keep(condition())

    assert environ == {"HOME": "/"}
    assert systemd.heard() == [["STATUS=Starting", "WATCHDOG=1"]]


@pytest.mark.parametrize("environ", [{"WATCHDOG_PID": "1", "WATCHDOG_USEC": "30"}, {"WATCHDOG_USEC": "x"}])
def test_a_watchdog_that_is_meant_for_others_is_left_alone(tmp_path, systemd, environ):
    ServiceManager.of_environment(environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}).keep(condition())

    assert systemd.heard() == [["STATUS=Starting"]]


@pytest.mark.parametrize("without", ["socket", "unix sockets"])
def test_without_systemd_nothing_happens(monkeypatch, systemd, without):
    if without == "unix sockets":
        monkeypatch.delattr(socket, "AF_UNIX")

    ServiceManager("/nowhere" if without == "unix sockets" else None, 30.0).keep(condition(ready=True))

    assert systemd.heard() == []


class TestCondition:
    def test_a_pool_is_ready_with_its_first_worker(self, pool, tmp_path):
        pool.start(settings(tmp_path))
        assert not service_condition(pool.machine, None, False).is_ready

        pool.make_serve(pool.newest)

        found = service_condition(pool.machine, "line 3\n is wrong", False)
        assert found.is_ready
        assert (
            found.text
            == "Started: 1 serving, simultaneous upgrades 10; last good values, for line 3 is wrong"
        )

    def test_a_pool_that_is_to_wait_is_ready_too(self, pool):
        pool.machine.stay_stopped("autoStart is false")

        assert service_condition(pool.machine, None, False).is_ready

    def test_a_pool_whose_first_workers_fail_is_not(self, pool, tmp_path):
        pool.start(settings(tmp_path))
        for _ in range(5):
            pool.exit(pool.newest, 1)
            pool.pass_time(2)

        found = service_condition(pool.machine, None, False)
        assert (pool.state(), found.is_ready) == ("Stopped", False)
        assert "rapid-fail protection" in found.text

    def test_only_a_recycle_is_a_reload(self, started, tmp_path):
        started.recycle(settings(tmp_path))
        assert service_condition(started.machine, None, False).is_reloading
        started.make_serve(started.newest)

        started.exit(started.newest, 1)
        started.pass_time(0)

        assert not service_condition(started.machine, None, False).is_reloading
