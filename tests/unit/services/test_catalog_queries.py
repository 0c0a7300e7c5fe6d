import pytest
from sqlalchemy import event

from gateway.models import PlanKind
from gateway.services.catalog_queries import CatalogQueries
from gateway.services.errors import (
    ApplicationInstanceNotFoundError,
    InvalidCursorError,
    InvalidLimitError,
    ServicePlanNotFoundError,
)
from tests.factories import NOW
from tests.unit.services.helpers import E1, E3, E5, Tree, caller_of, paths_of, visible_to


class TestApplicationInstances:
    def test_the_provider_sees_all_by_name(self, queries, factories):
        names = [factories.application_instance(name=name).name for name in ("b", "c", "a")]

        assert [instance.name for instance in queries.application_instances()] == sorted(names)

    def test_a_reseller_sees_those_of_its_plans_and_subscriptions(self, db, factories):
        sold, managed, foreign = (factories.application_instance(name=name) for name in "abc")
        reseller = factories.reseller()
        factories.service_plan(vendor=reseller, service_template=factories.service_template(sold))
        factories.subscription(
            factories.service_plan(
                kind=PlanKind.CUSTOMER_MANAGEMENT, service_template=factories.service_template(managed)
            ),
            account=reseller,
        )
        factories.service_plan(service_template=factories.service_template(foreign))
        queries = CatalogQueries(db, caller_of(db, reseller))

        assert list(queries.application_instances()) == [sold, managed]
        assert queries.application_instance(sold.id) is sold
        with pytest.raises(ApplicationInstanceNotFoundError):
            queries.application_instance(foreign.id)


class TestServicePlans:
    def test_they_go_by_id_page_by_page_with_their_subscriptions(self, queries, factories):
        plans = [factories.service_plan(id=name) for name in ("b", "c", "a")]
        for _ in range(3):
            factories.subscription(plans[0])

        first = queries.service_plans(limit=2)
        second = queries.service_plans(cursor=first.next_cursor, limit=2)

        assert [(row.plan.id, row.subscriptions) for row in first.items] == [("a", 0), ("b", 3)]
        assert [(row.plan.id, row.subscriptions) for row in second.items] == [("c", 0)]
        assert second.next_cursor is None

    def test_they_may_be_narrowed_to_an_instance(self, queries, factories):
        plan = factories.service_plan()
        other = factories.service_plan(
            service_template=factories.service_template(factories.application_instance())
        )

        def ids(instance_id):
            return [row.plan.id for row in queries.service_plans(instance_id).items]

        assert ids(plan.service_template.application_instance_id) == [plan.id]
        assert ids(other.service_template.application_instance_id) == [other.id]
        assert ids("nowhere") == ids("a\x00") == []

    def test_one_comes_with_everything_that_is_shown(self, queries, factories, db):
        plan_id = factories.subscription().service_plan_id
        db.expunge_all()
        row = queries.service_plan(plan_id)
        statements = []
        event.listen(db.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))

        assert row.subscriptions == 1
        assert row.plan.vendor.name
        assert row.plan.service_template.application_instance.name
        assert [r.resource_type.name for r in row.plan.licenses]
        assert row.plan.subscription_periods
        assert [r.resource_type.name for r in row.plan.resource_rates]
        assert statements == []

    @pytest.mark.parametrize("plan_id", ["nowhere", "", "a\x00b"])
    def test_one_that_does_not_exist_is_an_error(self, queries, plan_id):
        with pytest.raises(ServicePlanNotFoundError):
            queries.service_plan(plan_id)

    def test_cursor_and_limit_are_checked(self, queries):
        with pytest.raises(InvalidCursorError):
            queries.service_plans(cursor="!")
        with pytest.raises(InvalidLimitError):
            queries.service_plans(limit=0)


class TestUpgradeTargets:
    def test_each_other_plan_is_there_with_what_speaks_against_it(self, queries, factories, db):
        licenses = {offer: factories.resource_type(offer_id=offer) for offer in (E1, E3, E5)}
        source = factories.service_plan([licenses[E1]], name="E1")
        factories.service_plan([licenses[E3]], name="E3")
        factories.service_plan([licenses[E5]], name="E5")
        factories.service_plan([licenses[E1]], name="E1 yearly")
        factories.service_plan([licenses[E3], licenses[E5]], name="Both")
        factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT, name="Management")

        targets = queries.upgrade_targets(source.id, paths_of(db, {E1: [E3]}), NOW)

        assert [(t.plan.name, t.available, [v.code for v in t.violations]) for t in targets] == [
            ("Both", False, ["target_additional_license"]),
            ("E1 yearly", False, ["no_upgrade_path"]),
            ("E3", True, []),
            ("E5", False, ["no_upgrade_path"]),
            ("Management", False, ["target_not_upgradable", "target_license_missing"]),
        ]

    def test_plans_of_other_vendors_and_instances_are_none(self, queries, factories, db):
        source = factories.service_plan()
        factories.service_plan(vendor=factories.reseller())
        factories.service_plan(service_template=factories.service_template(factories.application_instance()))

        assert queries.upgrade_targets(source.id, paths_of(db), NOW) == []

    def test_microsoft_is_asked_once(self, queries, factories, db):
        source = factories.service_plan()
        for _ in range(3):
            factories.service_plan()
        asked = []
        paths = paths_of(db)
        paths._ask = lambda *question: asked.append(question)

        assert all(target.available for target in queries.upgrade_targets(source.id, paths, NOW))
        assert len(asked) == 1

    def test_nobody_is_asked_for_a_plan_with_several_licenses(self, queries, factories, db):
        source = factories.service_plan([factories.resource_type(), factories.resource_type()])
        factories.service_plan()
        paths = paths_of(db)
        paths._ask = lambda *question: pytest.fail(f"asked {question}")

        [target] = queries.upgrade_targets(source.id, paths, NOW)

        assert target.available


class TestWhoSeesWhat:
    def test_each_vendor_sees_its_own_branch_and_nothing_else(self, db, factories):
        tree = Tree(factories)
        for vendor in tree.vendors:
            queries = CatalogQueries(db, caller_of(db, vendor))
            seen = visible_to(tree, vendor)
            assert {row.plan.vendor_id for row in queries.service_plans().items} == seen
            for owner, plan in tree.sources.items():
                if owner in seen:
                    assert queries.service_plan(plan.id).subscriptions == 1
                    targets = queries.upgrade_targets(plan.id, paths_of(db), NOW)
                    assert tree.targets[owner].id in {target.plan.id for target in targets}
                    assert {target.plan.vendor_id for target in targets} == {owner}
                    continue
                with pytest.raises(ServicePlanNotFoundError):
                    queries.service_plan(plan.id)
                with pytest.raises(ServicePlanNotFoundError):
                    queries.upgrade_targets(plan.id, paths_of(db), NOW)

    def test_a_reseller_without_anything_sees_no_instance(self, db, factories):
        tree = Tree(factories)
        newcomer = factories.reseller(parent=tree.child)

        assert CatalogQueries(db, caller_of(db, newcomer)).application_instances() == []
        assert len(CatalogQueries(db, caller_of(db, tree.child)).application_instances()) == 1


@pytest.fixture
def queries(db, factories):
    return CatalogQueries(db, caller_of(db, factories.provider()))
