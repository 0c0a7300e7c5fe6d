from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.models import AuditEntry, Role
from gateway.services.api_keys import APIKeys
from gateway.services.audit import LONGEST_DETAIL, Audit, AuditAction
from gateway.services.audit_queries import AuditFilter, AuditQueries
from gateway.services.caller import COMMAND_LINE, Actor
from gateway.services.cancellation import UpgradeCancellation
from gateway.services.catalog import import_catalog
from gateway.services.catalog.demonstration import make_catalog
from gateway.services.scheduling import UpgradeScheduling
from gateway.services.users import Users
from tests.factories import NOW, PASSWORD
from tests.unit.services.helpers import E1, E3, Tree, caller_of, paths_of


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


class TestWhatIsRecorded:
    def test_an_entry_is_readable_and_bounded(self, db):
        Audit(db).record(AuditAction.SIGNED_IN, Actor("an\nna\x00"), NOW, detail="x" * 9000, subject="")

        entry = only(db)
        assert (entry.actor, entry.subject, len(entry.detail)) == ("anna", None, LONGEST_DETAIL)

    def test_finish_names_batch_target_and_number(self, db, tree):
        caller = caller_of(db, tree.parent)
        made = UpgradeScheduling(db, caller, paths_of(db, {E1: [E3]})).schedule(
            ["subscription-parent"], "target-parent", only_eligible=False, now=NOW
        )

        entry = only(db)
        assert (entry.action, entry.account_id, entry.actor) == ("upgrades_scheduled", "parent", caller.name)
        assert entry.subject == f"batch {made.batch.id}"
        assert entry.detail == f"Upgrades to {tree.targets['parent'].name}: 1 scheduled"

    def test_a_cancellation_concerns_the_account_of_the_batch(self, db, tree, factories):
        batch = factories.batch(tree.targets["parent"], tree.parent)
        factories.upgrade(tree.subscriptions["parent"], batch=batch)

        UpgradeCancellation(db, caller_of(db, tree.provider)).cancel(batch_id=batch.id, now=NOW)

        entry = only(db)
        assert (entry.action, entry.account_id) == ("upgrades_canceled", "parent")
        assert entry.actor_account_id == tree.provider.id
        assert (entry.subject, entry.detail) == (f"batch {batch.id}", "Pending upgrades canceled: 1")

    def test_a_cancellation_of_nothing_leaves_no_entry(self, db, tree, factories):
        batch = factories.batch(tree.targets["parent"], tree.parent)

        UpgradeCancellation(db, caller_of(db, tree.parent)).cancel(batch_id=batch.id, now=NOW)

        assert db.scalars(select(AuditEntry)).all() == []

    def test_an_import_says_what_it_did(self, db):
        import_catalog(db, make_catalog(3), now=NOW, by=Actor("anna"))

        entry = only(db)
        assert (entry.action, entry.actor) == ("catalog_imported", "anna")
        assert "accounts:" in entry.detail

    def test_a_key_is_named_by_its_prefix_alone(self, db, factories):
        keys = APIKeys(db)
        key, text = keys.create(factories.reseller(id="parent").id, "Panel", Role.OPERATOR, NOW)
        keys.revoke(key.prefix, NOW)
        keys.revoke(key.prefix, NOW)

        entries = db.scalars(select(AuditEntry)).all()
        assert [entry.action for entry in entries] == ["api_key_created", "api_key_revoked"]
        assert {entry.subject for entry in entries} == {f"API key {key.prefix}"}
        assert {entry.account_id for entry in entries} == {"parent"}
        assert {entry.actor for entry in entries} == {COMMAND_LINE.name}
        assert not any(text.split("_")[2] in str(vars(entry)) for entry in entries)

    def test_a_user_is_named_and_the_password_not(self, db, factories):
        Users(db).add("anna", factories.provider().id, Role.OPERATOR, PASSWORD, NOW, by=Actor("carl"))

        entry = only(db)
        assert (entry.actor, entry.subject, entry.detail) == ("carl", "user anna", "Role operator")
        assert PASSWORD not in str(vars(entry))


