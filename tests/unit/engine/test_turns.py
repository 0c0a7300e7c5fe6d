"""Vendors and their batches take turns, and the statements for that read small indexes only."""

from __future__ import annotations

import re
import threading
from contextlib import closing

import pytest
from sqlalchemy import event, insert, text

from gateway.engine import backlog, ledger, posting, taking
from gateway.engine.claims import Claims
from gateway.engine.entries import End, Entry
from gateway.engine.ledger import Ledger
from gateway.engine.listening import Listening
from gateway.models import Account, Upgrade, UpgradeStatus
from gateway.statements import OF_POSTGRESQL, StatementWriter
from tests.factories import NOW, Factories
from tests.functional.site import wait_until
from tests.unit.engine.test_claims import LEASE
from tests.unit.services.helpers import PATIENCE

HOT = {
    "count": taking._COUNT,
    "claim": taking._CLAIM,
    "claim of successors": taking._STILL_PENDING,
    "successors": taking._PENDING,
    "next": backlog._NEXT,
    "live": backlog._LIVE,
    "pending": ledger._IS_PENDING,
    "hold": posting._HOLD,
}
OUTCOMES = posting._setting(("status", "changed_at"))


@pytest.fixture
def make(database):
    """Makes a batch of a vendor, and returns the ids of its upgrades, which are of a customer each."""
    vendors = {}

    def make(vendor, count, *, same_customer=False):
        with database.write() as db:
            factories = Factories(db)
            if vendor not in vendors:
                vendors[vendor] = factories.reseller(name=vendor).id
            batch = factories.batch(account=db.get_one(Account, vendors[vendor]))
            customer = factories.customer() if same_customer else None
            plan = factories.service_plan()
            return [
                factories.upgrade(
                    factories.subscription(plan, account=customer or factories.customer()),
                    batch.target_plan,
                    batch=batch,
                ).id
                for _ in range(count)
            ]

    return make


@pytest.fixture
def make_ledger(database):
    made = []

    def make_ledger(limit, owner="node:one"):
        made.append(Ledger(database, owner, LEASE, lambda: NOW, limit))
        return made[-1]

    yield make_ledger
    for each in made:
        each.close()


def finish(database, book, upgrade_id, event=None):
    """End it; what that leaves free is claimed."""
    with database.read() as db:
        upgrade = db.get_one(Upgrade, upgrade_id)
    end = End(upgrade.subscription_id, upgrade.microsoft_tenant_id)
    book.record(Entry(upgrade_id, {"status": UpgradeStatus.FAILED, "lease_owner": None}, event, ends=end))


def in_progress(database):
    with database.read() as db:
        query = "SELECT id FROM upgrade WHERE status = 'in_progress' ORDER BY id"
        return list(db.scalars(text(query)))


def is_pending(database, row):
    with database.read() as db:
        return db.get_one(Upgrade, row["id"]).status is UpgradeStatus.PENDING


