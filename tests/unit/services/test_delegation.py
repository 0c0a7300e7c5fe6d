from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.models import AuditEntry, PlanKind, Role, ServicePlan
from gateway.services.delegation import Delegation
from gateway.services.errors import RoleNotSufficientError, ServicePlanNotFoundError
from tests.factories import NOW
from tests.unit.services.administrating import administrator, refused
from tests.unit.services.helpers import Tree, caller_of


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture
def tree(factories):
    return Tree(factories)


@pytest.fixture
def plan(tree):
    return tree.sources[tree.provider.id]


@pytest.fixture
def delegation(db, tree):
    return Delegation(db, administrator(db, tree.provider))


def test_the_copy_is_the_plan_but_for_its_vendor(db, delegation, plan):
    (copy,) = delegation.delegate(plan.id, ["sibling"], NOW)

    assert (copy.vendor_id, copy.delegated_from_id, copy.name) == ("sibling", plan.id, plan.name)
    assert copy.id == f"{plan.id}-sibling"
    for rows in ("resources", "subscription_periods", "resource_rates"):
        columns = [c.name for c in getattr(plan, rows)[0].__table__.columns if c.name != "service_plan_id"]
        copied, original = (
            [[getattr(row, name) for name in columns] for row in getattr(one, rows)] for one in (copy, plan)
        )
        assert copied == original
    entry = db.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.account_id) == ("service_plan_delegated", "sibling")


def test_the_list_tells_who_has_a_copy(delegation, plan):
    delegation.delegate(plan.id, ["sibling"], NOW)

    rows = {row.reseller.id: row.copy and row.copy.id for row in delegation.list(plan)}

    assert rows == {"parent": None, "sibling": f"{plan.id}-sibling"}


@pytest.mark.parametrize("reseller_id", ["child", "nobody"])
def test_one_who_is_not_directly_below_is_refused_and_nothing_is_copied(db, delegation, plan, reseller_id):
    before = len(db.scalars(select(ServicePlan)).all())

    problems = refused(lambda: delegation.delegate(plan.id, ["sibling", reseller_id], NOW))

    assert "a reseller directly below" in problems["resellers"]
    assert len(db.scalars(select(ServicePlan)).all()) == before


def test_nobody_gets_a_plan_twice(delegation, plan):
    delegation.delegate(plan.id, ["sibling"], NOW)

    assert (
        "does not have this plan yet"
        in refused(lambda: delegation.delegate(plan.id, ["sibling"], NOW))["resellers"]
    )


def test_at_least_one_reseller_is_needed(delegation, plan):
    assert refused(lambda: delegation.delegate(plan.id, [], NOW)) == {"resellers": "at least one reseller"}


def test_a_reseller_delegates_its_own_plans_onward(db, tree):
    own = Delegation(db, administrator(db, tree.parent))

    (copy,) = own.delegate("source-parent", ["child"], NOW)

    assert (copy.vendor_id, copy.delegated_from_id) == ("child", "source-parent")


def test_a_plan_of_others_does_not_exist_for_a_reseller(db, tree, plan):
    with pytest.raises(ServicePlanNotFoundError):
        Delegation(db, administrator(db, tree.parent)).delegate(plan.id, ["child"], NOW)


def test_a_role_that_does_not_administer_is_refused(db, tree, plan):
    with pytest.raises(RoleNotSufficientError):
        Delegation(db, caller_of(db, tree.provider, Role.OPERATOR)).delegate(plan.id, ["sibling"], NOW)


class TestTheTemplateOfCustomerManagement:
    """What a subscribed reseller gets first must be based on the template of its Customer Management plan."""

    @pytest.fixture
    def reseller(self, factories, tree):
        reseller = factories.reseller(id="subscribed")
        factories.subscription(tree.management, account=reseller)
        return reseller

    @pytest.fixture
    def foreign(self, factories, tree):
        template = factories.service_template(tree.management.service_template.application_instance)
        return factories.service_plan([factories.resource_type(service_template=template)])

    def test_a_first_plan_of_another_template_is_refused(self, delegation, reseller, foreign):
        problems = refused(lambda: delegation.delegate(foreign.id, ["subscribed"], NOW))

        assert "a plan based on service template Office 365" in problems["resellers"]

    def test_a_further_one_is_not(self, delegation, reseller, plan, foreign):
        delegation.delegate(plan.id, ["subscribed"], NOW)

        assert delegation.delegate(foreign.id, ["subscribed"], NOW)

    def test_a_customer_management_plan_is_delegated_as_one(self, delegation, reseller, tree):
        (copy,) = delegation.delegate("management", ["subscribed"], NOW)

        assert copy.kind is PlanKind.CUSTOMER_MANAGEMENT
