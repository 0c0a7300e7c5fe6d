import pytest

from tests.databases import fill, full_disk


def test_what_writes_is_told_to_come_back_and_what_reads_is_answered(provider, app, world, database):
    with full_disk(database):
        fill(database)

        refused = provider.post("/upgrade-batches", world.request())
        listed = provider.get("/subscriptions")

        assert (refused.status_int, refused.json["code"]) == (503, "database_unavailable")
        assert listed.status_int == 200
        assert app.get("/readyz").status_int == 200

    assert provider.post("/upgrade-batches", world.request()).status_int == 202


@pytest.fixture
def database(sqlite_database):
    return sqlite_database