class TestWhoReadsWhat:
    def test_a_reseller_reads_what_concerns_its_branch(self, db, tree, entries):
        assert read(db, tree.parent) == ["child", "parent"]
        assert read(db, tree.sibling) == ["sibling"]

    def test_the_provider_reads_everything(self, db, tree, entries):
        assert read(db, tree.provider) == [None, "sibling", "child", "parent", tree.provider.id]

    def test_addresses_of_those_above_are_kept_from_a_reseller(self, db, tree):
        above = Actor("boss", tree.provider.id, "192.0.2.1")
        Audit(db).record(AuditAction.USER_DISABLED, above, NOW, account_id="parent")
        Audit(db).record(AuditAction.SIGNED_IN, Actor("anna", "parent", "192.0.2.2"), NOW)

        assert addresses(db, tree.parent) == ["192.0.2.2", None]
        assert addresses(db, tree.parent, text="192.0.2.1") == []
        assert addresses(db, tree.provider, text="192.0.2.1") == ["192.0.2.1"]

    def test_accounts_to_choose_from_are_those_of_the_branch(self, db, tree):
        assert set(AuditQueries(db, caller_of(db, tree.parent)).accounts()) == {"parent", "child"}

    @pytest.fixture
    def entries(self, db, tree):
        for vendor in (tree.provider, tree.parent, tree.child, tree.sibling):
            Audit(db).record(AuditAction.SIGNED_IN, Actor("x", vendor.id), NOW)
        Audit(db).record(AuditAction.SIGN_IN_REFUSED, Actor("y"), NOW)


class TestTheFilter:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({"text": "ANNA"}, ["anna"]),
            ({"text": "batch 7"}, ["berta"]),
            ({"text": "50%"}, ["carl"]),
            ({"text": "5_%"}, []),
            ({"action": AuditAction.SIGNED_OUT}, ["anna"]),
            ({"since": NOW + timedelta(hours=1)}, ["carl", "berta"]),
            ({"before": NOW + timedelta(hours=1)}, ["anna"]),
        ],
    )
    def test_it_leaves_what_matches(self, db, factories, wanted, found):
        audit = Audit(db)
        audit.record(AuditAction.SIGNED_OUT, Actor("anna"), NOW)
        audit.record(AuditAction.SIGNED_IN, Actor("berta"), NOW + timedelta(hours=1), subject="batch 7")
        audit.record(AuditAction.SIGNED_IN, Actor("carl"), NOW + timedelta(hours=2), detail="50% done")

        page = AuditQueries(db, caller_of(db, factories.provider())).find(AuditFilter(**wanted))

        assert [row.entry.actor for row in page.items] == found

    def test_pages_follow_each_other(self, db, factories):
        for number in range(5):
            Audit(db).record(AuditAction.SIGNED_IN, Actor(f"user{number}"), NOW)
        queries = AuditQueries(db, caller_of(db, factories.provider()))

        first = queries.find(AuditFilter(), limit=3)
        second = queries.find(AuditFilter(), limit=3, cursor=first.next_cursor)

        actors = [row.entry.actor for row in [*first.items, *second.items]]
        assert actors == ["user4", "user3", "user2", "user1", "user0"]
        assert second.next_cursor is None


def only(db):
    db.flush()
    return db.scalars(select(AuditEntry)).one()


def found_by(db, vendor, **wanted):
    db.flush()
    return AuditQueries(db, caller_of(db, vendor)).find(AuditFilter(**wanted)).items


def read(db, vendor):
    return [row.entry.account_id for row in found_by(db, vendor)]


def addresses(db, vendor, **wanted):
    return [row.address for row in found_by(db, vendor, **wanted)]


@pytest.fixture
def tree(factories):
    return Tree(factories)
