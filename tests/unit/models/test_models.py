from sqlalchemy import select

from gateway.models import LIVE, AccountType, PlanKind, ResourceKind, Subscription, UpgradeStatus


class TestAccount:
    def test_provider_and_resellers_are_vendors(self, factories):
        assert factories.provider().is_vendor
        assert factories.reseller().is_vendor
        assert not factories.customer().is_vendor

    def test_the_parent_is_the_account_above(self, factories):
        reseller = factories.reseller()

        assert factories.customer(parent=reseller).parent is reseller
        assert reseller.parent.type is AccountType.PROVIDER


class TestServicePlan:
    def test_its_licenses_are_resources_of_that_kind(self, factories):
        license_type = factories.resource_type()
        others = {
            factories.resource_type(ResourceKind.ADDON): 2,
            factories.resource_type(ResourceKind.OTHER): 1,
        }

        plan = factories.service_plan([license_type], resources=others)

        assert [r.resource_type for r in plan.licenses] == [license_type]
        assert len(plan.resources) == 3

    def test_a_customer_management_plan_has_none(self, factories):
        assert factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT).licenses == []


class TestSubscription:
    def test_its_licenses_are_resources_of_that_kind(self, factories):
        plan = factories.service_plan(resources={factories.resource_type(ResourceKind.OTHER): 1})

        subscription = factories.subscription(plan, license_limit=7)

        assert [r.limit for r in subscription.licenses] == [7]
        assert len(subscription.resources) == 2

    def test_resources_keep_their_order_when_they_are_read_again(self, db, factories):
        types = [factories.resource_type() for _ in range(3)]
        plan = factories.service_plan(types)
        factories.subscription(plan, license_limit=5)
        db.expire_all()

        found = db.scalars(select(Subscription)).one()

        assert [r.resource_type for r in found.resources] == types
        assert [r.limit for r in found.licenses] == [5, 1, 1]

    def test_it_lies_in_the_branch_of_the_vendor(self, factories):
        reseller = factories.reseller()

        assert factories.subscription(factories.service_plan(vendor=reseller)).branch_id == reseller.id


class TestUpgrade:
    def test_the_live_ones_have_a_future(self, factories):
        for status in UpgradeStatus:
            assert factories.upgrade(status=status).is_live is (status in LIVE)

    def test_events_come_in_their_order(self, db, factories):
        upgrade = factories.upgrade()
        for name in ("scheduled", "claimed", "completed"):
            factories.upgrade_event(upgrade, name=name)
        db.expire_all()

        assert [event.name for event in upgrade.events] == ["scheduled", "claimed", "completed"]

    def test_each_has_a_request_id_of_its_own(self, factories):
        assert factories.upgrade().request_id != factories.upgrade().request_id
