"""What every test may ask for.

A test that takes `database`, `db` or `factories` runs twice, on SQLite and on PostgreSQL. Where the dialect
does not matter, a module or a folder says so by overriding one fixture:

    @pytest.fixture
    def database(sqlite_database):
        return sqlite_database
"""

from __future__ import annotations

import os
import shutil

import pytest

from gateway.db import Database
from tests.databases import make_sqlite_template, postgresql_server, sqlite_url
from tests.factories import Factories

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # The many processes of the tests would compile every module.


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory):
    """A file with the newest schema and no rows."""
    return make_sqlite_template(tmp_path_factory.mktemp("sqlite") / "template.db")


@pytest.fixture(scope="session")
def postgresql():
    """The one server of this session."""
    with postgresql_server() as server:
        yield server


@pytest.fixture
def sqlite_database_url(sqlite_template, tmp_path):
    path = tmp_path / "gateway.db"
    shutil.copyfile(sqlite_template, path)
    return sqlite_url(path)


@pytest.fixture
def postgresql_database_url(postgresql):
    with postgresql.migrated_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request):
    """The address of a migrated database without rows, which other processes can open too."""
    return request.getfixturevalue(f"{request.param}_database_url")


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def sqlite_database(sqlite_database_url):
    database = Database(sqlite_database_url)
    yield database
    database.close()


@pytest.fixture
def postgresql_database(postgresql_database_url):
    database = Database(postgresql_database_url)
    yield database
    database.close()


@pytest.fixture
def db(database):
    """A session whose work is rolled back; other sessions see it only once the test commits it."""
    with database.write_session() as session:
        yield session
        session.rollback()


@pytest.fixture
def factories(db):
    return Factories(db)
