import pytest
from sqlalchemy import event

from gateway.models import PlanKind, ResourceKind, SubscriptionStatus, UpgradeStatus
from gateway.services.eligibility import ResourceFacts, SubscriptionFacts
from gateway.services.facts import FactsReader


class TestSubscriptions:
    def test_it_has_everything_the_rules_look_at(self, facts, factories):
        license_type = factories.resource_type(offer_id="CFQ7TTC0LF8Q:0001", key="e1", name="Office 365 E1")
        addon = factories.resource_type(ResourceKind.ADDON, key="archive")
        plan = factories.service_plan([license_type])
        subscription = factories.subscription(
            plan, license_limit=7, resources={addon: 0}, status=SubscriptionStatus.SUSPENDED
        )

        [(found, places)] = facts.subscriptions([subscription.id])

        assert places == [0]
        assert found == SubscriptionFacts(
            status=SubscriptionStatus.SUSPENDED,
            kind=PlanKind.STANDARD,
            service_plan_id=plan.id,
            application_instance_id=plan.service_template.application_instance_id,
            vendor_id=plan.vendor_id,
            has_microsoft_subscription=True,
            has_microsoft_tenant=True,
            has_live_upgrade=False,
            resources=(
                ResourceFacts("e1", "Office 365 E1", ResourceKind.LICENSE, "CFQ7TTC0LF8Q:0001", 7),
                ResourceFacts("archive", addon.name, ResourceKind.ADDON, addon.offer_id, 0),
            ),
        )

    @pytest.mark.parametrize("missing", [None, ""])
    def test_what_microsoft_does_not_have_is_told(self, facts, factories, db, missing):
        one, other = factories.subscription(), factories.subscription()
        one.microsoft_subscription_id = missing
        other.account.microsoft_tenant_id = missing
        db.flush()

        assert not facts.subscription(one.id).has_microsoft_subscription
        assert not facts.subscription(other.id).has_microsoft_tenant

    @pytest.mark.parametrize("status", list(UpgradeStatus))
    def test_only_upgrades_with_a_future_are_live(self, facts, factories, status):
        upgrade = factories.upgrade(status=status)

        found = facts.subscription(upgrade.subscription_id)

        assert found.has_live_upgrade is (status in (UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS))

    def test_a_subscription_without_resources_has_none(self, facts, factories):
        subscription = factories.subscription(factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT))

        found = facts.subscription(subscription.id)

        assert found.resources == ()
        assert not found.has_microsoft_tenant

    def test_those_that_are_alike_come_together_with_their_places(self, facts, factories):
        plan = factories.service_plan()
        one, two, three = (factories.subscription(plan, license_limit=limit).id for limit in (5, 6, 5))

        found = facts.subscriptions([three, "nowhere", two, one])

        places = {each.license.limit: sorted(alike) for each, alike in found}
        assert places == {5: [0, 3], 6: [2]}
        assert facts.subscriptions([]) == []
        assert facts.subscription("nowhere") is None

    def test_the_order_of_the_rows_of_its_resources_does_not_matter(self, facts, factories):
        types = [factories.resource_type(), factories.resource_type(ResourceKind.OTHER)]
        plan = factories.service_plan(types)
        ids = [
            factories.subscription(plan, license_limit=5, resources={types[1]: 3}).id,
            factories.subscription(plan, license_limit=5, resources={types[1]: 3}).id,
        ]

        [(found, places)] = facts.subscriptions(ids)

        assert sorted(places) == [0, 1]
        assert [each.limit for each in found.resources] == [5, 3]

    def test_many_subscriptions_take_few_queries(self, facts, factories, db):
        plan = factories.service_plan()
        ids = [factories.subscription(plan).id for _ in range(30)]
        statements = []
        event.listen(db.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))

        [(_, places)] = facts.subscriptions(ids)

        assert len(places) == 30
        assert len(statements) == 3

    @pytest.fixture
    def facts(self, db):
        return FactsReader(db)


class TestPlans:
    def test_a_plan_has_its_resources_and_instance(self, db, factories):
        license_type = factories.resource_type()
        tenant = factories.resource_type(ResourceKind.OTHER)
        plan = factories.service_plan([license_type], resources={tenant: -1})

        found = FactsReader(db).plan(plan.id)

        assert found is not None
        assert found.license == ResourceFacts(
            license_type.key, license_type.name, ResourceKind.LICENSE, license_type.offer_id, 1
        )
        assert [resource.limit for resource in found.resources] == [1, -1]
        assert (found.name, found.vendor_id) == (plan.name, plan.vendor_id)
        assert found.application_instance_id == plan.service_template.application_instance_id

    def test_one_that_does_not_exist_is_none(self, db):
        assert FactsReader(db).plan("nowhere") is None

    def test_several_come_in_the_order_of_the_question(self, db, factories):
        one, two = factories.service_plan().id, factories.service_plan().id

        assert list(FactsReader(db).plans([two, "nowhere", one])) == [two, one]
