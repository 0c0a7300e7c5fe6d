import pytest

from gateway.models import PlanKind, Role, SubscriptionStatus
from gateway.services.abilities import Abilities
from gateway.services.errors import CustomerManagementRequiredError, ForbiddenError, RoleNotSufficientError
from tests.unit.services.helpers import caller_of


class TestRequireUpgrade:
    @pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMINISTRATOR])
    def test_the_provider_needs_no_subscription(self, db, factories, instance, role):
        caller = caller_of(db, factories.provider(), role)

        Abilities(db).require_upgrade(caller, instance.id)

        assert Abilities(db).may_upgrade(caller, instance.id)

    def test_a_reseller_with_customer_management_may(self, db, instance, management):
        caller = caller_of(db, management.account)

        Abilities(db).require_upgrade(caller, instance.id)

        assert Abilities(db).may_upgrade(caller, instance.id)

    @pytest.mark.parametrize("which", ["provider", "reseller"])
    def test_a_role_that_reads_may_not(self, db, factories, instance, management, which):
        account = factories.provider() if which == "provider" else management.account
        caller = caller_of(db, account, Role.READ_ONLY)

        with pytest.raises(RoleNotSufficientError, match="has role read_only; expected operator") as caught:
            Abilities(db).require_upgrade(caller, instance.id)

        assert caught.value.code == "role_not_sufficient"
        assert isinstance(caught.value, ForbiddenError)
        assert not Abilities(db).may_upgrade(caller, instance.id)

    def test_a_reseller_without_it_is_told_what_is_missing_and_whom_to_ask(self, db, factories, instance):
        reseller = factories.reseller(parent=factories.reseller(name="Contoso Reselling"))
        caller = caller_of(db, reseller)

        with pytest.raises(CustomerManagementRequiredError) as caught:
            Abilities(db).require_upgrade(caller, instance.id)

        assert caught.value.code == "customer_management_required"
        assert str(caught.value) == (
            f"reseller {reseller.id} has no subscription to the Office 365 Customer Management plan of"
            " application instance Office 365; expected an active one. Ask Contoso Reselling for it"
        )
        assert not Abilities(db).may_upgrade(caller, instance.id)

    @pytest.mark.parametrize("status", [s for s in SubscriptionStatus if s is not SubscriptionStatus.ACTIVE])
    def test_one_that_is_not_active_does_not_count(self, db, instance, management, status):
        management.status = status

        with pytest.raises(
            CustomerManagementRequiredError, match=f"{management.id}, which is {status.value}"
        ):
            Abilities(db).require_upgrade(caller_of(db, management.account), instance.id)

    def test_that_of_another_instance_does_not_count(self, db, factories, management):
        other = factories.application_instance(name="Office 365 Europe")

        with pytest.raises(CustomerManagementRequiredError, match="instance Office 365 Europe"):
            Abilities(db).require_upgrade(caller_of(db, management.account), other.id)

    def test_that_of_the_reseller_above_does_not_count(self, db, factories, instance, management):
        below = factories.reseller(parent=management.account)

        with pytest.raises(CustomerManagementRequiredError):
            Abilities(db).require_upgrade(caller_of(db, below), instance.id)

    def test_a_subscription_to_another_plan_does_not_count(self, db, factories, instance):
        reseller = factories.reseller()
        factories.subscription(factories.service_plan(), account=reseller)

        with pytest.raises(CustomerManagementRequiredError):
            Abilities(db).require_upgrade(caller_of(db, reseller), instance.id)


@pytest.fixture
def instance(factories):
    return factories.application_instance()


@pytest.fixture
def management(factories, instance):
    return factories.subscription(factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT))
