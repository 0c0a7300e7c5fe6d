from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.models import APIKey, Role
from gateway.services.api_keys import LONGEST_NAME, APIKeyNotFoundError, APIKeys
from gateway.services.errors import AccountNotAllowedError, InvalidRequestError
from gateway.services.vendors import AccountNotFoundError
from tests.factories import NOW


class TestCreate:
    def test_the_key_has_a_prefix_and_a_secret(self, keys, reseller):
        key, text = keys.create(reseller.id, "Panel", Role.OPERATOR, NOW)

        name, prefix, secret = text.split("_", 2)
        assert (name, prefix, len(prefix), len(secret)) == ("o365gw", key.prefix, 12, 43)
        assert (key.account, key.name, key.role, key.created_at) == (reseller, "Panel", Role.OPERATOR, NOW)

    def test_nothing_of_the_secret_is_stored(self, keys, reseller, db):
        _, text = keys.create(reseller.id, "Panel", Role.OPERATOR, NOW)

        row = db.scalars(select(APIKey)).one()
        stored = [str(getattr(row, column.key)) for column in APIKey.__table__.columns]
        secret = text.split("_", 2)[2]
        assert not any(secret in value for value in stored)

    def test_two_keys_differ(self, keys, reseller):
        first, second = (keys.create(reseller.id, "Panel", Role.OPERATOR, NOW)[1] for _ in range(2))

        assert first != second

    def test_a_customer_gets_none(self, keys, factories):
        customer = factories.customer()

        with pytest.raises(AccountNotAllowedError, match=customer.id):
            keys.create(customer.id, "Panel", Role.OPERATOR, NOW)

    def test_an_unknown_account_is_named(self, keys):
        with pytest.raises(AccountNotFoundError, match="nobody"):
            keys.create("nobody", "Panel", Role.OPERATOR, NOW)

    @pytest.mark.parametrize("name", ["", "x" * (LONGEST_NAME + 1)])
    def test_the_name_has_a_length(self, keys, reseller, name):
        with pytest.raises(InvalidRequestError):
            keys.create(reseller.id, name, Role.OPERATOR, NOW)


class TestAuthenticate:
    def test_the_key_is_found(self, keys, reseller):
        key, text = keys.create(reseller.id, "Panel", Role.OPERATOR, NOW)

        assert keys.authenticate(text) is key

    def test_another_secret_is_refused(self, keys, reseller):
        _, text = keys.create(reseller.id, "Panel", Role.OPERATOR, NOW)
        other = text[:-1] + ("A" if text[-1] != "A" else "B")

        assert keys.authenticate(other) is None

    @pytest.mark.parametrize(
        "text",
        ["", "o365gw", "o365gw__", "o365gw_0123456789ab_", "x" * 10_000, "o365gw_é_", "\0", "a_b_c_d"],
    )
    def test_what_is_no_key_is_refused(self, keys, text):
        assert keys.authenticate(text) is None

    def test_an_unknown_key_is_refused(self, keys):
        assert keys.authenticate(f"o365gw_0123456789ab_{'x' * 43}") is None

    def test_a_revoked_key_is_refused(self, keys, reseller):
        key, text = keys.create(reseller.id, "Panel", Role.OPERATOR, NOW)
        keys.revoke(key.prefix, NOW)

        assert keys.authenticate(text) is None


class TestRevoke:
    def test_the_first_time_counts(self, keys, reseller):
        key, _ = keys.create(reseller.id, "Panel", Role.OPERATOR, NOW)

        keys.revoke(key.prefix, NOW)
        keys.revoke(key.prefix, NOW + timedelta(days=1))

        assert key.revoked_at == NOW

    def test_an_unknown_key_is_named(self, keys):
        with pytest.raises(APIKeyNotFoundError, match="0123456789ab"):
            keys.revoke("0123456789ab", NOW)


def test_keys_are_listed_for_one_account_or_all(keys, reseller, factories):
    first, _ = keys.create(reseller.id, "Panel", Role.OPERATOR, NOW)
    second, _ = keys.create(factories.provider().id, "Script", Role.READ_ONLY, NOW)

    assert list(keys.list_for(reseller.id)) == [first]
    assert list(keys.list_for(None)) == [first, second]


@pytest.fixture
def keys(db):
    return APIKeys(db)


@pytest.fixture
def reseller(factories):
    return factories.reseller()
