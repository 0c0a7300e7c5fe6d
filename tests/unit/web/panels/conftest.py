from __future__ import annotations

import pytest

from gateway.models import Role
from tests.unit.web.panels.helpers import Browser


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture
def people(db, factories, world):
    """Logins of somebody of each kind."""
    people = {
        "provider": factories.user(world.provider, Role.OPERATOR).login,
        "administrator": factories.user(world.provider).login,
        "owner": factories.user(world.reseller).login,
        "sibling": factories.user(world.sibling).login,
        "sub_reseller": factories.user(world.sub_reseller).login,
        "read_only": factories.user(world.reseller, Role.READ_ONLY).login,
        "provider_read_only": factories.user(world.provider, Role.READ_ONLY).login,
    }
    db.commit()
    return people


@pytest.fixture
def provider(router, people):
    return Browser(router, people["provider"])


@pytest.fixture
def administrator(router, people):
    """Of the provider."""
    return Browser(router, people["administrator"])


@pytest.fixture
def reseller(router, people):
    return Browser(router, people["owner"])


@pytest.fixture
def anyone(router, world):
    return Browser(router)
