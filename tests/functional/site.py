"""A whole gateway in a folder of its own: real processes, real sockets, the built-in simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from tests.catalogs import microsoft_id_of

ROOT = Path(__file__).parents[2]
T = TypeVar("T")

SETTINGS = """<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <appSettings>
{keys}
  </appSettings>
  <connectionStrings>
    <add name="Gateway" connectionString="{database_url}" />
  </connectionStrings>
  <applicationInstances>
    <add name="Office 365" {instance} country="US" />
  </applicationInstances>
  <applicationPool name="Test" />
</configuration>
"""

SIMULATED = 'partnerCenterUrl="simulator"'
"""The pool runs a simulator of its own."""

ELSEWHERE = (
    'partnerCenterUrl="{url}" authorityUrl="{url}" tenantId="partner.example" clientId="simulated-client"'
    ' clientSecret="simulated-secret" refreshToken="simulated-refresh-token"'
)
"""One that several nodes share."""

MOST_AT_ONCE = 10
"""Upgrades that run at the same time, unless a test says otherwise."""

TRIES_WITHOUT_A_WORKER = 20
"""So often is a request repeated that the pool answers itself, after the pause that it asks for."""

QUICK = {
    "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES": str(MOST_AT_ONCE),
    "UPGRADE_POLL_INTERVAL_SECONDS": "0.1",
    "UPGRADE_LOOK_UP_SECONDS": "2",
    "UPGRADE_LEASE_SECONDS": "5",
    "SIMULATOR_LATENCY_SECONDS": "0.4",
    "LICENSE_CHECK_MAX_USERS": "0",
}


def wait_until(condition: Callable[[], T], *, within: float, what: str, look_every: float = 0.05) -> T:
    """The first true value of `condition`, or a failed test that says what was waited for."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {within} s for: {what}"
        time.sleep(look_every)


class Site:
    """What an administrator has: a Settings.config, two commands, a browser's address."""

    def __init__(
        self, folder: Path, database_url: str, *, simulator_url: str | None = None, **keys: str
    ) -> None:
        """:param simulator_url: of a simulator that runs already, instead of one of its own"""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._instance = ELSEWHERE.format(url=simulator_url) if simulator_url else SIMULATED
        self.config = folder / "Settings.config"
        self.var = folder / "var"
        self._database_url = database_url
        self._keys = {**QUICK, **keys}
        self._pool: subprocess.Popen[bytes] | None = None
        self._log = (folder / "pool.log").open("ab")
        self.save_settings()

    # Settings.config

    def save_settings(self, **keys: str) -> None:
        """Change keys the way an editor saves: a new file, renamed over the old one."""
        self._keys |= keys
        lines = "\n".join(f'    <add key="{key}" value="{value}" />' for key, value in self._keys.items())
        self.save_text(SETTINGS.format(keys=lines, database_url=self._database_url, instance=self._instance))

    def save_text(self, text: str) -> None:
        new = self.config.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self.config)

    # Commands

    def gateway(self, *arguments: str) -> str:
        """What the `gateway` command prints."""
        return self._run(
            "-m", "gateway.cli", "--config", str(self.config), "--var", str(self.var), *arguments
        )

    def pool(self, verb: str, *arguments: str) -> str:
        return self._run(
            "app_pool.py", verb, "--config", str(self.config), "--var", str(self.var), *arguments
        )

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.pool("status", "--json"))
        return status

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout

    def install(self, catalog: dict[str, Any]) -> str:
        """Create the database, import a catalog; the key of the provider."""
        file = self.folder / "catalog.json"
        file.write_text(json.dumps(catalog))
        self.gateway("init")
        self.gateway("import", str(file))
        return self.create_key("provider")

    def create_key(self, account_id: str) -> str:
        return self.gateway("api-key", "create", "--account", account_id).splitlines()[-1]

    # Processes

    def start(self) -> None:
        assert self._pool is None
        command = [sys.executable, "app_pool.py", "start", "--config", str(self.config)]
        command += ["--ini", "web.ini", "--listen", "127.0.0.1:0", "--var", str(self.var)]
        self._pool = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        wait_until(self._is_started, within=120, what="the pool to start")

    def _is_started(self) -> bool:
        assert self._pool is not None
        assert self._pool.poll() is None, f"the pool ended with {self._pool.poll()}:\n{self.log()}"
        try:
            return bool(self.status()["state"] == "Started")
        except AssertionError:
            return False

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.send_signal(signal.SIGTERM)
            self._pool.wait(60)
            self._pool = None

    def kill_pool(self) -> None:
        assert self._pool is not None
        self._pool.kill()
        self._pool.wait(10)
        self._pool = None

    def kill_worker(self) -> int:
        pid = int(self.status()["worker_pid"])
        os.kill(pid, signal.SIGKILL)
        return pid

    def close(self) -> None:
        self.stop()
        self._log.close()

    def log(self) -> str:
        return (self.folder / "pool.log").read_text()

    # HTTP

    def api(self, key: str) -> API:
        return API(f"http://{self.status()['listen']}", key)

    def simulator(self) -> Simulator:
        return Simulator(self.status()["simulator_url"])


