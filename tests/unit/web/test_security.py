from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.db import utcnow
from gateway.models import AccountType, APIKey, Role
from gateway.services.caller import Caller
from gateway.web.security import BAD_KEYS_A_MINUTE, Permission, permissions_of
from gateway.web.throttle import MOST_ADDRESSES, Throttle
from tests.unit.web.helpers import API


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


class TestKeys:
    def test_without_one_the_answer_says_how_to_sign_in(self, anyone):
        response = anyone.get("/subscriptions")

        assert response.status_int == 401
        assert response.json["code"] == "authentication_required"
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")

    @pytest.mark.parametrize("key", ["x", "o365gw_000000000000_wrong", "é", "two words", ""])
    def test_a_bad_one_is_refused(self, app, world, key):
        response = API(app).get("/subscriptions", Authorization=f"Bearer {key}".encode().decode("latin-1"))

        assert response.status_int == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")

    def test_another_scheme_is_no_key(self, anyone):
        response = anyone.get("/subscriptions", Authorization="Basic eDp5")

        assert response.json["code"] == "authentication_required"

    def test_the_scheme_is_known_in_any_case(self, app, world):
        response = API(app).get("/subscriptions", Authorization=f"bearer {world.provider_key}")

        assert response.status_int == 200

    def test_whether_something_exists_is_not_told_without_a_key(self, anyone, world):
        known = anyone.get(f"/subscriptions/{world.subscription.id}")
        unknown = anyone.get("/subscriptions/ghost")

        assert known.status_int == unknown.status_int == 401

    def test_its_use_is_noted_once_a_minute(self, app, db, factories, world, database):
        row, text = factories.api_key()
        row_id = row.id
        db.commit()

        API(app, text).get("/subscriptions")
        first = last_used_at(database, row_id)
        API(app, text).get("/subscriptions")

        assert utcnow() - first < timedelta(minutes=1)
        assert last_used_at(database, row_id) == first

    def test_it_is_never_logged(self, provider, world, caplog):
        caplog.set_level("DEBUG")

        provider.get("/subscriptions", {"cursor": "secret-cursor"})

        assert world.provider_key not in caplog.text
        assert "secret-cursor" not in caplog.text


class TestThrottle:
    def test_after_too_many_bad_keys_an_address_has_to_wait(self, app, world):
        bad = API(app, "bad")
        for _ in range(BAD_KEYS_A_MINUTE):
            assert bad.get("/subscriptions").status_int == 401

        response = bad.get("/subscriptions")

        assert response.status_int == 429
        assert int(response.headers["Retry-After"]) >= 1
        assert response.json["code"] == "too_many_attempts"

    def test_a_key_that_was_good_before_goes_on(self, app, provider, world):
        assert provider.get("/subscriptions").status_int == 200
        bad = API(app, "bad")
        for _ in range(BAD_KEYS_A_MINUTE + 1):
            bad.get("/subscriptions")

        assert provider.get("/subscriptions").status_int == 200

    def test_a_missing_key_costs_nothing(self, anyone):
        for _ in range(BAD_KEYS_A_MINUTE + 1):
            response = anyone.get("/subscriptions")

        assert response.status_int == 401

    def test_the_bucket_fills_again(self):
        now = [0.0]
        throttle = Throttle(60, clock=lambda: now[0])
        for _ in range(60):
            throttle.record_failure("a")

        assert throttle.wait("a") == 1
        assert throttle.wait("b") == 0
        now[0] = 1.0
        assert throttle.wait("a") == 0

    def test_it_remembers_so_many_addresses_and_no_more(self):
        throttle = Throttle(1, clock=lambda: 0.0)
        for number in range(MOST_ADDRESSES + 1):
            throttle.record_failure(str(number))

        assert throttle.wait("0") == 0
        assert throttle.wait("1") > 0


class TestPermissions:
    def test_reading_is_for_all(self, app, db, factories, world):
        _, text = factories.api_key(world.provider, Role.READ_ONLY)
        db.commit()

        assert API(app, text).get("/subscriptions").status_int == 200

    def test_what_is_forbidden_says_so(self, app, db, factories, world):
        _, text = factories.api_key(world.provider, Role.READ_ONLY)
        db.commit()

        response = API(app, text).post("/upgrade-batches", world.request())

        assert response.status_int == 403
        assert response.json["code"] == "forbidden"

    @pytest.mark.parametrize("role", [Role.READ_ONLY, Role.OPERATOR])
    def test_only_administrators_of_the_provider_import(self, app, db, factories, world, role):
        _, text = factories.api_key(world.provider, role)
        db.commit()

        assert API(app, text).post("/catalog", {}).status_int == 403

    def test_every_permission_is_given_to_somebody(self):
        caller = make_administrator()

        assert permissions_of(caller) == frozenset(Permission)


def make_administrator():
    return Caller(
        account_id="provider",
        account_type=AccountType.PROVIDER,
        role=Role.ADMINISTRATOR,
        name="tests",
        vendor_ids=None,
    )


def last_used_at(database, row_id):
    with database.read() as db:
        return db.get_one(APIKey, row_id).last_used_at
