"""The client and the simulator of Partner Center, joined without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.partner_center import Credentials, PartnerCenterClient
from gateway.simulator import Simulator, make_app
from tests.contract.world import LATENCY, catalog
from tests.simulation import BASE_URL, Clock, Control, Transport


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
    control = Control(simulator)
    control.configure(latency=LATENCY)
    yield control
    control.close()


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
