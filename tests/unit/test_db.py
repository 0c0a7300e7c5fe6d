import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError, StatementError

from gateway.db import DATABASE_AWAY, Database, DatabaseClock, UTCDateTime, utcnow
from gateway.models import Account, AccountType, SubscriptionPeriod
from tests.databases import sqlite_url
from tests.factories import NOW, Factories


class TestTimes:
    def test_they_come_back_aware_and_in_utc(self, database):
        in_oslo = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
        with database.write() as session:
            account_id = Factories(session).provider(created_at=in_oslo).id

        with database.read() as session:
            found = session.get_one(Account, account_id).created_at
        assert found == datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)
        assert found.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("microsecond", [0, 120_000, 999_999])
    def test_they_are_stored_as_sqlalchemy_writes_them_for_sqlite(self, microsecond):
        at, sqlite_dialect = NOW.replace(microsecond=microsecond), sqlite.dialect()
        theirs = sqlite.DATETIME().bind_processor(sqlite_dialect)
        ours = UTCDateTime().bind_processor(sqlite_dialect)

        assert theirs is not None
        assert ours is not None
        assert ours(at) == theirs(at)

    def test_one_without_a_zone_is_refused(self, db):
        with pytest.raises(StatementError, match="expected an aware time"):
            Factories(db).provider(created_at=datetime(2026, 11, 23))  # noqa: DTZ001 (that is the point)


class TestMoney:
    @pytest.mark.parametrize("price", ["0", "0.0001", "6.60", "999999999999.9999"])
    def test_it_is_exact(self, database, price):
        with database.write() as session:
            plan_id = Factories(session).service_plan().id
            session.get_one(SubscriptionPeriod, (plan_id, 12)).recurring_fee = Decimal(price)

        with database.read() as session:
            assert session.get_one(SubscriptionPeriod, (plan_id, 12)).recurring_fee == Decimal(price)


class TestEnums:
    def test_they_are_stored_by_value(self, db, factories):
        factories.provider()

        assert db.scalar(text("SELECT type FROM account")) == "provider"
        assert db.scalar(select(Account.type)) is AccountType.PROVIDER


class TestTransactions:
    def test_a_block_that_ends_well_is_kept(self, database):
        with database.write() as session:
            Factories(session).provider()

        assert count(database) == 1

    def test_a_block_that_fails_leaves_nothing(self, database):
        with pytest.raises(ZeroDivisionError):
            add_one_and_fail(database)

        assert count(database) == 0

    def test_what_is_changed_while_reading_is_not_kept(self, database):
        with database.read() as session:
            Factories(session).provider()

        assert count(database) == 0

    def test_foreign_keys_are_kept(self, db):
        db.add(Account(id="x", name="X", type=AccountType.CUSTOMER, parent_id="nobody"))

        with pytest.raises(IntegrityError):
            db.flush()

    def test_writers_of_sqlite_wait_for_each_other_before_they_read(self, sqlite_database):
        with sqlite_database.write() as session:
            Factories(session).provider(name="0")

        threads = [threading.Thread(target=add_one, args=[sqlite_database]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        with sqlite_database.read() as session:
            assert session.scalar(select(Account.name)) == "8"

    def test_readers_of_sqlite_do_not_wait_for_a_writer(self, sqlite_database):
        with sqlite_database.write() as writer:
            Factories(writer).provider()

            assert count(sqlite_database) == 0

    def test_what_was_loaded_can_be_read_after_the_commit(self, database):
        with database.write() as session:
            provider = Factories(session).provider(name="Provider")

        assert provider.name == "Provider"


class TestDatabaseClock:
    def test_nodes_with_different_clocks_agree(self, postgresql_database, monkeypatch):
        truth = utcnow()
        monkeypatch.setattr("gateway.db.utcnow", lambda: truth + timedelta(hours=1))

        postgresql_database.clock.synchronise()

        assert abs(postgresql_database.clock() - truth) < timedelta(seconds=30)

    def test_it_goes_on_steadily_when_the_machines_clock_is_set(self, timer):
        clock = DatabaseClock(lambda: NOW, lambda: timer[0])
        clock.synchronise()

        timer[0] += 5

        assert clock() == NOW + timedelta(seconds=5)

    def test_without_a_look_it_is_the_clock_of_the_machine(self):
        assert abs(DatabaseClock(lambda: NOW)() - utcnow()) < timedelta(seconds=30)

    @pytest.mark.parametrize(("seconds", "is_steady"), [(-60, False), (0.5, True), (60, False)])
    def test_a_jump_is_remembered_for_a_while(self, timer, seconds, is_steady):
        times = [NOW, NOW + timedelta(seconds=10 + seconds)]
        clock = DatabaseClock(lambda: times.pop(0), lambda: timer[0])
        clock.synchronise()
        timer[0] += 10
        clock.synchronise()

        assert clock.is_steady_for(timedelta(seconds=30)) is is_steady
        timer[0] += 30
        assert clock.is_steady_for(timedelta(seconds=30))

    def test_a_slow_answer_is_no_jump(self, timer):
        def ask():
            timer[0] += 20  # The database looked at its clock first, and its answer took so long.
            return NOW + timedelta(seconds=timer[0] - 120)

        clock = DatabaseClock(ask, lambda: timer[0])
        clock.synchronise()
        clock.synchronise()

        assert clock.is_steady_for(timedelta(seconds=30))

    @pytest.fixture
    def timer(self):
        """What a steady clock shows."""
        return [100.0]


def test_what_the_url_says_of_a_connection_wins(postgresql_database_url):
    together = "&" if "?" in postgresql_database_url else "?"
    url = f"{postgresql_database_url}{together}application_name=mine"
    with closing(Database(url)) as database, database.read() as session:
        assert session.scalar(text("SHOW application_name")) == "mine"


def test_a_database_that_is_not_there_raises_what_is_meant_by_away(tmp_path):
    database = Database(sqlite_url(tmp_path / "no folder" / "gateway.db"))

    with pytest.raises(DATABASE_AWAY):
        count(database)
    database.close()


def test_a_server_that_only_reads_counts_as_away(postgresql_database):
    """As one does that was the primary until a moment ago."""
    with postgresql_database.write_session() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))

        with pytest.raises(DATABASE_AWAY):
            Factories(session).provider()


def count(database):
    with database.read() as session:
        return len(session.scalars(select(Account)).all())


def add_one(database):
    """Read, and write what follows from it: lost updates would show in the sum."""
    with database.write() as session:
        account = session.scalars(select(Account)).one()
        account.name = str(int(account.name) + 1)


def add_one_and_fail(database):
    with database.write() as session:
        Factories(session).provider()
        raise ZeroDivisionError
