"""The pool as a service of systemd, whose part a socket plays."""

import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from tests.functional.pool.helpers import ROOT, eventually

UNIT = ROOT / "deploy" / "office365-gateway.service"


class Heard(list[str]):
    """The lines that have come so far."""

    def __init__(self, notify):
        super().__init__()
        self._notify = notify

    def has(self, *lines):
        """Whether these came, in this order."""
        try:
            while True:
                self.extend(self._notify.recv(4096).decode().split("\n"))
        except BlockingIOError:
            found = iter(self)
            return all(line in found for line in lines)


@pytest.fixture
def heard(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        yield Heard(notify)


def test_systemd_is_told_the_whole_life_of_a_pool(pool, heard):
    pool.launch()
    eventually(lambda: heard.has("READY=1"), seconds=30, what="ready")
    pool.until_it_listens()
    assert pool.get()[0] == 200
    assert heard.has("STATUS=Starting: 0 serving, simultaneous upgrades 10", "READY=1")

    assert pool.recycle() is None
    eventually(lambda: heard.has("READY=1", "RELOADING=1", "READY=1"), what="reloaded")

    signs = heard.count("WATCHDOG=1")
    time.sleep(1.5)
    heard.has()
    assert heard.count("WATCHDOG=1") >= signs + 2

    assert pool.end() == 0
    assert heard.has("RELOADING=1", "READY=1", "STOPPING=1")
    assert heard.count("STOPPING=1") == 1


def test_it_is_not_ready_before_a_worker_has_proved_itself(pool, heard):
    pool.settings(attempts=99, startup="00:00:02")
    pool.launch()
    pool.until_it_listens()
    pool.until_status("a failure", lambda s: s["failures"])
    assert not heard.has("READY=1")

    pool.settings()
    eventually(lambda: heard.has("READY=1"), seconds=30, what="ready")


def test_systemd_understands_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        if "CI" in os.environ:
            pytest.fail("CI skips nothing; expected systemd-analyze on the PATH")
        pytest.skip("no systemd-analyze on this machine; on Debian: apt-get install systemd")
    text = UNIT.read_text().replace("/opt/office365-gateway/.venv/bin/python", sys.executable)
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("User=gateway", "User=root"))

    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
