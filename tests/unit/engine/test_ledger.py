"""Threads commit together, and none of them pays for another."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from gateway.engine import posting
from gateway.engine.claims import Claims
from gateway.engine.entries import End, Entry, LeaseLostError
from gateway.engine.ledger import Ledger
from gateway.models import Subscription, Upgrade, UpgradeStatus
from gateway.services import plan_change
from tests.factories import NOW
from tests.unit.engine.test_claims import LEASE, make, many
from tests.unit.services.helpers import PATIENCE, in_background
from tests.unit.services.test_races import wait_until_blocked

__all__ = ["make"]


class Book:
    """A ledger whose first commit with an entry ends only when it is told to, so that others gather."""

    def __init__(self, database, count):
        self.ledger = Ledger(database, "node:one", LEASE, lambda: NOW, count)
        self.ids = sorted(self.ledger.claim())
        self._go_on = threading.Event()
        self._transact = self.ledger._transact
        self.groups = []
        self.ledger.__dict__["_transact"] = self._slowly

    def _slowly(self, group, *args, **kwargs):
        if not self.groups:
            assert self._go_on.wait(PATIENCE)
        self.groups.append([waiting.entry.upgrade_id for waiting in group])
        self._transact(group, *args, **kwargs)

    def record_together(self, first, *entries):
        """Write the first by itself and all others at once; what became of each."""
        with ThreadPoolExecutor(1 + len(entries)) as threads:
            futures = [threads.submit(self.ledger.record, first)]
            self._wait_until(lambda: self.ledger._is_led and not self.ledger._gathering)
            futures += [threads.submit(self.ledger.record, entry) for entry in entries]
            self._wait_until(lambda: len(self.ledger._gathering) == len(entries))
            self._go_on.set()
            return [future.exception(PATIENCE) for future in futures]

    def _wait_until(self, condition):
        for _ in range(PATIENCE * 1000):
            if condition():
                return
            threading.Event().wait(0.001)
        pytest.fail("it did not come true")


@pytest.fixture
def book(database, make):
    make(many(4))
    book = Book(database, 4)
    yield book
    book.ledger.close()


def waits(upgrade_id, words="Microsoft"):
    return Entry(upgrade_id, {"waiting_for": words})


def ends(database, upgrade_id):
    with database.read() as db:
        upgrade = db.get_one(Upgrade, upgrade_id)
    end = End(upgrade.subscription_id, upgrade.microsoft_tenant_id)
    return Entry(upgrade_id, {"status": UpgradeStatus.FAILED, "lease_owner": None}, ends=end)


def written(database):
    with database.read() as db:
        query = select(Upgrade.id).where(Upgrade.waiting_for == "Microsoft")
        return list(db.scalars(query.order_by(Upgrade.id)))


class TestCommittingTogether:
    def test_what_gathers_while_one_commits_is_one_transaction(self, database, book):
        commits = book.ledger.commits

        assert book.record_together(*map(waits, book.ids)) == [None] * 4

        assert book.ledger.commits == commits + 2
        assert written(database) == book.ids

    def test_only_who_lost_its_lease_is_refused(self, database, book):
        first, lost, *others = book.ids
        with database.write() as db:
            db.get_one(Upgrade, lost).lease_owner = "other:two"

        answers = book.record_together(*map(waits, [first, lost, *others]))

        assert [type(answer) for answer in answers] == [type(None), LeaseLostError, *[type(None)] * 2]
        assert written(database) == [first, *others]

    def test_only_who_wrote_nonsense_hears_of_it(self, database, book):
        first, wrong, *others = book.ids
        nonsense = Entry(wrong, {"waiting_for": "Microsoft", "batch_id": None})

        answers = book.record_together(waits(first), nonsense, *map(waits, others))

        assert [answer is None for answer in answers] == [True, False, True, True]
        assert written(database) == [first, *others]

    @pytest.mark.parametrize("lock", [posting._HOLD, plan_change._LOCK, plan_change._TRY_LOCK])
    def test_all_lock_in_one_order(self, lock):
        statement = lock.on(PGDialect_psycopg()).sql

        assert re.search(r"ORDER BY (upgrade|subscription)\.id FOR UPDATE", " ".join(statement.split()))


class TestNobodyWaitsForAnother:
    """SQLite has one writer at a time, so that there is nothing to wait for but its end."""

    @pytest.fixture
    def database(self, postgresql_database):
        return postgresql_database

    def test_the_end_of_a_subscription_that_is_being_imported_waits_alone(self, database, make):
        *_, waiting = make(many(4))
        book = Book(database, 3)
        held, *others = book.ids
        entry = ends(database, held)
        with database.write_session() as db:
            lock_subscription(db, entry.ends.subscription_id)
            with in_background(
                lambda: book.record_together(waits(others[0]), entry, waits(others[1]))
            ) as future:
                wait_until_blocked(database)
                assert written(database) == others
                db.commit()
                assert future.result(PATIENCE) == [None] * 3

        assert status_of(database, held) is UpgradeStatus.FAILED
        assert status_of(database, waiting) is UpgradeStatus.PENDING  # Who is alone chooses nothing.
        book.ledger.close()

    def test_a_claim_leaves_alone_what_is_being_imported(self, database, make):
        first, second = make(many(2))
        book = Ledger(database, "node:one", LEASE, lambda: NOW, 1)
        with database.write_session() as db:
            lock_subscription(db, ends(database, first).ends.subscription_id)

            assert book.claim() == [second]

        book.record(ends(database, second))
        assert book.claim() == [first]
        book.close()

    def test_leases_are_renewed_but_for_those_that_are_being_written(self, database, make):
        make(many(2))
        claims = Claims(database, "node:one", LEASE, lambda: NOW + LEASE)
        book = Ledger(database, "node:one", LEASE, lambda: NOW, 2)
        first, _second = book.claim()
        with database.write_session() as db:
            db.execute(text("SELECT id FROM upgrade WHERE id = :id FOR UPDATE"), {"id": first})

            assert claims.renew() == 1

        assert claims.renew() == 2
        book.close()


def lock_subscription(db, subscription_id):
    """As an import does."""
    db.execute(select(Subscription.id).where(Subscription.id == subscription_id).with_for_update())


def status_of(database, upgrade_id):
    with database.read() as db:
        return db.get_one(Upgrade, upgrade_id).status
