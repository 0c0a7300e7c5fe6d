"""The engine's steps against the simulator: real database, real client, no network, no waiting."""

from __future__ import annotations

import json

import pytest

from gateway.engine.clients import PartnerCenterClients
from gateway.engine.context import EngineContext
from gateway.engine.steps import advance
from gateway.models import ServicePlan, Subscription, Upgrade, UpgradeStatus
from gateway.services.catalog import import_catalog
from gateway.settings import AppSettings, GatewaySettings, InstanceSettings, with_simulator
from gateway.simulator import make_app
from tests.catalogs import LEGACY_BASIC, LEGACY_STANDARD, STANDARD, catalog, subscription
from tests.factories import Factories
from tests.simulation import BASE_URL, Clock, Control, Transport

LATENCY = 60.0
SUBSCRIPTIONS = [
    subscription("one"),
    subscription("two"),
    subscription("three", customer_id="customer-one"),
    subscription("team", basic=12),
    subscription("old", plan_id=LEGACY_BASIC),
    subscription("older", plan_id=LEGACY_BASIC),
    subscription("other", plan_id=LEGACY_STANDARD, customer_id="customer-older"),
    subscription("rich"),
    subscription("richer", plan_id=STANDARD, customer_id="customer-rich"),
]


class Unreliable(Transport):
    """Breaks once in the way that is asked for, when an upgrade is sent; `twice` sends it twice."""

    def __init__(self, app):
        super().__init__(app=app)
        self.breaks = None

    def handle_request(self, request):
        is_upgrade = request.method == "POST" and request.url.path.endswith(("/transitions", "/upgrades"))
        if not is_upgrade or self.breaks is None:
            return super().handle_request(request)
        (moment, failure), self.breaks = self.breaks, None
        if moment == "before":
            raise failure("broken", request=request)
        response = super().handle_request(request)
        if moment == "twice":
            return super().handle_request(request)
        response.close()
        raise failure("broken", request=request)


class World:
    """A gateway and its Microsoft, at one moment in time."""

    def __init__(self, database, simulator, clock):
        self.database = database
        self.simulator = simulator
        self.clock = clock
        self.control = Control(simulator)
        self.control.configure(latency=LATENCY, execute_every_post=True)
        instance = InstanceSettings(name="Office 365", partner_center_url="simulator", simulated=True)
        self.settings = GatewaySettings(application_instances=(instance,))
        self.transport = Unreliable(simulator)
        self._clients = []
        self._contexts = []

    def context(self, owner="node:one", **app):
        """What the engine of one worker is given."""
        settings = with_simulator(self.settings, BASE_URL)
        clients = PartnerCenterClients(settings, transport=self.transport)
        self._clients.append(clients)
        context = EngineContext(self.database, clients, AppSettings(**app), owner, self.clock)
        self._contexts.append(context)
        return context

    def schedule(self, subscription_id, target):
        with self.database.write() as db:
            found, plan = db.get_one(Subscription, subscription_id), db.get_one(ServicePlan, target)
            return Factories(db).upgrade(found, plan, due_at=self.clock.now).id

    def claim(self, ctx):
        return ctx.ledger.claim()

    def read(self, upgrade_id):
        with self.database.read() as db:
            upgrade = db.get_one(Upgrade, upgrade_id)
            _ = (upgrade.events, upgrade.subscription.resources, upgrade.subscription.licenses)
            return upgrade

    def events(self, upgrade_id):
        return [event.name for event in self.read(upgrade_id).events]

    def run(self, ctx, upgrade_id, *, turns=500):
        """Carry it out to the end, passing the time it asks for."""
        self.claim(ctx)
        for _ in range(turns):
            after = advance(upgrade_id, ctx)
            if after is None:
                break
            self.clock.sleep(after)
        upgrade = self.read(upgrade_id)
        assert upgrade.status is not UpgradeStatus.IN_PROGRESS
        return upgrade

    def close(self):
        self.control.close()
        for clients in self._clients:
            clients.close()
        for context in self._contexts:
            context.ledger.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def world(sqlite_database, tmp_path, clock):
    path = tmp_path / "catalog.json"
    document = catalog(*SUBSCRIPTIONS)
    path.write_text(json.dumps(document))
    with sqlite_database.write() as db:
        import_catalog(db, document, now=clock.now)
    simulator = make_app(path, now=clock, sleep=clock.sleep)
    world = World(sqlite_database, simulator, clock)
    yield world
    world.close()
    simulator.close()