class TestTurns:
    @pytest.mark.parametrize("vendor", ["the same", "another"])
    def test_a_small_batch_after_a_large_one_gets_the_next_slot(self, database, make, make_ledger, vendor):
        large = make("the same", 20)
        book = make_ledger(4)
        running = book.claim()
        assert sorted(running) == large[:4]
        small = make(vendor, 5)
        book.claim(everything=False)

        finish(database, book, running[0])
        assert len(set(in_progress(database)) & set(small)) == 1

        for upgrade_id in running[1:]:
            finish(database, book, upgrade_id)
        assert len(set(in_progress(database)) & set(small)) == 2

    def test_vendors_take_turns_whatever_the_number_of_their_batches(self, make, make_ledger):
        busy = [upgrade_id for _ in range(5) for upgrade_id in make("busy", 4)]
        modest = make("modest", 10)

        claimed = make_ledger(8).claim()

        assert len(set(claimed) & set(busy)) == len(set(claimed) & set(modest)) == 4

    def test_batches_of_a_vendor_take_turns_and_each_goes_by_age(self, make, make_ledger):
        first, second = make("vendor", 9), make("vendor", 9)

        assert sorted(make_ledger(6).claim()) == first[:3] + second[:3]

    def test_a_slot_that_becomes_free_is_taken_in_the_same_transaction(self, database, make, make_ledger):
        ids = make("vendor", 3)
        book = make_ledger(1)
        book.claim()
        commits = book.commits

        finish(database, book, ids[0])

        assert in_progress(database) == ids[1:2]
        assert book.commits == commits + 1

    def test_what_was_claimed_by_a_transaction_that_failed_is_still_the_next(
        self, database, make, make_ledger
    ):
        ids = make("vendor", 3)
        book = make_ledger(1)
        book.claim()
        with pytest.raises(KeyError):
            finish(database, book, ids[0], event={"nonsense": True})
        assert in_progress(database) == ids[:1]

        finish(database, book, ids[0])
        book.claim()

        assert in_progress(database) == ids[1:2]

    def test_a_customer_with_many_is_taken_up_again_when_it_is_free(self, database, make, make_ledger):
        ids, others = make("vendor", 3, same_customer=True), make("vendor", 1)
        book = make_ledger(3)
        assert sorted(book.claim()) == ids[:1] + others

        finish(database, book, ids[0])
        assert in_progress(database) == sorted([ids[1], *others])
        finish(database, book, ids[1])

        assert in_progress(database) == sorted([ids[2], *others])

    def test_one_that_could_not_begin_is_looked_at_though_its_batch_had_no_more(
        self, database, make, make_ledger
    ):
        (first, waits), (ahead,) = make("vendor", 2), make("another", 1)
        make_one_customer(database, ahead, waits)
        book = make_ledger(2)
        assert sorted(book.claim()) == [first, ahead]

        finish(database, book, ahead)

        assert in_progress(database) == [first, waits]

    def test_one_that_could_not_begin_is_looked_at_though_its_batch_is_read_anew(
        self, database, make, make_ledger
    ):
        ids = make("vendor", 2)
        queue = backlog.Backlog()
        with closing(StatementWriter(database)) as writer, writer.transaction() as statements:
            queue.discover(*statements.each([queue.ask_for_batches(everything=True)]))
            refused, given_back = queue.candidates(statements)
            queue.give_back([given_back])
            queue.pass_over(refused.batch, refused.tenant_id)
            assert [each.upgrade_id for each in queue.candidates(statements)] == ids

            queue.tenant_is_free(refused.tenant_id)

            assert [each.upgrade_id for each in queue.candidates(statements)] == ids

    def test_one_that_is_given_back_is_the_next_though_others_of_its_batch_wait(self, database, make):
        make("vendor", 2)
        queue = backlog.Backlog()
        with closing(StatementWriter(database)) as writer, writer.transaction() as statements:
            queue.discover(*statements.each([queue.ask_for_batches(everything=True)]))
            waits, given_back = queue.candidates(statements)
            queue.pass_over(waits.batch, waits.tenant_id)

            queue.give_back([given_back])

            assert list(queue.candidates(statements)) == [given_back]

    def test_what_was_passed_over_is_seen_before_its_batch_leaves_the_line(
        self, database, make, make_ledger, monkeypatch
    ):
        monkeypatch.setattr("gateway.engine.backlog.MOST", 2)
        monkeypatch.setattr("gateway.engine.backlog.LEAST", 2)
        same, many = make("vendor", 2, same_customer=True), make("vendor", 4)
        move_into_one_batch(database, same + many)
        book = make_ledger(2)
        claimed = book.claim()
        assert sorted(claimed) == [same[0], many[0]]

        while running := in_progress(database):
            finish(database, book, running[0])
            claimed += set(in_progress(database)) - set(claimed)

        assert sorted(claimed) == same + many

    def test_a_search_that_is_too_long_goes_on_in_another_transaction(self, make, make_ledger, monkeypatch):
        monkeypatch.setattr("gateway.engine.backlog.MOST_READ", 3)
        monkeypatch.setattr("gateway.engine.backlog.MOST", 2)
        monkeypatch.setattr("gateway.engine.backlog.LEAST", 2)
        blocked, other = make("vendor", 12, same_customer=True), make("other", 1)
        book = make_ledger(3)
        wanted = []
        book._on_left_over = lambda _seconds: wanted.append(True)

        claimed = book.claim()
        for _ in range(10):
            claimed += book.claim(everything=False) if wanted else []

        assert wanted
        assert sorted(claimed) == [blocked[0], *other]

    def test_what_another_node_took_is_left_alone(self, make, make_ledger):
        ids = make("vendor", 6)
        first, second = make_ledger(3, "node:one"), make_ledger(6, "other:two")
        mine = first.claim()

        assert sorted(mine + second.claim()) == ids


