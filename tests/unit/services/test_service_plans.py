from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import select

from gateway.models import AuditEntry, PlanKind, Role, ServicePlan
from gateway.services.catalog.editing import ChangedMeanwhileError
from gateway.services.errors import AccountNotAllowedError, RoleNotSufficientError, ServicePlanNotFoundError
from gateway.services.service_plans import ServicePlans
from tests.factories import NOW
from tests.unit.services.administrating import (
    LATER,
    administrator,
    free_period,
    management_draft,
    period,
    plan_draft,
    refused,
)
from tests.unit.services.helpers import caller_of


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture
def template(factories):
    return factories.service_template(factories.application_instance(id="office365"))


@pytest.fixture
def license_type(factories, template):
    return factories.resource_type(service_template=template, key="e1")


@pytest.fixture
def plans(db, factories):
    return ServicePlans(db, administrator(db, factories.provider()))


def months_of(plan):
    return {each.months: each.recurring_fee for each in plan.subscription_periods}


class TestCreate:
    def test_it_is_what_the_form_says(self, plans, template, license_type, factories):
        rate = {"resource_type": "e1", "recurring_fee": "7.5", "currency": "EUR"}
        draft = plan_draft(
            template,
            resources=[{"resource_type": "e1", "limit": 1}],
            subscription_periods=[period(), period(months=1, recurring_fee="0.6125")],
            resource_rates=[rate],
        )

        plan = plans.create("office365", draft, NOW)

        assert (plan.id, plan.vendor, plan.kind) == ("office-365-e1", factories.provider(), PlanKind.STANDARD)
        assert [(each.resource_type, each.limit) for each in plan.resources] == [(license_type, 1)]
        assert months_of(plan) == {12: Decimal(6), 1: Decimal("0.6125")}
        assert [each.recurring_fee for each in plan.resource_rates] == [Decimal("7.5")]

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"resources": [{"resource_type": "e1", "limit": "ten"}]}, "resources[0].limit"),
            ({"resources": [{"resource_type": "e9", "limit": 1}]}, "resources[0].resource_type"),
            ({"subscription_periods": [period(), period()]}, "subscription_periods[1].months"),
            ({"subscription_periods": [period(months=0)]}, "subscription_periods[0].months"),
            ({"subscription_periods": [period(setup_fee="1,50")]}, "subscription_periods[0].setup_fee"),
            ({"subscription_periods": []}, "subscription_periods"),
            ({"name": ""}, "name"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, db, plans, template, license_type, changes, path):
        draft = plan_draft(template, **changes)

        assert list(refused(lambda: plans.create("office365", draft, NOW))) == [path]
        assert db.scalars(select(ServicePlan)).all() == []

    def test_only_administrators_of_the_provider_do(self, db, factories, template):
        operator = ServicePlans(db, caller_of(db, factories.provider(), Role.OPERATOR))
        reseller = ServicePlans(db, administrator(db, factories.reseller()))

        with pytest.raises(RoleNotSufficientError):
            operator.create("office365", plan_draft(template), NOW)
        with pytest.raises(AccountNotAllowedError):
            reseller.create("office365", plan_draft(template), NOW)


class TestTheCustomerManagementPlan:
    def test_it_stands_on_the_template_of_office_365_plans_and_costs_nothing(self, plans, template):
        plans.create("office365", plan_draft(template), NOW)

        plan = plans.create("office365", management_draft(template), NOW)

        assert plan.kind is PlanKind.CUSTOMER_MANAGEMENT
        assert months_of(plan) == {12: 0}

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            (
                {"subscription_periods": [free_period(), free_period(months=1, setup_fee="0.01")]},
                "subscription_periods[1].setup_fee",
            ),
            ({"subscription_periods": [period()]}, "subscription_periods[0].recurring_fee"),
            (
                {"resource_rates": [{"resource_type": "e1", "recurring_fee": "0.00", "currency": "USD"}]},
                "resource_rates",
            ),
        ],
    )
    def test_any_price_and_any_rate_is_refused(self, plans, template, license_type, changes, path):
        plans.create("office365", plan_draft(template), NOW)
        draft = management_draft(template, **changes)

        problems = refused(lambda: plans.create("office365", draft, NOW))

        assert list(problems) == [path]
        assert "since a Customer Management plan" in problems[path]

    def test_a_template_without_office_365_plans_is_refused(self, plans, template):
        problems = refused(lambda: plans.create("office365", management_draft(template), NOW))

        assert "no Office 365 plan is based on this one" in problems["service_template"]

    def test_it_stays_free_when_its_prices_are_edited(self, db, plans, factories, template):
        plan = factories.service_plan(
            kind=PlanKind.CUSTOMER_MANAGEMENT, service_template=template, updated_at=NOW
        )
        draft = {"subscription_periods": [period()], "resource_rates": []}

        problems = refused(lambda: plans.change_prices(plan.id, draft, seen=NOW, now=LATER))

        assert list(problems) == ["subscription_periods[0].recurring_fee"]


