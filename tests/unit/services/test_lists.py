"""Lists in every order, and what the database keeps for them beside what others write."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text, update

from gateway.db import Database
from gateway.models import LIVE, AccountWord, Subscription, SubscriptionStatus, Upgrade, UpgradeStatus
from gateway.services.accounts import Accounts
from gateway.services.errors import InvalidCursorError
from gateway.services.paging import encode_keys
from gateway.services.sessions import FIND_SESSION
from gateway.services.subscription_queries import (
    VERSIONS_POSTGRESQL,
    VERSIONS_SQLITE,
    SubscriptionFilter,
    SubscriptionQueries,
    SubscriptionSort,
)
from gateway.services.upgrade_queries import CHANGES_SINCE, NEWEST_CHANGE, UpgradeQueries, UpgradeSort
from tests.databases import sqlite_url
from tests.factories import NOW, Factories
from tests.unit.services.helpers import caller_of

FILTERS = [*UpgradeStatus, "none"]
_END = encode_keys(["-customer", "A", "a"])
NAMES = st.sampled_from(["", "Ada", "ada", "Bo", "Ångström", "Zoë", "a b", "%", "'"])
ROWS = st.lists(
    st.tuples(NAMES, st.sampled_from(SubscriptionStatus), st.sampled_from([None, *UpgradeStatus])),
    max_size=9,
)


@pytest.fixture(scope="module")
def one_database(sqlite_template):
    """For a test of many examples, each of which rolls its work back."""
    database = Database(sqlite_url(sqlite_template))
    yield database
    database.close()


class TestPages:
    @settings(max_examples=25, deadline=None)
    @given(
        rows=ROWS,
        sort=st.sampled_from(SubscriptionSort),
        descending=st.booleans(),
        limit=st.integers(1, 4),
        gone=st.integers(0, 8),
    )
    def test_every_row_that_stays_comes_once_and_in_order(
        self, one_database, rows, sort, descending, limit, gone
    ):
        """Rows have ties; one of them leaves the list, and one comes, after the first page."""
        with one_database.write_session() as db:
            factories = Factories(db)
            plan, other = factories.service_plan(), factories.service_plan()
            made = [_subscription(factories, plan, *row) for row in rows]
            queries = SubscriptionQueries(db, caller_of(db, plan.vendor))
            order = sort.order(descending=descending)
            wanted = SubscriptionFilter(service_plan_id=plan.id)
            page = queries.find(wanted, order=order, limit=limit)
            seen = [row.subscription.id for row in page.items]
            if gone < len(made):
                made[gone].service_plan = other
            _subscription(factories, plan, "Ada", SubscriptionStatus.ACTIVE, None)
            db.flush()
            while page.next_cursor:
                page = queries.find(wanted, order=order, cursor=page.next_cursor, limit=limit)
                seen += [row.subscription.id for row in page.items]
            stayed = [each.id for number, each in enumerate(made) if number != gone]
            keys = select(*order.columns).where(Subscription.service_plan_id == plan.id)
            in_order = [row[-1] for row in db.execute(order.apply(keys, None))]
            db.rollback()

        assert len(seen) == len(set(seen))
        assert set(stayed) <= set(seen)
        listed = [key for key in seen if key in in_order]
        assert listed == [key for key in in_order if key in listed]

    @pytest.mark.parametrize("sort", SubscriptionSort)
    @pytest.mark.parametrize("descending", [False, True])
    def test_both_databases_go_through_all_of_them(self, db, factories, sort, descending):
        plan = factories.service_plan()
        for name in ("Bo", "ada", "Ada", "Zoë", "Bo"):
            _subscription(factories, plan, name, SubscriptionStatus.ACTIVE, UpgradeStatus.FAILED)
        queries = SubscriptionQueries(db, caller_of(db, plan.vendor))
        wanted = SubscriptionFilter(service_plan_id=plan.id)
        order = sort.order(descending=descending)

        seen, cursor = [], None
        for _ in range(3):
            page = queries.find(wanted, order=order, cursor=cursor, limit=2)
            seen += [row.subscription.id for row in page.items]
            cursor = page.next_cursor

        assert cursor is None
        assert seen == [row.subscription.id for row in queries.find(wanted, order=order, limit=10).items]
        assert len(set(seen)) == 5

    @pytest.mark.parametrize("descending", [False, True])
    def test_statuses_of_upgrades_follow_each_other(self, db, factories, descending):
        plan = factories.service_plan()
        made = {}
        for before, status in itertools.product([None, UpgradeStatus.COMPLETED], [*UpgradeStatus, None]):
            each = _subscription(factories, plan, "Contoso", SubscriptionStatus.ACTIVE, before)
            if status is not None:
                factories.upgrade(each, status=status)
            newest = status or before
            made[each.id] = newest.value if newest else "none"
        queries = SubscriptionQueries(db, caller_of(db, plan.vendor))
        order = SubscriptionSort.UPGRADE_STATUS.order(descending=descending)
        wanted = SubscriptionFilter(service_plan_id=plan.id)

        seen, cursor = [], None
        for _ in range(5):
            page = queries.find(wanted, order=order, cursor=cursor, limit=3)
            seen += [row.subscription.id for row in page.items]
            cursor = page.next_cursor

        assert cursor is None
        assert seen == sorted(made, key=lambda key: (made[key], key), reverse=descending)
        found = queries.find(wanted._replace(text="contoso"), order=order, limit=20)
        assert [row.subscription.id for row in found.items] == seen
        for each in FILTERS:
            name = getattr(each, "value", each)
            alike = [key for key in seen if made[key] == name]
            for words in (None, "contoso"):
                some = wanted._replace(upgrade_status=each, text=words)
                assert [row.subscription.id for row in queries.find(some, order=order).items] == alike
                assert queries.count(some, at_most=20) == len(alike)

    @pytest.mark.parametrize(("limit", "is_counted"), [(2, True), (3, False)])
    def test_a_list_of_one_page_need_not_be_counted(self, db, factories, plans_of, limit, is_counted):
        plan = factories.service_plan()
        for _ in range(3):
            factories.subscription(plan)
        queries = SubscriptionQueries(db, caller_of(db, plan.vendor))
        wanted = SubscriptionFilter(service_plan_id=plan.id)
        with plans_of(db) as found:
            _, count = queries.find_counted(
                wanted, order=SubscriptionSort.ID.order(), cursor=None, limit=limit, at_most=9
            )

        assert count == 3
        assert any("count(" in statement for statement in found.statements()) == is_counted

    @pytest.mark.parametrize("sort", UpgradeSort)
    @pytest.mark.parametrize("descending", [False, True])
    def test_upgrades_of_a_batch_go_in_each_order(self, db, factories, sort, descending):
        batch = factories.batch()
        for number in range(5):
            factories.upgrade(
                batch=batch,
                status=(UpgradeStatus.FAILED, UpgradeStatus.COMPLETED)[number % 2],
                changed_at=NOW + timedelta(seconds=number // 2),
            )
        queries = UpgradeQueries(db, caller_of(db, factories.provider()))
        order = sort.order(descending=descending)

        seen, cursor = [], None
        for _ in range(3):
            page = queries.list(batch_id=batch.id, order=order, cursor=cursor, limit=2)
            seen += page.items
            cursor = page.next_cursor

        keys = {
            UpgradeSort.NUMBER: lambda each: each.id,
            UpgradeSort.SUBSCRIPTION: lambda each: (each.subscription_id, each.id),
            UpgradeSort.STATUS: lambda each: (each.status.value, each.id),
            UpgradeSort.CHANGED: lambda each: (each.changed_at, each.id),
        }
        assert seen == sorted(seen, key=keys[sort], reverse=descending)
        assert len(seen) == 5

    @pytest.mark.parametrize(
        "keys",
        [
            ["customer", "Ada", "x"],
            ["-customer", "Ada"],
            ["-customer", "Ada", 7],
            ["-customer", "a\x00", "x"],
            ["-customer", None, "x"],
            [],
            [{}],
        ],
    )
    def test_a_cursor_of_another_list_is_refused(self, db, factories, keys):
        queries = SubscriptionQueries(db, caller_of(db, factories.provider()))
        order = SubscriptionSort.CUSTOMER.order(descending=True)

        with pytest.raises(InvalidCursorError):
            queries.find(SubscriptionFilter(), order=order, cursor=encode_keys(keys))


class TestWhatTheDatabaseKeeps:
    def test_the_newest_upgrade_counts(self, db, factories):
        subscription = factories.subscription()
        first = factories.upgrade(subscription, status=UpgradeStatus.FAILED)
        second = factories.upgrade(subscription)
        first.status = UpgradeStatus.COMPLETED
        db.flush()
        before = _newest(db, subscription)
        second.status = UpgradeStatus.IN_PROGRESS
        db.flush()

        assert before == (second.id, UpgradeStatus.PENDING)
        assert _newest(db, subscription) == (second.id, UpgradeStatus.IN_PROGRESS)

    @pytest.mark.parametrize("end", [each for each in UpgradeStatus if each not in LIVE])
    def test_an_end_counts_whatever_was_before(self, db, factories, end):
        subscription = factories.subscription()
        first = factories.upgrade(subscription, status=UpgradeStatus.COMPLETED_WITH_WARNINGS)
        second = factories.upgrade(subscription, status=UpgradeStatus.IN_PROGRESS)
        second.status = end
        db.flush()
        first.status = UpgradeStatus.COMPLETED
        db.flush()

        assert _newest(db, subscription) == (second.id, end)

    def test_one_that_was_never_upgraded_says_so(self, db, factories):
        assert _newest(db, factories.subscription()) == (None, "none")

    def test_upgrades_that_are_written_without_the_orm_count_too(self, db, factories):
        upgrade = factories.upgrade()
        db.execute(update(Upgrade).values(status=UpgradeStatus.CANCELED))

        assert _newest(db, upgrade.subscription) == (upgrade.id, UpgradeStatus.CANCELED)

    def test_the_customer_is_known_by_its_name_of_today(self, db, factories):
        subscription = factories.subscription(account=factories.customer(name="Before"))
        name = select(Subscription.customer_name).where(Subscription.id == subscription.id)
        before = db.scalar(name)
        subscription.account.name = "After"
        db.flush()

        assert (before, db.scalar(name)) == ("Before", "After")

    def test_a_customer_is_found_by_its_words_of_today(self, db, factories):
        customer = factories.customer(name="Müller & Söhne", domain="old.example")
        customer.domain = "new.example"
        db.flush()

        words = db.scalars(select(AccountWord.word).where(AccountWord.account_id == customer.id))
        assert set(words) == {"muller", "sohne", "new", "example"}


class TestTheSearch:
    @pytest.fixture(params=["gathered", "walked"], autouse=True)
    def way(self, request, monkeypatch):
        """Both ways to search find the same."""
        many = {"gathered": 10, "walked": -1}[request.param]
        monkeypatch.setattr("gateway.services.searching.MANY", many)

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ("cont", ["a"]),
            ("CONTOSO", ["a"]),
            ("contoso berlin", ["a"]),
            ("berlin", ["a", "b"]),
            ("ber", ["a", "b"]),
            ("erlin", []),
            ("muller", ["b"]),
            ("MÜLLER", ["b"]),
            ("mueller.example", ["b"]),
            ("B", ["a", "b"]),
            ("c", ["a", "c"]),
            ("contoso nobody", []),
            ("%", []),
            ("'", []),
            ("\x00", []),
        ],
    )
    def test_it_finds_words_by_their_beginning_and_ids(self, db, factories, wanted, found):
        plan = factories.service_plan()
        for key, name, domain in (
            ("a", "Contoso Berlin", "one.example"),
            ("b", "Müller (Berlin)", "mueller.example"),
            ("c", "Other", "two.example"),
        ):
            factories.subscription(plan, id=key, account=factories.customer(name=name, domain=domain))
        queries = SubscriptionQueries(db, caller_of(db, plan.vendor))
        asked = SubscriptionFilter(service_plan_id=plan.id, text=wanted)

        assert [row.subscription.id for row in queries.find(asked).items] == found
        assert queries.count(asked, at_most=10) == len(found)
        assert queries.count(asked, at_most=1) == min(len(found), 1)

    @pytest.mark.parametrize("cursor", ["first page", "second page", "behind the end"])
    def test_a_page_and_its_count_come_together(self, db, factories, cursor):
        plan = factories.service_plan()
        for name in ("Contoso C", "Contoso A", "Other", "Contoso B"):
            factories.subscription(plan, account=factories.customer(name=name))
        queries = SubscriptionQueries(db, caller_of(db, plan.vendor))
        order = SubscriptionSort.CUSTOMER.order(descending=True)
        asked = SubscriptionFilter(service_plan_id=plan.id, text="contoso")
        first, _ = queries.find_counted(asked, order=order, cursor=None, limit=2, at_most=9)
        keys = {"first page": None, "second page": first.next_cursor, "behind the end": _END}

        page, count = queries.find_counted(asked, order=order, cursor=keys[cursor], limit=2, at_most=9)

        names = {"first page": ["Contoso C", "Contoso B"], "second page": ["Contoso A"]}
        assert [row.subscription.account.name for row in page.items] == names.get(cursor, [])
        assert count == 3

    @pytest.mark.parametrize("sort", SubscriptionSort)
    def test_what_was_found_goes_in_the_order_of_the_whole_list(self, db, factories, sort):
        plan = factories.service_plan()
        for name in ("contoso B", "Contoso c", "CONTOSO A", "Contoso a"):
            _subscription(factories, plan, name, SubscriptionStatus.ACTIVE, None)
        queries = SubscriptionQueries(db, caller_of(db, plan.vendor))
        order = sort.order()

        found = [
            [row.subscription.id for row in queries.find(wanted, order=order).items]
            for wanted in (
                SubscriptionFilter(service_plan_id=plan.id, text="contoso"),
                SubscriptionFilter(service_plan_id=plan.id),
            )
        ]

        assert found[0] == found[1]

    def test_its_other_filters_hold_in_what_was_found(self, db, factories):
        plan, other = factories.service_plan(), factories.service_plan()
        reseller = factories.reseller()
        for where, parent, status in (
            (plan, reseller, SubscriptionStatus.ACTIVE),
            (plan, reseller, SubscriptionStatus.SUSPENDED),
            (plan, plan.vendor, SubscriptionStatus.ACTIVE),
            (other, reseller, SubscriptionStatus.ACTIVE),
        ):
            factories.subscription(where, account=factories.customer(parent, name="Contoso"), status=status)
        wanted = SubscriptionFilter(
            service_plan_id=plan.id, text="contoso", status=SubscriptionStatus.ACTIVE, upgrade_status="none"
        )

        counts = [
            SubscriptionQueries(db, caller_of(db, vendor)).count(wanted, at_most=9)
            for vendor in (plan.vendor, reseller)
        ]

        assert counts == [2, 1]


class TestHowTheyAreRead:
    """With no rows a planner may do as it likes; it is asked what it would do with many."""

    @pytest.mark.parametrize("sort", SubscriptionSort)
    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"text": "contoso"},
            {"text": "contoso berlin"},
            {"upgrade_status": UpgradeStatus.FAILED},
            {"vendor_id": "x", "status": SubscriptionStatus.SUSPENDED},
        ],
    )
    def test_no_list_of_a_plan_reads_a_whole_table(self, db, factories, plans_of, sort, more):
        queries = SubscriptionQueries(db, caller_of(db, factories.provider()))
        wanted = SubscriptionFilter(service_plan_id="x", **more)
        with plans_of(db) as found:
            queries.find(wanted, order=sort.order(descending=True))
            queries.count(wanted, at_most=10)
            queries.vendors("x")

        assert found.scans() == []

    @pytest.mark.parametrize("sort", UpgradeSort)
    @pytest.mark.parametrize("status", [None, UpgradeStatus.FAILED])
    def test_no_list_of_a_batch_does(self, db, factories, plans_of, sort, status):
        batch = factories.batch()
        queries = UpgradeQueries(db, caller_of(db, factories.provider()))
        with plans_of(db) as found:
            queries.list(batch_id=batch.id, status=status, order=sort.order())
            queries.batch(batch.id, now=NOW)
            queries.waiting(batch.id)
            queries.count_behind_others(batch.id)
            queries.successors([1])

        assert found.scans() == []

    @pytest.mark.parametrize(
        ("prepared", "values"),
        [
            (NEWEST_CHANGE, {"batch_id": 1}),
            (CHANGES_SINCE, {"batch_id": 1, "since": NOW}),
            (VERSIONS_SQLITE, {"ids": '["a", "b"]'}),
            (VERSIONS_POSTGRESQL, {"ids": ["a", "b"]}),
            (FIND_SESSION, {"token_hash": "x", "now": NOW}),
        ],
    )
    def test_nor_does_what_is_asked_again_and_again(self, database, db, plans_of, prepared, values):
        if prepared is (VERSIONS_POSTGRESQL if database.is_sqlite else VERSIONS_SQLITE):
            return
        plans = plans_of(db)
        plans.note(prepared, values)

        assert plans.scans() == []

    def test_few_matches_are_gathered_and_not_looked_for_in_the_whole_list(self, db, factories, plans_of):
        """A planner that hopes to find them soon is wrong where all are at the end."""
        factories.subscription(factories.service_plan(id="x"), account=factories.customer(name="Contoso"))
        queries = SubscriptionQueries(db, caller_of(db, factories.provider()))
        wanted = SubscriptionFilter(service_plan_id="x", text="contoso")
        with plans_of(db) as found:
            queries.find_counted(
                wanted, order=SubscriptionSort.CUSTOMER.order(), cursor=None, limit=1, at_most=9
            )

        assert found.scans() == []
        assert not [line for line in found.lines() if "ix_subscription_by_customer" in line]

    def test_no_search_of_customers_does(self, db, factories, plans_of):
        provider = factories.provider()
        accounts = Accounts(db, caller_of(db, provider))
        with plans_of(db) as found:
            accounts.customers(provider.id, text="contoso berlin", limit=10)

        assert found.scans() == []


@pytest.fixture
def plans_of():
    return Plans


class Plans:
    """The plans of the statements that a session runs meanwhile."""

    def __init__(self, db):
        self._db = db
        self._statements = []

    def __enter__(self):
        event.listen(self._db.get_bind(), "before_cursor_execute", self._note)
        return self

    def __exit__(self, *exc_info):
        event.remove(self._db.get_bind(), "before_cursor_execute", self._note)

    def note(self, prepared, values):
        """Look at a statement as well that goes to the driver itself."""
        compiled = prepared.on(self._db.get_bind().dialect)
        self._statements.append((compiled.sql, compiled.parameters(values)))

    def statements(self):
        return [statement for statement, _ in self._statements]

    def scans(self):
        """Lines of plans that read all of a table that is large."""
        return [line for line in self.lines() if self._is_scan(line)]

    def lines(self):
        """All lines of all plans."""
        is_sqlite = self._db.get_bind().dialect.name == "sqlite"
        if not is_sqlite:
            self._db.execute(text("SET LOCAL enable_seqscan = off"))
        cursor = self._db.connection().connection.cursor()
        lines = []
        for statement, parameters in self._statements:
            explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
            cursor.execute(explain + statement, parameters)
            lines += [str(row[-1]) for row in cursor.fetchall()]
        cursor.close()
        return lines

    def _note(self, _connection, _cursor, statement, parameters, _context, _many):
        self._statements.append((statement, parameters))

    @staticmethod
    def _is_scan(line):
        tables = ("subscription", "upgrade", "account", "account_word")
        words = line.replace("Seq Scan on", "SCAN").split()
        return any(
            words[at : at + 1] == ["SCAN"] and words[at + 1] in tables and "USING" not in words[at + 2 :]
            for at in range(len(words) - 1)
        )


def _subscription(factories, plan, name, status, upgrade_status):
    subscription = factories.subscription(plan, account=factories.customer(name=name), status=status)
    if upgrade_status is not None:
        factories.upgrade(subscription, status=upgrade_status)
    return subscription


def _newest(db, subscription):
    """The newest upgrade of the only subscription of a plan, and the statuses under which it is listed."""
    queries = SubscriptionQueries(db, caller_of(db, subscription.service_plan.vendor))
    [row] = queries.by_ids([subscription.id])
    of_plan = SubscriptionFilter(service_plan_id=subscription.service_plan_id)
    listed = [each for each in FILTERS if queries.count(of_plan._replace(upgrade_status=each), at_most=2)]
    return row.upgrade_id, *listed