class TestNodes:
    """On SQLite there is one engine, but for a moment."""

    def test_each_takes_its_share_and_leaves_the_rest_to_others(self, database, make, make_ledger, present):
        ids = make("vendor", 12)
        first, second = make_ledger(6, "first:one"), make_ledger(6, "second:two")

        assert [len(first.claim()), len(second.claim())] == [3, 3]

        assert len(in_progress(database)) == 6 < len(ids)

    def test_what_is_left_to_others_is_told_to_them(self, database, make, make_ledger, present):
        make("vendor", 12)
        told = threading.Event()
        other = Listening(database, "third:three")
        other.listen(told.set)
        wait_until(lambda: other.is_heard and told.is_set(), within=20, what="the third to listen")
        told.clear()

        make_ledger(6, "first:one").claim()

        was_told = told.wait(PATIENCE)
        other.close()
        assert other._thread is not None
        other._thread.join(PATIENCE)
        assert was_told

    def test_what_others_do_not_take_is_taken_a_moment_later(self, make, make_ledger, present, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr(taking, "monotonic", lambda: now[0])
        make("vendor", 12)
        book = make_ledger(6)
        later: list[float] = []
        book._on_left_over = later.append
        assert len(book.claim()) == 3
        assert later == [taking.OFFER]

        now[0] += taking.OFFER / 2
        assert book.claim() == []
        now[0] += taking.OFFER / 2 + 0.001

        assert len(book.claim()) == 3

    def test_nothing_begins_before_its_claim_where_another_could_take_it(
        self, database, make, make_ledger, present
    ):
        ids = make("vendor", 12)
        make_ledger(6, "second:two").claim()
        book = make_ledger(6, "first:one")
        claimed = book.claim()
        seen = []
        book._on_claimed = lambda rows: seen.append([row["id"] for row in rows if is_pending(database, row)])

        for upgrade_id in claimed:
            finish(database, book, upgrade_id)

        assert seen
        assert [begun for begun in seen if begun] == []
        assert len(in_progress(database)) == 6 < len(ids)

    def test_who_is_alone_takes_all(self, postgresql_database, make_ledger, make):
        make("vendor", 12)

        assert len(make_ledger(6).claim()) == 6

    @pytest.fixture
    def database(self, postgresql_database):
        return postgresql_database

    @pytest.fixture
    def present(self, database):
        """Two engines that listen."""
        engines = [Listening(database, name) for name in ("first:one", "second:two")]
        for engine in engines:
            engine.listen(lambda: None)
        wait_until(lambda: all(engine.is_heard for engine in engines), within=20, what="both to listen")
        yield
        for engine in engines:
            engine.close()
            assert engine._thread is not None
            engine._thread.join(20)


def make_one_customer(database, *ids):
    with database.write() as db:
        tenant_id = db.get_one(Upgrade, ids[0]).microsoft_tenant_id
        for upgrade_id in ids:
            db.get_one(Upgrade, upgrade_id).microsoft_tenant_id = tenant_id


def move_into_one_batch(database, ids):
    with database.write() as db:
        batch_id = db.get_one(Upgrade, ids[0]).batch_id
        for upgrade_id in ids:
            db.get_one(Upgrade, upgrade_id).batch_id = batch_id


class TestPlans:
    def test_no_statement_reads_upgrades_that_have_ended(self, database, full):
        dialect = database.engine.dialect
        rows = [{"id": 1, "status": UpgradeStatus.COMPLETED, "changed_at": NOW}]
        plans = {name: plan_of(database, prepared) for name, prepared in HOT.items()}
        plans["outcomes"] = plan_of(database, OUTCOMES.on(dialect), **OUTCOMES.values(rows, dialect))

        assert {name: plan for name, plan in plans.items() if READS_ALL.search(plan)} == {}

    @pytest.mark.parametrize("name", ["claim", "claim of successors", "successors", "hold", "outcomes"])
    def test_a_few_are_found_by_their_keys_though_there_was_none_when_it_was_planned(self, database, name):
        """A plan is kept, and to read all that are pending would be too much later on."""
        dialect = database.engine.dialect
        rows = [{"id": 1, "status": UpgradeStatus.COMPLETED, "changed_at": NOW}]
        outcomes = OUTCOMES.on(dialect), OUTCOMES.values(rows, dialect)
        prepared, values = outcomes if name == "outcomes" else (HOT[name], {})

        plan = plan_of(database, prepared, **values)

        found = (
            "upgrade USING INTEGER PRIMARY KEY" if database.is_sqlite else "on pk_upgrade|using pk_upgrade"
        )
        assert re.search(found, plan)
        assert "ix_upgrade" not in plan
        assert not re.search("using uq_upgrade_tenant_in_progress on upgrade  ", plan)

    @pytest.mark.parametrize("act", [Claims.look, Claims.renew, Claims.adopt, Claims.release])
    def test_no_look_at_leases_does(self, database, full, act):
        statements = []
        event.listen(
            database.engine, "before_cursor_execute", lambda *all_of_it: statements.append(all_of_it[2:4])
        )

        act(Claims(database, "node:one", LEASE, lambda: NOW))

        assert statements
        word = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        with database.engine.connect() as connection:
            cursor = connection.connection.cursor()
            for statement, parameters in statements:
                cursor.execute(f"{word} {statement}", parameters)
                assert not READS_ALL.search("\n".join(str(row) for row in cursor.fetchall()))
            cursor.close()

    @pytest.fixture
    def full(self, database):
        with database.write() as db:
            factories = Factories(db)
            done = factories.upgrade(status=UpgradeStatus.COMPLETED)
            factories.upgrade()
            db.flush()
            row = {c.key: getattr(done, c.key) for c in Upgrade.__table__.columns if c.key != "id"}
            db.execute(insert(Upgrade), [row] * 3000)
            if not database.is_sqlite:
                db.execute(text("ANALYZE upgrade"))


READS_ALL = re.compile(r"SCAN upgrade\b|Seq Scan on upgrade\b|changed_at|ix_upgrade_batch_id_id")


def plan_of(database, prepared, **values):
    """How the database would run it, in its own words."""
    compiled = prepared.on(database.engine.dialect)
    values = {name: example(name) for name in compiled.names} | values
    word = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    with database.engine.connect() as connection:
        cursor = connection.connection.cursor()
        for setting in () if database.is_sqlite else OF_POSTGRESQL:
            cursor.execute(setting)
        cursor.execute(f"{word} {compiled.sql}", compiled.parameters(values))
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def example(name):
    if name == "keys":
        return [1]
    if name == "owner":
        return "node:one"
    return NOW if name in ("now", "expires") else 1