class TestChange:
    @pytest.fixture
    def plan(self, factories, license_type):
        return factories.service_plan([license_type], id="plan", updated_at=NOW)

    def test_name_and_resources_are_saved(self, db, plans, plan):
        draft = {"name": "New name", "resources": [{"resource_type": "e1", "limit": -1}]}

        plans.change("plan", draft, seen=NOW, now=LATER)

        assert (plan.name, plan.resources[0].limit, plan.updated_at) == ("New name", -1, LATER)
        assert months_of(plan) == {12: 6}

    def test_prices_are_saved_and_told_to_the_audit_log(self, db, plans, plan):
        draft = {"subscription_periods": [period(months=1, recurring_fee="0.70")], "resource_rates": []}

        plans.change_prices("plan", draft, seen=NOW, now=LATER)

        assert months_of(plan) == {1: Decimal("0.7")}
        assert plan.resource_rates == []
        entry = db.scalars(select(AuditEntry)).one()
        assert entry.detail == "Periods: 1 months 0.00 + 0.70 USD"

    @pytest.mark.parametrize("change", ["change", "change_prices"])
    def test_what_somebody_else_has_saved_is_not_overwritten(self, db, plans, plan, change):
        draft = {"name": "Mine", "resources": [], "subscription_periods": [period()], "resource_rates": []}
        plan.updated_at = LATER
        db.flush()

        with pytest.raises(ChangedMeanwhileError):
            getattr(plans, change)("plan", draft, seen=NOW, now=LATER)

    def test_a_role_that_does_not_administer_is_refused(self, db, factories, plan):
        plans = ServicePlans(db, caller_of(db, factories.provider(), Role.OPERATOR))

        with pytest.raises(RoleNotSufficientError):
            plans.change("plan", {"name": "x", "resources": []}, seen=NOW, now=LATER)


class TestADelegatedPlan:
    """The vendor sets name and prices; the structure is that of the original."""

    @pytest.fixture
    def reseller(self, factories):
        return factories.reseller(id="reseller")

    @pytest.fixture
    def copy(self, factories, reseller, license_type):
        original = factories.service_plan([license_type])
        return factories.service_plan(
            [license_type], vendor=reseller, id="copy", delegated_from_id=original.id, updated_at=NOW
        )

    @pytest.fixture
    def own(self, db, reseller, copy):
        return ServicePlans(db, administrator(db, reseller))

    def test_its_vendor_sets_its_name_and_its_prices(self, own, copy):
        own.change("copy", {"name": "Ours", "resources": []}, seen=NOW, now=LATER)
        draft = {"subscription_periods": [period(recurring_fee="9.99")], "resource_rates": []}
        own.change_prices("copy", draft, seen=LATER, now=LATER)

        assert copy.name == "Ours"
        assert len(copy.resources) == 1
        assert months_of(copy) == {12: Decimal("9.99")}

    @pytest.mark.parametrize("periods", [[period(months=1)], [period(), period(months=1)]])
    def test_its_periods_stay(self, own, copy, periods):
        draft = {"subscription_periods": periods, "resource_rates": []}

        problems = refused(lambda: own.change_prices("copy", draft, seen=NOW, now=LATER))

        assert "12 months" in problems["subscription_periods"]

    def test_for_another_reseller_it_does_not_exist(self, db, factories, copy):
        plans = ServicePlans(db, administrator(db, factories.reseller()))

        with pytest.raises(ServicePlanNotFoundError):
            plans.change("copy", {"name": "x", "resources": []}, seen=NOW, now=LATER)
