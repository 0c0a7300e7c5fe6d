from datetime import timedelta

import pytest
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.models import Account, AccountType
from gateway.statements import Prepared, Statements, StatementWriter
from tests.factories import NOW

COLUMNS = ("id", "type", "name", "created_at", "updated_at")
ADD = Prepared(insert(Account), columns=COLUMNS)
READ = Prepared(select(Account.type, Account.created_at).where(Account.id == bindparam("key")).limit(1))
RENAME = Prepared(update(Account).where(Account.id == bindparam("key")), columns=["name"])
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
        statements.run_many(ADD, [account("a", created_at=NOW + timedelta(microseconds=7))])

        assert statements.rows(READ, key="a") == [(AccountType.PROVIDER, NOW + timedelta(microseconds=7))]

    def test_each_answers_in_order_with_rows_or_their_number(self, statements):
        answers = statements.each(
            [
                (ADD, account("a")),
                (RENAME, {"key": "a", "name": "new"}),
                (RENAME, {"key": "nobody", "name": "new"}),
                (READ, {"key": "a"}),
                (READ, {"key": "nobody"}),
            ]
        )

        assert answers == [[(1,)], [(1,)], [(0,)], [(AccountType.PROVIDER, NOW)], []]

    @pytest.mark.parametrize(
        "run",
        [
            lambda statements: [statements.rows(ADD, **account("a")) for _ in range(2)],
            lambda statements: statements.each([(ADD, account("a"))] * 2),
            lambda statements: statements.run_many(ADD, [account("a")] * 2),
        ],
        ids=["rows", "each", "run_many"],
    )
    def test_errors_are_those_of_sqlalchemy(self, statements, run):
        with pytest.raises(IntegrityError):
            run(statements)


class TestStatementWriter:
    def test_what_fails_leaves_nothing_and_the_next_one_works(self, writer):
        with pytest.raises(IntegrityError), writer.transaction() as statements:
            statements.run_many(ADD, [account("a"), account("b"), account("a")])

        with writer.transaction() as statements:
            statements.rows(ADD, **account("b"))

        with writer.transaction() as statements:
            assert statements.rows(COUNT) == [(1,)]

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
