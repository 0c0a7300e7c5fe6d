from __future__ import annotations

import pytest
from webtest import TestApp

from gateway.models import PlanKind, Role
from gateway.web import make_app
from tests.unit.web.helpers import API, Background, Clients, make_settings


@pytest.fixture
def settings():
    return make_settings()


@pytest.fixture
def background():
    return Background()


@pytest.fixture
def clients(settings):
    clients = Clients(settings)
    yield clients
    clients.close()


@pytest.fixture
def router(settings, database, background, clients, tmp_path):
    return make_app(settings, database=database, var=tmp_path, background=background, clients=clients)


@pytest.fixture
def app(router):
    return TestApp(router)


@pytest.fixture
def world(db, factories):
    world = World(factories)
    db.commit()
    return world


@pytest.fixture
def provider(app, world):
    """The API as an administrator of the provider calls it."""
    return API(app, world.provider_key)


@pytest.fixture
def reseller(app, world):
    return API(app, world.reseller_key)


@pytest.fixture
def anyone(app, world):
    """The API without a key."""
    return API(app)


class World:
    """Provider, reseller, sub-reseller and a sibling; every vendor sells two plans and has a subscription."""

    def __init__(self, factories):
        self.provider = factories.provider()
        self.reseller = factories.reseller(id="reseller")
        self.sub_reseller = factories.reseller(self.reseller, id="sub-reseller")
        self.sibling = factories.reseller(id="sibling")
        self.instance = factories.application_instance(id="office365")
        self.template = factories.service_template(self.instance)
        self.management = factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT, id="management")
        vendors = (self.provider, self.reseller, self.sub_reseller, self.sibling)
        for vendor in vendors[1:]:
            factories.subscription(self.management, account=vendor)
        self.license = factories.resource_type(service_template=self.template)
        self.better_license = factories.resource_type(service_template=self.template)
        factories.offer_path(self.license.offer_id, [self.better_license.offer_id])
        self.plans = {vendor.id: factories.service_plan([self.license], vendor=vendor) for vendor in vendors}
        self.targets = {
            vendor.id: factories.service_plan([self.better_license], vendor=vendor) for vendor in vendors
        }
        self.subscriptions = {key: factories.subscription(plan) for key, plan in self.plans.items()}
        self.provider_key = factories.api_key(self.provider)[1]
        self.reseller_key = factories.api_key(self.reseller, Role.OPERATOR)[1]
        self.factories = factories

    @property
    def subscription(self):
        """The provider's own customer's."""
        return self.subscriptions[self.provider.id]

    @property
    def target(self):
        return self.targets[self.provider.id]

    def request(self, *subscriptions, target=None, **more):
        """The body that schedules these, or else the provider's, to their vendor's better plan."""
        subscriptions = subscriptions or (self.subscription,)
        vendor_id = subscriptions[0].service_plan.vendor_id
        return {
            "subscription_ids": [each.id for each in subscriptions],
            "target_service_plan_id": (target or self.targets[vendor_id]).id,
            **more,
        }
