"""The client and the simulator of Partner Center, joined without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.partner_center import Credentials, PartnerCenterClient
from gateway.simulator import ConnectionCutError, Simulator, make_app
from tests.contract.world import LATENCY, catalog

BASE_URL = "http://simulator.example"


class Clock:
    """Passes when a test says so, and while somebody waits."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Transport(httpx2.WSGITransport):
    """A connection that the simulator cuts looks as it would over a network."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return super().handle_request(request)
        except ConnectionCutError as exc:
            raise httpx2.RemoteProtocolError(
                "Server disconnected without an answer", request=request
            ) from exc


class Control:
    """Tells the simulator what to do, and asks it what happened."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def fault(self, action: str, **options: Any) -> None:
        self._http.post("faults", json={"action": action, **options}).raise_for_status()

    def configure(self, **settings: Any) -> None:
        self._http.post("configure", json=settings).raise_for_status()

    def calls(self, method: str = "POST") -> list[dict[str, Any]]:
        """The journal's entries of that method, without those of signing in."""
        entries = self._http.get("journal").raise_for_status().json()["items"]
        return [entry for entry in entries if entry["method"] == method and entry["kind"] != "token"]

    def transitions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.get("transitions").raise_for_status().json()["items"]
        return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(tmp_path: Path, clock: Clock) -> Iterator[Simulator]:
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(catalog()))
    simulator = make_app(path, now=clock, sleep=clock.sleep)
    yield simulator
    simulator.close()


@pytest.fixture
def control(simulator: Simulator) -> Iterator[Control]:
    with httpx2.Client(
        transport=httpx2.WSGITransport(app=simulator), base_url=f"{BASE_URL}/_control/"
    ) as http:
        control = Control(http)
        control.configure(latency=LATENCY)
        yield control


@pytest.fixture
def connect(
    simulator: Simulator, clock: Clock, control: Control
) -> Iterator[Callable[..., PartnerCenterClient]]:
    """Give clients; `control` comes first, so that its settings hold."""
    clients: list[PartnerCenterClient] = []

    def connect(**changes: str) -> PartnerCenterClient:
        values = {
            "authority_url": BASE_URL,
            "tenant_id": "partner.example",
            "client_id": "simulated-client",
            "client_secret": "simulated-secret",
            "base_url": BASE_URL,
        }
        credentials = Credentials(**(values | changes))
        clients.append(
            PartnerCenterClient(credentials, transport=Transport(app=simulator), clock=clock.monotonic)
        )
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[..., PartnerCenterClient]) -> PartnerCenterClient:
    """Signed in as a user, as a gateway that moves licences is."""
    return connect(refresh_token="simulated-refresh-token")


@pytest.fixture
def application_client(connect: Callable[..., PartnerCenterClient]) -> PartnerCenterClient:
    """Signed in as the application alone."""
    return connect()
