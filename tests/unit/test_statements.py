from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import bindparam, func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.models import Account, AccountType
from gateway.statements import Prepared, PreparedForMany, Statements, StatementWriter, among
from tests.factories import NOW

COLUMNS = ("id", "type", "name", "created_at", "updated_at")
ADD = Prepared(insert(Account).values({name: bindparam(name) for name in COLUMNS}))
ADD_MANY = PreparedForMany(Account.__table__, COLUMNS)
READ = Prepared(select(Account.type, Account.created_at).where(Account.id == bindparam("key")).limit(1))
RENAME = PreparedForMany(Account.__table__, ["name"], key="id", where=[Account.domain == bindparam("of")])
NAMES = Prepared(select(Account.id, Account.name).where(among(Account.id, "keys")).order_by(Account.id))
COUNT = Prepared(select(func.count()).select_from(Account))


def account(key, **columns):
    values = {"id": key, "type": AccountType.PROVIDER, "name": key, "created_at": NOW, "updated_at": NOW}
    return values | columns


@pytest.fixture
def writer(database):
    writer = StatementWriter(database)
    yield writer
    writer.close()


@pytest.fixture
def statements(db):
    return Statements(db.connection())


class TestStatements:
    def test_values_come_back_as_what_they_were(self, statements):
        statements.run_many(ADD_MANY, [account("a", created_at=NOW + timedelta(microseconds=7))])

        assert statements.rows(READ, key="a") == [(AccountType.PROVIDER, NOW + timedelta(microseconds=7))]

    def test_each_answers_in_order(self, statements):
        statements.run(ADD, **account("a"))

        answers = statements.each([(READ, {"key": "a"}), (READ, {"key": "nobody"}), (COUNT, {})])

        assert answers == [[(AccountType.PROVIDER, NOW)], [], [(1,)]]

    def test_many_are_found_by_a_list_whatever_their_number(self, statements):
        statements.run_many(ADD_MANY, [account("a"), account("b"), account("c")])

        assert statements.rows(NAMES, keys=["c", "a", "nobody"]) == [("a", "a"), ("c", "c")]
        assert statements.rows(NAMES, keys=[]) == []

    def test_many_are_changed_by_their_keys_where_the_condition_holds(self, statements):
        columns = (*COLUMNS, "domain")
        rows = [account("a", domain="ours"), account("b", domain="ours"), account("c", domain="theirs")]
        statements.run_many(PreparedForMany(Account.__table__, columns), rows)

        new = [{"id": "a", "name": "new a"}, {"id": "b", "name": "new b"}, {"id": "c", "name": "new c"}]
        statements.run_many(RENAME, new, of="ours")

        assert statements.rows(NAMES, keys=["a", "b", "c"]) == [("a", "new a"), ("b", "new b"), ("c", "c")]

    def test_many_of_none_are_nothing(self, statements):
        statements.run_many(ADD_MANY, [])

        assert statements.rows(COUNT) == [(0,)]

    @pytest.mark.parametrize(
        "run",
        [
            lambda statements: [statements.run(ADD, **account("a")) for _ in range(2)],
            lambda statements: statements.run_many(ADD_MANY, [account("a")] * 2),
        ],
        ids=["run", "run_many"],
    )
    def test_errors_are_those_of_sqlalchemy(self, statements, run):
        with pytest.raises(IntegrityError):
            run(statements)


class TestStatementWriter:
    def test_what_fails_leaves_nothing_and_the_next_one_works(self, writer):
        with pytest.raises(IntegrityError), writer.transaction() as statements:
            statements.run_many(ADD_MANY, [account("a"), account("b"), account("a")])

        with writer.transaction() as statements:
            statements.run(ADD, **account("b"))

        with writer.transaction() as statements:
            assert statements.rows(COUNT) == [(1,)]

    def test_what_fails_lets_others_write_while_somebody_still_looks_at_the_error(self, sqlite_database):
        writer, other = StatementWriter(sqlite_database), StatementWriter(sqlite_database)

        with pytest.raises(IntegrityError) as failure, writer.transaction() as statements:
            statements.run_many(ADD_MANY, [account("a", name=None)])

        with other.transaction() as statements:
            statements.run(ADD, **account("b"))
        assert failure.tb is not None
        writer.close()
        other.close()

    @pytest.mark.parametrize(("waits", "expected"), [(True, {2, "on"}), (False, {1, "off"})])
    def test_waits_for_the_disk_or_not_also_after_a_failure(self, database, waits, expected):
        writer = StatementWriter(database, waits_for_disk=waits)

        assert mode_of(writer) in expected
        with pytest.raises(ValueError, match="broken"), writer.transaction():
            raise ValueError("broken")
        assert mode_of(writer) in expected
        writer.close()

    def test_what_it_was_told_is_not_left_to_others(self, database):
        with closing(StatementWriter(database, waits_for_disk=False)) as writer:
            mode_of(writer)

        with closing(StatementWriter(database)) as writer:
            assert mode_of(writer) in {2, "on"}

    def test_a_connection_that_broke_is_replaced(self, postgresql_database):
        writer = StatementWriter(postgresql_database)
        with writer.transaction() as statements:
            (pid,) = statements.rows(Prepared(select(func.pg_backend_pid())))[0]
        with postgresql_database.write() as db:
            db.execute(select(func.pg_terminate_backend(pid)))

        with pytest.raises(OperationalError), writer.transaction() as statements:
            statements.rows(COUNT)

        with writer.transaction() as statements:
            assert statements.rows(COUNT) == [(0,)]
        writer.close()


def mode_of(writer):
    """What its database does at the end of its transactions."""
    with writer.transaction() as statements:
        wanted = "PRAGMA synchronous" if statements.is_sqlite else "SHOW synchronous_commit"
        return statements.rows(Prepared(text(wanted)))[0][0]
