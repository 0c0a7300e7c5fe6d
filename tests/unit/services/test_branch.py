import pytest

from gateway.models import AccountType, Role
from gateway.services.branch import branch_vendor_ids, make_caller
from gateway.services.errors import AccountNotAllowedError, ForbiddenError
from tests.unit.services.helpers import Tree


class TestMakeCaller:
    def test_the_provider_sees_everything(self, db, factories):
        provider = factories.provider()

        caller = make_caller(db, provider, Role.OPERATOR, "user anna")

        assert caller.vendor_ids is None
        assert caller.is_provider
        assert caller.sees("whoever")
        assert (caller.account_id, caller.name) == (provider.id, "user anna")

    def test_a_reseller_sees_itself_and_the_resellers_below(self, db, factories):
        tree = Tree(factories)

        caller = make_caller(db, tree.parent, Role.OPERATOR, "user anna")

        assert caller.vendor_ids == frozenset({"parent", "child"})
        assert caller.account_type is AccountType.RESELLER
        assert not caller.is_provider
        assert caller.sees("child")
        assert not caller.sees("sibling")

    def test_the_branch_reaches_down_to_any_depth(self, db, factories):
        chain = [factories.reseller()]
        for _ in range(6):
            chain.append(factories.reseller(parent=chain[-1]))
        factories.customer(parent=chain[-1])

        assert branch_vendor_ids(db, chain[0].id) == {reseller.id for reseller in chain}
        assert branch_vendor_ids(db, chain[-1].id) == {chain[-1].id}

    def test_a_customer_does_not_come_in(self, db, factories):
        with pytest.raises(AccountNotAllowedError, match="is a customer") as caught:
            make_caller(db, factories.customer(), Role.ADMINISTRATOR, "user anna")

        assert caught.value.code == "account_not_allowed"
        assert isinstance(caught.value, ForbiddenError)

    @pytest.mark.parametrize(
        ("role", "may_upgrade", "may_administer"),
        [(Role.ADMINISTRATOR, True, True), (Role.OPERATOR, True, False), (Role.READ_ONLY, False, False)],
    )
    def test_the_role_says_what_may_be_changed(self, db, factories, role, may_upgrade, may_administer):
        caller = make_caller(db, factories.provider(), role, "user anna")

        assert (caller.may_upgrade, caller.may_administer) == (may_upgrade, may_administer)
