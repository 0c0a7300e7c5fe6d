"""A real pool with real processes, on a port the system chose, in a folder of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from gateway.pool.control import ask

ROOT = Path(__file__).parents[3]

INI = """\
[app:main]
paste.app_factory = tests.functional.pool.app:main

[server:main]
use = egg:waitress#main
listen = 127.0.0.1:0
threads = 6
"""

SETTINGS = """\
<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <appSettings>
    <add key="MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES" value="{limit}" />
    <add key="UPGRADE_MAX_ATTEMPTS" value="{attempts}" />
  </appSettings>
  <connectionStrings><add name="Gateway" connectionString="sqlite:///var/gateway.db" /></connectionStrings>
  {more}
  <applicationPool name="TestPool">
    <processModel startupTimeLimit="{startup}" shutdownTimeLimit="00:00:10" />
    <recycling {recycling} />
  </applicationPool>
</configuration>
"""


def settings_text(*, limit=10, attempts=5, startup="00:00:20", recycling="", more=""):
    return SETTINGS.format(limit=limit, attempts=attempts, startup=startup, recycling=recycling, more=more)


def eventually(condition, seconds=15.0, what="the condition"):
    """Return the first true value of `condition()`; fail when the time is over."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def is_alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class PoolRunner:
    def __init__(self, folder, var=None):
        self.folder = folder
        self.config = folder / "Settings.config"
        self.var = var or folder / "var"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        folder.mkdir(exist_ok=True)
        (folder / "web.ini").write_text(INI)

    # Files

    def write(self, text):
        """Replace the settings file as most editors do."""
        temporary = self.config.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.config)

    def settings(self, **values):
        self.write(settings_text(**values))

    def journal(self):
        return [line.split(" ", 1) for line in (self.folder / "journal.txt").read_text().splitlines()]

    # Processes

    def command_line(self, verb, *arguments):
        return [
            sys.executable,
            str(ROOT / "app_pool.py"),
            verb,
            *("--config", str(self.config), "--var", str(self.var)),
            *arguments,
        ]

    def run(self, verb, *arguments):
        return subprocess.run(
            self.command_line(verb, *arguments),
            capture_output=True,
            text=True,
            timeout=40,
            cwd=ROOT,
            check=False,
        )

    def launch(self, *arguments):
        log = (self.folder / "log.txt").open("a")
        with log:
            self.process = subprocess.Popen(
                self.command_line("start", "--ini", str(self.folder / "web.ini"), *arguments),
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        return self

    def start(self, *arguments):
        self.launch(*arguments)
        self.until_it_listens()
        eventually(lambda: self.status()["state"] == "Started", what="state Started")
        return self

    def until_it_listens(self):
        process = self.process
        assert process is not None
        eventually(lambda: self.about_pid(process) == process.pid, what=f"pool.json of {process.pid}")

    def about_pid(self, process):
        assert process.poll() is None, (self.folder / "log.txt").read_text()
        try:
            about = json.loads((self.var / "pool.json").read_text())
        except (OSError, ValueError):
            return None
        self.url = about["url"]
        return about["pid"]

    def status(self):
        return ask(self.var, "status")["status"]

    def recycle(self):
        """Recycle and wait; return what went wrong."""
        return ask(self.var, "recycle", wait=True).get("problem")

    def until_status(self, what, condition, seconds=15.0):
        return eventually(lambda: (s := self.status()) and condition(s) and s, seconds, what)

    def end(self):
        """End the pool in good order, and by force what does not go."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    # Clients

    def get(self, path="/", timeout=15):
        """Return status, headers and body of a fresh connection's answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.headers, exc.read()

    def about(self):
        return json.loads(self.get()[2])


class Load:
    """Clients that ask without a break, some of them on connections that they keep."""

    def __init__(self, url, keep_alive=4, fresh=4, paths=("/?sleep=0.02",)):
        self.failures = []
        self.answers = []
        self._host = url.removeprefix("http://")
        self._paths = paths
        self._ended = threading.Event()
        kinds = [True] * keep_alive + [False] * fresh
        self._threads = [threading.Thread(target=self._run, args=(kind,), daemon=True) for kind in kinds]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        eventually(lambda: len(self.answers) > 20, what="load")
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=20)

    def pids(self):
        return {answer.get("pid") for answer in self.answers[-20:]}

    def _run(self, keep_alive):
        connection = http.client.HTTPConnection(self._host, timeout=15)
        try:
            for number in range(1_000_000):
                if self._ended.is_set():
                    return
                self._ask(connection, self._paths[number % len(self._paths)])
                if not keep_alive:
                    connection.close()
        finally:
            connection.close()

    def _ask(self, connection, path):
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as exc:
            self.failures.append(repr(exc))
            connection.close()
            return
        if response.status != 200:
            self.failures.append(response.status)
        elif body.startswith(b"{"):
            self.answers.append(json.loads(body))


def kill(pid):
    os.kill(pid, signal.SIGKILL)
