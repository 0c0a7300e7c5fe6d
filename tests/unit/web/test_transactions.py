from __future__ import annotations

import pytest
from sqlalchemy import func, insert, select
from transaction import TransactionManager

from gateway.models import ApplicationInstance
from gateway.web.transactions import SessionInTransaction


class Refusing:
    """A resource that does not agree to the commit, when it is asked."""

    transaction_manager = None

    def tpc_begin(self, _):
        pass

    commit = tpc_finish = tpc_abort = abort = tpc_begin

    def tpc_vote(self, _):
        raise ValueError("refused")

    def sortKey(self):  # noqa: N802
        return "refusing"


class TestASessionInATransaction:
    def test_it_commits_with_the_transaction(self, session, manager, count):
        session.add(ApplicationInstance(id="office", name="Office 365"))

        manager.commit()

        assert count() == 1

    def test_it_commits_what_no_object_stands_for(self, session, manager, count):
        session.execute(insert(ApplicationInstance).values(id="office", name="Office 365"))

        manager.commit()

        assert count() == 1

    def test_it_is_rolled_back_with_the_transaction(self, session, manager, count):
        session.add(ApplicationInstance(id="office", name="Office 365"))
        session.flush()

        manager.abort()

        assert count() == 0

    def test_nothing_is_kept_when_somebody_else_refuses(self, session, manager, count):
        session.add(ApplicationInstance(id="office", name="Office 365"))
        manager.get().join(Refusing())

        with pytest.raises(ValueError, match="refused"):
            manager.commit()
        manager.abort()

        assert count() == 0

    def test_what_waits_for_the_commit_sees_it(self, session, manager, count):
        session.add(ApplicationInstance(id="office", name="Office 365"))
        seen = []
        manager.get().addAfterCommitHook(lambda committed: seen.append((committed, count())))

        manager.commit()

        assert seen == [(True, 1)]

    @pytest.fixture
    def manager(self):
        manager = TransactionManager(explicit=True)
        manager.begin()
        return manager

    @pytest.fixture
    def session(self, database, manager):
        session = database.write_session()
        SessionInTransaction(session, manager)
        yield session
        session.close()

    @pytest.fixture
    def count(self, database):
        def count():
            with database.read() as db:
                return db.scalar(select(func.count()).select_from(ApplicationInstance))

        return count
