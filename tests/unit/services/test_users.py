import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from gateway.models import Role, User
from gateway.services.errors import AccountNotAllowedError, InvalidRequestError
from gateway.services.users import _NOBODY, UserExistsError, UserNotFoundError, Users
from gateway.services.vendors import AccountNotFoundError
from tests.factories import NOW, PASSWORD


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


class TestAdd:
    def test_a_login_has_no_upper_case(self, users, provider):
        user = users.add("Anna@Example.com", provider.id, Role.OPERATOR, PASSWORD, NOW)

        assert (user.login, user.account, user.role) == ("anna@example.com", provider, Role.OPERATOR)
        assert user.created_at == NOW

    def test_the_password_is_not_stored(self, users, provider, db):
        users.add("anna", provider.id, Role.OPERATOR, PASSWORD, NOW)

        assert db.scalars(select(User)).one().password_hash.startswith("$argon2id$")

    def test_a_login_is_taken_once(self, users, factories, provider):
        factories.user(login="anna")

        with pytest.raises(UserExistsError, match="anna"):
            users.add("ANNA", provider.id, Role.OPERATOR, PASSWORD, NOW)

    @pytest.mark.parametrize("login", ["", " ", "a b", "a\nb", "x" * 201])
    def test_a_login_is_one_word(self, users, provider, login):
        with pytest.raises(InvalidRequestError, match="login"):
            users.add(login, provider.id, Role.OPERATOR, PASSWORD, NOW)

    @pytest.mark.parametrize("password", ["", "elevenchars", "x" * 1001])
    def test_a_password_has_a_length(self, users, provider, password):
        with pytest.raises(InvalidRequestError, match=r"expected 12 to 1000$"):
            users.add("anna", provider.id, Role.OPERATOR, password, NOW)

    def test_customers_have_no_users(self, users, factories):
        customer = factories.customer()

        with pytest.raises(AccountNotAllowedError):
            users.add("anna", customer.id, Role.OPERATOR, PASSWORD, NOW)

    def test_an_unknown_account_is_named(self, users):
        with pytest.raises(AccountNotFoundError, match="nobody"):
            users.add("anna", "nobody", Role.OPERATOR, PASSWORD, NOW)


class TestVerify:
    def test_login_and_password_let_in(self, users, factories):
        user = factories.user(login="anna")

        assert users.verify("Anna", PASSWORD) is user

    @pytest.mark.parametrize("password", ["", "wrong", "x" * 5000])
    def test_another_password_does_not(self, users, factories, password):
        factories.user(login="anna")

        assert users.verify("anna", password) is None

    def test_another_login_does_not(self, users):
        assert users.verify("nobody", PASSWORD) is None

    def test_another_login_takes_the_same_time(self):
        assert not PasswordHasher().check_needs_rehash(_NOBODY)

    def test_a_hash_that_is_none_lets_nobody_in(self, users, factories):
        factories.user(login="anna", password_hash="!")

        assert users.verify("anna", PASSWORD) is None


class TestChangePassword:
    def test_the_new_one_counts(self, users, factories):
        user = factories.user(login="anna")

        users.change_password("Anna", "another long password")

        assert users.verify("anna", "another long password") is user
        assert users.verify("anna", PASSWORD) is None

    def test_an_unknown_login_is_named(self, users):
        with pytest.raises(UserNotFoundError, match="nobody"):
            users.change_password("nobody", PASSWORD)


def test_users_are_listed_by_login(users, factories):
    for login in ("carl", "anna", "berta"):
        factories.user(login=login)

    assert [user.login for user in users.list()] == ["anna", "berta", "carl"]


@pytest.fixture
def users(db):
    return Users(db)


@pytest.fixture
def provider(factories):
    return factories.provider()
