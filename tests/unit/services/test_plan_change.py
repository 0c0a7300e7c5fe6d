from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.models import ResourceKind, SubscriptionResource
from gateway.services.plan_change import PlanChange, Resources, change_plans, resources_of
from gateway.statements import Statements
from tests.factories import NOW
from tests.unit.services.helpers import E1, E3, E5

LATER = NOW + timedelta(hours=1)
MICROSOFT_ID = "0f1e2d3c-new"


class TestChangePlan:
    def test_the_subscription_is_one_of_the_target_plan(self, db, world):
        upgrade = world.upgrade()

        self.change(db, upgrade)

        subscription = upgrade.subscription
        assert subscription.service_plan is upgrade.target_plan
        assert subscription.microsoft_subscription_id == MICROSOFT_ID
        assert subscription.updated_at == LATER

    def test_the_license_has_the_quantity_of_microsoft(self, db, world):
        upgrade = world.upgrade(usage=4)

        self.change(db, upgrade, quantity=7)

        assert world.resources(upgrade) == {"e3": (7, 4)}
        assert [r.resource_type.key for r in upgrade.subscription.licenses] == ["e3"]

    def test_no_more_is_used_than_there_is(self, db, world):
        upgrade = world.upgrade(usage=9)

        self.change(db, upgrade, quantity=7)

        assert world.resources(upgrade) == {"e3": (7, 7)}

    def test_what_is_counted_besides_stays_where_both_have_it(self, db, world):
        upgrade = world.upgrade(
            source={world.tenant: 1, world.domain: 5},
            target={world.tenant: 9, world.user: -1},
            held={world.tenant: 2},
        )

        self.change(db, upgrade)

        assert world.resources(upgrade) == {"e3": (5, 4), "tenant": (2, 1), "user": (-1, 0)}

    def test_what_was_not_bought_has_limit_0(self, db, world):
        upgrade = world.upgrade(
            source={world.addon: 0, world.e5: 0}, target={world.addon: 3, world.other_addon: 1}
        )

        self.change(db, upgrade)

        assert world.resources(upgrade) == {"e3": (5, 4), "archive": (0, 0), "audio": (0, 0)}

    def test_the_license_may_be_in_the_source_plan_too(self, db, world):
        upgrade = world.upgrade(source={world.e3: 0})

        self.change(db, upgrade, quantity=6)

        assert world.resources(upgrade) == {"e3": (6, 4)}

    def test_of_several_licenses_the_one_that_microsoft_sold_counts(self, db, world):
        upgrade = world.upgrade(target={world.e5: 1}, target_offer_id=f"{E5.lower()}:CFQ7TTC0K971")

        self.change(db, upgrade)

        assert world.resources(upgrade) == {"e3": (0, 0), "e5": (5, 4)}

    def test_the_only_license_counts_whatever_offer_it_names_now(self, db, world):
        upgrade = world.upgrade(target_offer_id=E5)

        self.change(db, upgrade)

        assert world.resources(upgrade) == {"e3": (5, 4)}

    def test_resources_of_another_template_are_matched_by_key(self, db, world, factories):
        template = factories.service_template(world.template.application_instance)
        tenant = factories.resource_type(ResourceKind.OTHER, template, key="tenant")
        license_type = factories.resource_type(service_template=template, key="new e3", offer_id=E3)
        target = factories.service_plan([license_type], resources={tenant: 9})
        upgrade = world.upgrade(source={world.tenant: 1}, plan=target)

        self.change(db, upgrade)

        assert world.resources(upgrade) == {"new e3": (5, 4), "tenant": (1, 0)}

    def test_other_subscriptions_stay_as_they_are(self, db, world, factories):
        upgrade = world.upgrade()
        other = factories.subscription(upgrade.source_plan)

        self.change(db, upgrade)

        db.expire_all()
        assert other.service_plan_id == upgrade.source_plan_id
        assert [(r.resource_type.key, r.limit) for r in other.resources] == [("e1", 5)]

    def change(self, db, upgrade, quantity=5):
        db.flush()
        change = PlanChange(
            upgrade.subscription_id, upgrade.target_plan_id, upgrade.target_offer_id, quantity, MICROSOFT_ID
        )
        statements = Statements(db.connection())
        change_plans(statements, [change], Resources(*statements.each(resources_of([change]))), LATER)
        db.expire_all()


class World:
    """A template, and upgrades from E1 to E3 with what the plans contain besides."""

    def __init__(self, db, factories) -> None:
        self._db = db
        self._factories = factories
        self.template = factories.service_template()
        self.e1, self.e3, self.e5 = (
            factories.resource_type(key=key, offer_id=offer)
            for key, offer in (("e1", E1), ("e3", E3), ("e5", E5))
        )
        self.tenant, self.domain, self.user = (
            factories.resource_type(ResourceKind.OTHER, key=key) for key in ("tenant", "domain", "user")
        )
        self.addon, self.other_addon = (
            factories.resource_type(ResourceKind.ADDON, key=key) for key in ("archive", "audio")
        )

    def upgrade(self, source=None, target=None, held=None, usage=4, plan=None, **columns):
        """:param held: limits of the subscription where they differ from those of its plan"""
        source_plan = self._factories.service_plan([self.e1], resources=source or {})
        target_plan = plan or self._factories.service_plan([self.e3], resources=target or {})
        subscription = self._factories.subscription(source_plan, resources=held or {})
        subscription.licenses[0].usage = usage
        return self._factories.upgrade(subscription, target_plan, **columns)

    def resources(self, upgrade):
        """Limit and usage by key, as the database has them."""
        query = select(SubscriptionResource).where(
            SubscriptionResource.subscription_id == upgrade.subscription_id
        )
        rows = self._db.scalars(query.execution_options(populate_existing=True))
        return {row.resource_type.key: (row.limit, row.usage) for row in rows}


@pytest.fixture
def world(db, factories):
    return World(db, factories)