class API:
    """The REST API, as a program uses it."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self._client = httpx2.Client(
            base_url=f"{base_url}/api/v1/", headers={"Authorization": f"Bearer {key}"}, timeout=60
        )

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Asked again when a worker that was killed took the connection with it, or is not replaced yet."""
        for _ in range(TRIES_WITHOUT_A_WORKER):
            try:
                answer = self._client.get(path, params=query)
            except httpx2.NetworkError:
                answer = self._client.get(path, params=query)
            if answer.status_code != 503:
                break
            time.sleep(float(answer.headers["Retry-After"]))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def health_text(self) -> str:
        return self._client.get(f"{self.base_url}/health").text

    def post(self, path: str, body: object, **headers: str) -> httpx2.Response:
        return self._client.post(path, json=body, headers=headers)

    def every(self, path: str, **query: str | int) -> list[dict[str, Any]]:
        """The items of all pages."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **query, **cursor, limit=500)
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = {"cursor": page["next"]}

    def schedule(self, subscription_ids: list[str], target: str, **more: Any) -> dict[str, Any]:
        body = {"subscription_ids": subscription_ids, "target_service_plan_id": target, **more}
        answer = self.post("upgrade-batches", body)
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted

    def statuses(self, batch_id: str) -> Counter[str]:
        counts: dict[str, int] = self.get(f"upgrade-batches/{batch_id}")["counts"]
        return Counter({status: count for status, count in counts.items() if count})

    def wait_for_end(self, batch_id: str, *, within: float, look_every: float = 0.05) -> Counter[str]:
        def counts() -> Counter[str] | None:
            found = self.statuses(batch_id)
            return None if {"pending", "in_progress"} & set(found) else found

        found = wait_until(counts, within=within, what="the batch to end", look_every=look_every)
        assert found is not None
        return found

    def close(self) -> None:
        self._client.close()


class Simulator:
    """What Microsoft saw, which is the only witness that counts."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.client = httpx2.Client(base_url=base_url, timeout=30)

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.client.get("/_control/stats").json()
        return stats

    def upgraded(self) -> Counter[str]:
        """How often each Microsoft subscription was upgraded."""
        found = self.client.get("/_control/transitions").json()
        transitions = found if isinstance(found, list) else found["items"]
        return Counter(t["subscription_id"].casefold() for t in transitions)

    def fault(self, **fault: Any) -> None:
        self.client.post("/_control/faults", json=fault).raise_for_status()

    def close(self) -> None:
        self.client.close()


@contextmanager
def shared_simulator(catalog: dict[str, Any], folder: Path, latency: float) -> Iterator[Simulator]:
    """A simulator in a process of its own, as `python -m gateway.simulator` runs it."""
    file = folder / "simulator-catalog.json"
    file.write_text(json.dumps(catalog))
    command = [sys.executable, "-m", "gateway.simulator", "--port", "0", "--catalog", str(file)]
    process = subprocess.Popen(
        [*command, "--latency", str(latency)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        simulator = Simulator(process.stdout.readline().split()[-1])
        try:
            yield simulator
        finally:
            simulator.close()
            process.terminate()
            process.wait(30)


class SteadyLoad:
    """Requests one after the other on a thread; every one that fails is kept."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        self.longest_wait = 0.0
        self.failures: list[str] = []

    def __enter__(self) -> SteadyLoad:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        with httpx2.Client(timeout=30) as client:
            while not self._stop.wait(0.01):
                began = time.monotonic()
                try:
                    answer = client.get(self._url)
                    if answer.status_code != 200:
                        self.failures.append(f"{answer.status_code} {answer.text[:200]}")
                except httpx2.HTTPError as exc:
                    self.failures.append(repr(exc))
                self.answered += 1
                self.longest_wait = max(self.longest_wait, time.monotonic() - began)


def assert_once_or_unknown(api: API, simulator: Simulator, batch_id: str, *, deaths: int = 1) -> None:
    """Each was carried out once; requests that were about to leave when a worker died were not sent.

    One commit notes all requests that leave at the same time, so a death leaves at most as many
    outcomes unknown as upgrades run at once.
    """
    upgrades = api.every("upgrades", batch_id=batch_id)
    upgraded = simulator.upgraded()
    lost = [u for u in upgrades if u["upgrade_status"] != "completed"]
    assert [u["reason_code"] for u in lost] == ["outcome_unknown"] * len(lost)
    assert len(lost) <= deaths * MOST_AT_ONCE
    completed = [u["subscription_id"] for u in upgrades if u["upgrade_status"] == "completed"]
    assert upgraded == {microsoft_id_of(i): 1 for i in completed}
