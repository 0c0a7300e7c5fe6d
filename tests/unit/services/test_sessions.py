from datetime import timedelta

import pytest

from gateway.models import Role
from gateway.services.branch import make_caller
from gateway.services.sessions import LIFETIME, Sessions
from tests.factories import NOW
from tests.unit.services.helpers import Tree


@pytest.fixture
def tree(factories):
    return Tree(factories)


class TestWhoseSessionItIs:
    @pytest.mark.parametrize("which", ["provider", "parent", "child", "sibling"])
    def test_its_user_sees_what_the_account_sees(self, db, tree, factories, which):
        account = getattr(tree, which)
        user = factories.user(account, Role.OPERATOR, login="anna")
        token = Sessions(db).open(user, NOW)
        factories.user(tree.parent, login="somebody else")

        found = Sessions(db).find(token, NOW, "192.0.2.1")

        assert found is not None
        assert found.caller == make_caller(db, account, Role.OPERATOR, "anna", "192.0.2.1")
        assert (found.user_id, found.login, found.role) == (user.id, "anna", Role.OPERATOR)
        assert found.account_name == account.name

    @pytest.mark.parametrize(("age", "lasts"), [(LIFETIME - timedelta(seconds=1), True), (LIFETIME, False)])
    def test_it_ends_with_the_day(self, db, factories, age, lasts):
        token = Sessions(db).open(factories.user(factories.provider()), NOW)

        assert (Sessions(db).find(token, NOW + age) is not None) == lasts

    def test_a_disabled_user_has_none(self, db, factories):
        user = factories.user(factories.provider())
        token = Sessions(db).open(user, NOW)
        user.disabled_at = NOW
        db.flush()

        assert Sessions(db).find(token, NOW) is None

    @pytest.mark.parametrize("token", ["", "x", "\x00", "\ud800"])
    def test_an_unknown_token_has_none(self, db, factories, token):
        Sessions(db).open(factories.user(factories.provider()), NOW)

        assert Sessions(db).find(token, NOW) is None
