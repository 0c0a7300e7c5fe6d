from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.models import OfferPath
from gateway.services.upgrade_paths import Answers, UpgradePaths
from tests.factories import NOW
from tests.unit.services.helpers import E1, E3, E5

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


class Microsoft:
    """Answers what it is told to, and counts the questions."""

    def __init__(self) -> None:
        self.targets: list[str] | None = [E3]
        self.asked: list[tuple[str, str]] = []

    def __call__(self, instance_id: str, offer_id: str) -> list[str] | None:
        self.asked.append((instance_id, offer_id))
        return self.targets


class TestTargetOfferIDs:
    def test_what_is_not_known_is_asked_and_stored(self, paths, microsoft, instance, db):
        assert paths.target_offer_ids(instance.id, E1, NOW) == frozenset({E3})

        assert microsoft.asked == [(instance.id, E1)]
        stored = db.scalars(select(OfferPath)).one()
        assert (stored.offer_id, stored.target_offer_ids, stored.read_at) == (E1, [E3], NOW)

    def test_what_is_younger_than_a_day_is_not_asked_again(self, paths, microsoft, instance, factories):
        factories.offer_path(E1, [E5], read_at=NOW - 24 * HOUR + SECOND)

        assert paths.target_offer_ids(instance.id, E1, NOW) == frozenset({E5})
        assert microsoft.asked == []

    def test_what_is_a_day_old_is_asked_again(self, paths, microsoft, instance, factories, db):
        factories.offer_path(E1, [E5], read_at=NOW - 24 * HOUR)

        assert paths.target_offer_ids(instance.id, E1, NOW) == frozenset({E3})
        assert db.execute(select(OfferPath.target_offer_ids, OfferPath.read_at)).one() == ([E3], NOW)

    def test_older_data_counts_while_microsoft_does_not_answer(self, paths, microsoft, instance, factories):
        factories.offer_path(E1, [E5], read_at=NOW - 100 * HOUR)
        microsoft.targets = None

        assert paths.target_offer_ids(instance.id, E1, NOW) == frozenset({E5})

    def test_nothing_is_known_while_microsoft_does_not_answer(self, paths, microsoft, instance, db):
        microsoft.targets = None

        assert paths.target_offer_ids(instance.id, E1, NOW) is None
        assert db.scalar(select(OfferPath)) is None

    def test_an_offer_without_targets_is_known_to_have_none(self, paths, microsoft, instance):
        microsoft.targets = []

        assert paths.target_offer_ids(instance.id, E1, NOW) == frozenset()
        assert paths.target_offer_ids(instance.id, E1, NOW) == frozenset()
        assert len(microsoft.asked) == 1

    def test_a_failure_is_remembered_for_a_minute_beyond_the_request(self, db, microsoft, instance):
        answers = Answers()
        microsoft.targets = None
        UpgradePaths(db, microsoft, answers).target_offer_ids(instance.id, E1, NOW)
        microsoft.targets = [E3]
        later = UpgradePaths(db, microsoft, answers)

        assert later.target_offer_ids(instance.id, E1, NOW + 59 * SECOND) is None
        assert later.target_offer_ids(instance.id, E1, NOW + 60 * SECOND) == frozenset({E3})
        assert len(microsoft.asked) == 2

    def test_offers_and_instances_are_kept_apart(self, paths, microsoft, instance, factories):
        other = factories.application_instance()

        paths.target_offer_ids(instance.id, E1, NOW)
        paths.target_offer_ids(other.id, E1, NOW)
        paths.target_offer_ids(instance.id, E3, NOW)

        assert microsoft.asked == [(instance.id, E1), (other.id, E1), (instance.id, E3)]

    def test_a_transaction_that_reads_leaves_storing_to_one_that_writes(
        self, database, db, instance, microsoft
    ):
        answers = Answers()
        db.commit()
        with database.read() as reading:
            found = UpgradePaths(reading, microsoft, answers).target_offer_ids(instance.id, E1, NOW)
        assert found == frozenset({E3})
        assert db.scalar(select(OfferPath)) is None

        assert UpgradePaths(db, microsoft, answers).target_offer_ids(
            instance.id, E1, NOW + HOUR
        ) == frozenset({E3})

        assert len(microsoft.asked) == 1
        assert db.scalars(select(OfferPath)).one().read_at == NOW

    def test_what_is_remembered_of_another_database_does_not_count(
        self, sqlite_database, postgresql_database, microsoft
    ):
        answers = Answers()
        for database in (sqlite_database, postgresql_database):
            with database.read() as reading:
                UpgradePaths(reading, microsoft, answers).target_offer_ids("office365", E1, NOW)

        assert len(microsoft.asked) == 2


class TestRefresh:
    def test_it_asks_however_young_the_data_are(self, paths, microsoft, instance, factories, db):
        factories.offer_path(E1, [E5])

        paths.refresh(instance.id, [E1, E3], NOW + SECOND)

        assert microsoft.asked == [(instance.id, E1), (instance.id, E3)]
        rows = db.execute(select(OfferPath.offer_id, OfferPath.target_offer_ids).order_by(OfferPath.offer_id))
        assert rows.all() == [(E1, [E3]), (E3, [E3])]

    def test_the_data_stay_where_microsoft_does_not_answer(self, paths, microsoft, instance, factories, db):
        factories.offer_path(E1, [E5])
        microsoft.targets = None

        paths.refresh(instance.id, [E1], NOW + SECOND)

        assert db.execute(select(OfferPath.target_offer_ids, OfferPath.read_at)).one() == ([E5], NOW)


@pytest.fixture
def microsoft():
    return Microsoft()


@pytest.fixture
def instance(factories):
    return factories.application_instance()


@pytest.fixture
def paths(db, microsoft):
    return UpgradePaths(db, microsoft, Answers())
