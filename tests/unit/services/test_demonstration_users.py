from __future__ import annotations

import pytest

from gateway.services.catalog import import_catalog
from gateway.services.catalog.demonstration import make_catalog
from gateway.services.demonstration_users import LOGINS, add_demonstration_users
from gateway.services.users import Users
from tests.factories import NOW


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


def test_they_sign_in_with_what_is_printed_every_time(db, tmp_path):
    import_catalog(db, make_catalog(5), now=NOW)
    file = tmp_path / "demo-users.json"

    first = add_demonstration_users(db, file, NOW)
    second = add_demonstration_users(db, file, NOW)

    assert first == second
    assert [person.login for person in first] == list(LOGINS.values())
    assert all(Users(db).verify(person.login, person.password) for person in first)
    assert file.stat().st_mode & 0o077 == 0


def test_another_catalog_gets_none(db, factories, tmp_path):
    factories.provider(id="provider")

    assert add_demonstration_users(db, tmp_path / "demo-users.json", NOW) == []
    assert not (tmp_path / "demo-users.json").exists()
