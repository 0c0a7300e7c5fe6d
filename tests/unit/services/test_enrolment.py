from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.models import AuditEntry, PlanKind, Role, Subscription, SubscriptionStatus
from gateway.services.abilities import Abilities
from gateway.services.enrolment import NEW_ACCOUNT, DomainCheckUnavailableError, Enrolment, SubdomainForm
from gateway.services.errors import RoleNotSufficientError, ServicePlanNotFoundError
from gateway.services.vendors import AccountNotFoundError
from tests.factories import NOW
from tests.unit.services.administrating import administrator, refused
from tests.unit.services.helpers import Tree, caller_of

FORM = SubdomainForm(choice=NEW_ACCOUNT, subdomain="Beginner-1")
SUBDOMAIN = "office365_subdomain.subdomain"


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture
def tree(factories):
    return Tree(factories)


@pytest.fixture
def beginner(factories, tree):
    return factories.reseller(id="beginner")


@pytest.fixture
def enrolment(db, tree, beginner):
    return Enrolment(db, administrator(db, tree.provider))


class Microsoft:
    """Answers, and remembers what it was asked."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def __call__(self, instance, domain):
        self.asked.append((instance, domain))
        return self.answer


class TestSubscribe:
    def test_the_reseller_then_has_the_ability(self, db, enrolment, beginner, tree):
        instance = tree.management.service_template.application_instance
        before = Abilities(db).may_upgrade(caller_of(db, beginner), instance.id)

        subscription = enrolment.subscribe("beginner", "management", FORM, NOW)

        assert not before
        assert Abilities(db).may_upgrade(caller_of(db, beginner), instance.id)
        assert (subscription.account_id, subscription.branch_id) == ("beginner", "beginner")
        assert (subscription.subdomain, subscription.microsoft_subscription_id) == ("beginner-1", None)
        entry = db.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.account_id) == ("reseller_subscribed", "beginner")
        assert "beginner-1.onmicrosoft.com" in entry.detail

    def test_it_is_subscribed_once(self, enrolment):
        enrolment.subscribe("beginner", "management", FORM, NOW)
        again = SubdomainForm(choice=NEW_ACCOUNT, subdomain="another")

        problems = refused(lambda: enrolment.subscribe("beginner", "management", again, NOW))

        assert "beginner-customer-management is active" in problems["service_plan"]

    def test_one_whose_subscription_is_gone_may_be_subscribed_again(self, db, enrolment):
        enrolment.subscribe("beginner", "management", FORM, NOW).status = SubscriptionStatus.DELETED
        db.flush()
        again = SubdomainForm(choice=NEW_ACCOUNT, subdomain="another")

        assert enrolment.subscribe("beginner", "management", again, NOW).id.endswith("-2")

    def test_a_subdomain_belongs_to_one_reseller(self, enrolment, factories):
        enrolment.subscribe("beginner", "management", FORM, NOW)
        factories.reseller(id="other")
        same = SubdomainForm(choice=NEW_ACCOUNT, subdomain="BEGINNER-1")

        problems = refused(lambda: enrolment.subscribe("other", "management", same, NOW))

        assert problems == {SUBDOMAIN: "an available subdomain; another reseller has this one"}

    def test_the_template_is_that_of_the_plans_delegated_to_the_reseller(
        self, db, enrolment, factories, tree, beginner
    ):
        instance = tree.management.service_template.application_instance
        other = factories.service_template(instance, name="Recurring")
        factories.service_plan([factories.resource_type(service_template=other)], vendor=beginner)

        problems = refused(lambda: enrolment.subscribe("beginner", "management", FORM, NOW))

        assert problems["service_plan"].endswith("the plans delegated to Beginner: Recurring")
        assert not Abilities(db).may_upgrade(caller_of(db, beginner), instance.id)

    @pytest.mark.parametrize("plan_id", ["source-parent", "nothing", ""])
    def test_it_is_a_customer_management_plan(self, enrolment, plan_id):
        with pytest.raises(ServicePlanNotFoundError):
            enrolment.subscribe("beginner", plan_id, FORM, NOW)


class TestCheck:
    def test_microsoft_is_asked_for_the_domain_and_nothing_is_written(self, db, enrolment):
        microsoft = Microsoft(True)

        enrolment.check("beginner", "management", FORM, microsoft)

        assert microsoft.asked == [("Office 365", "beginner-1.onmicrosoft.com")]
        assert db.scalars(select(Subscription).where(Subscription.account_id == "beginner")).all() == []

    def test_a_domain_that_somebody_has_is_refused(self, enrolment):
        problems = refused(lambda: enrolment.check("beginner", "management", FORM, Microsoft(False)))

        assert problems == {
            SUBDOMAIN: "an available subdomain; beginner-1.onmicrosoft.com exists at Microsoft"
        }

    def test_without_an_answer_it_says_that_nothing_was_changed(self, enrolment):
        with pytest.raises(DomainCheckUnavailableError, match=r"could not be asked .* nothing was changed"):
            enrolment.check("beginner", "management", FORM, Microsoft(None))

    @pytest.mark.parametrize("subdomain", ["", "-a", "a-", "a.b", "a b", "ä", "x" * 64])
    def test_a_subdomain_of_another_form_is_refused_before_microsoft_is_asked(self, enrolment, subdomain):
        microsoft = Microsoft(True)
        form = SubdomainForm(choice=NEW_ACCOUNT, subdomain=subdomain)

        problems = refused(lambda: enrolment.check("beginner", "management", form, microsoft))

        assert problems == {SUBDOMAIN: "letters, digits and inner hyphens, at most 63"}
        assert microsoft.asked == []

    def test_only_a_new_microsoft_account_will_do(self, enrolment):
        form = SubdomainForm(choice="present_account", subdomain="beginner")

        problems = refused(lambda: enrolment.check("beginner", "management", form, Microsoft(True)))

        assert list(problems) == ["office365_subdomain.choice"]


class TestAReseller:
    def test_it_subscribes_those_below_to_a_plan_delegated_to_it(self, db, tree, factories):
        factories.service_plan(
            kind=PlanKind.CUSTOMER_MANAGEMENT, vendor=tree.parent, delegated_from_id="management", id="onward"
        )
        factories.reseller(parent=tree.parent, id="grandchild")
        own = Enrolment(db, administrator(db, tree.parent))

        assert own.subscribe("grandchild", "onward", FORM, NOW).service_plan_id == "onward"

    def test_it_does_not_give_away_what_is_the_provider_s(self, db, tree, factories):
        factories.reseller(parent=tree.parent, id="grandchild")
        own = Enrolment(db, administrator(db, tree.parent))

        with pytest.raises(ServicePlanNotFoundError):
            own.subscribe("grandchild", "management", FORM, NOW)

    @pytest.mark.parametrize("reseller_id", ["sibling", "parent"])
    def test_neither_itself_nor_others(self, db, tree, reseller_id):
        own = Enrolment(db, administrator(db, tree.parent))

        with pytest.raises(AccountNotFoundError):
            own.subscribe(reseller_id, "management", FORM, NOW)


def test_a_role_that_does_not_administer_is_refused(db, tree, beginner):
    operator = Enrolment(db, caller_of(db, tree.provider, Role.OPERATOR))

    with pytest.raises(RoleNotSufficientError):
        operator.check("beginner", "management", FORM, Microsoft(True))
    with pytest.raises(RoleNotSufficientError):
        operator.subscribe("beginner", "management", FORM, NOW)
