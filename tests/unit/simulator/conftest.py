import pytest

from tests.unit.simulator.helpers import Clock, make_client, subscription, write_catalog


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(tmp_path, clock):
    """Return a function that starts a simulator with the catalog subscriptions given and signs in."""
    started = []

    def start(*subscriptions, customers=2, state=None, signed_in=True):
        path = tmp_path / "catalog.json"
        if subscriptions or not path.exists():
            write_catalog(path, *subscriptions, customers=customers)
        client = make_client(path, clock, state)
        started.append(client)
        return client.sign_in() if signed_in else client

    yield start
    for client in started:
        client.simulator.close()


@pytest.fixture
def client(start):
    """A customer with one Business Basic subscription of new commerce: 10 seats, 4 people."""
    return start(subscription(0x51, basic=(10, 4), user=(-1, 4)))


@pytest.fixture
def legacy(start):
    """The same of the legacy generation."""
    return start(subscription(0x51, legacy_basic=(10, 4)))
