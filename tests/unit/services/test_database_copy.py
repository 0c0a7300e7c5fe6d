from contextlib import closing, suppress
from datetime import timedelta

import pytest
from sqlalchemy import event, select, text

from gateway.db import Base, Database
from gateway.models import (
    Account,
    AuditEntry,
    IdempotencyKey,
    LicenseMove,
    Subscription,
    Upgrade,
    UpgradeEvent,
    UpgradeStatus,
    UserSession,
)
from gateway.services import database_copy
from gateway.services.database_copy import CopyError, copy_database
from gateway.services.newest_upgrades import status_of_newest
from tests.factories import NOW, Factories


class TestCopying:
    def test_every_row_of_every_table_is_the_same_afterwards(self, source, target):
        everything = fill(source)

        copied = copy(source, target)

        assert contents(target) == everything
        assert contents(source) == everything
        assert copied.rows == sum(map(len, everything.values()))
        assert (copied.pending, copied.in_progress) == (1, 1)

    def test_new_rows_get_numbers_of_their_own(self, source, target):
        fill(source)
        copy(source, target)

        with target.write() as db:
            upgrade = Factories(db).upgrade()
            assert upgrade.id > max(db.scalars(select(Upgrade.id).where(Upgrade.id != upgrade.id)))

    def test_nobody_has_to_wait_for_workers_that_are_gone(self, source, target):
        fill(source)

        copy(source, target)

        with target.read() as db:
            upgrade = db.scalars(select(Upgrade).where(Upgrade.status == UpgradeStatus.IN_PROGRESS)).one()
            assert (upgrade.lease_owner, upgrade.lease_expires_at) == (None, None)
            assert db.scalars(select(LicenseMove.lease_owner)).all() == [None]

    def test_what_hangs_on_each_row_is_planned_once(self, sqlite_database, postgresql_database):
        fill(sqlite_database)
        seen = set()

        @event.listens_for(postgresql_database.engine, "before_cursor_execute")
        def look(connection, _cursor, statement, *_rest):
            if statement.startswith("INSERT"):
                mode = connection.connection.dbapi_connection.execute("SHOW plan_cache_mode").fetchone()
                seen.add(mode[0])

        copy(sqlite_database, postgresql_database)

        assert seen == {"force_generic_plan"}

    def test_progress_is_told(self, source, target):
        fill(source)
        told = []

        copy_database(source, target, now=NOW, progress=lambda *what: told.append(what))

        assert ("account", 5, 5) in told


class TestRefusals:
    def test_a_target_that_holds_anything(self, source, target):
        fill(source)
        with target.write() as db:
            Factories(db).provider(name="Other")

        with pytest.raises(CopyError, match="target has 1 rows in table account, expected an empty"):
            copy(source, target)

        with target.read() as db:
            assert db.scalars(select(Account.name)).all() == ["Other"]

    def test_a_source_that_is_its_own_target(self, source):
        with pytest.raises(CopyError, match="both source and target"):
            copy(source, source)

    def test_upgrades_that_somebody_works_on(self, source, target):
        fill(source)

        with pytest.raises(CopyError, match="node:dead works on 1 upgrades of the source"):
            copy(source, target, now=NOW - timedelta(hours=1))

        assert not any(contents(target).values())

    @pytest.mark.parametrize("which", ["source", "target"])
    def test_a_gateway_that_has_it_open_even_while_it_does_nothing(self, source, target, which, monkeypatch):
        monkeypatch.setattr(database_copy, "PATIENCE_SECONDS", 0)
        fill(source)
        url = {"source": source, "target": target}[which].url
        with closing(Database(url.render_as_string(hide_password=False))) as gateway:
            with gateway.read() as db:
                db.execute(select(Account.id))

            with pytest.raises(CopyError, match="is not at rest"):
                copy(source, target)

        assert not any(contents(target).values())

    def test_a_value_that_the_target_cannot_hold_leaves_nothing_behind(
        self, sqlite_database, postgresql_database
    ):
        with sqlite_database.write() as db:
            provider = Factories(db).provider()
            db.execute(text("UPDATE account SET name = :name"), {"name": "x" * 201})
            Factories(db).customer(provider)

        with pytest.raises(CopyError, match="table account does not fit into the target: value too long"):
            copy(sqlite_database, postgresql_database)

        assert not any(contents(postgresql_database).values())

    def test_a_connection_that_breaks_in_the_middle_leaves_nothing_behind(
        self, sqlite_database, postgresql_database
    ):
        fill(sqlite_database)

        def break_at_upgrades(table, _done, _total):
            if table == "upgrade":
                raise ConnectionError

        with suppress(ConnectionError):
            copy_database(sqlite_database, postgresql_database, now=NOW, progress=break_at_upgrades)

        assert not any(contents(postgresql_database).values())


def copy(source, target, *, now=NOW):
    return copy_database(source, target, now=now, progress=lambda *_: None)


def fill(database):
    """At least one row in every table; what there is now."""
    with database.write() as db:
        make = Factories(db)
        # Ids against the order of the tree: parents must not rely on it.
        reseller = make.reseller(make.reseller(id="z-reseller"), id="a-reseller")
        customer = make.customer(reseller, id="0-customer", name="Zoë — 顧客 \N{ROCKET}")
        plan = make.service_plan(vendor=reseller)
        subscription = make.subscription(plan, account=customer)
        other = make.subscription(plan, account=make.customer(reseller))
        make.service_plan(id="0-delegated", delegated_from_id=plan.id)
        make.offer_path("CFQ7TTC0LH18:0001", ["CFQ7TTC0LDPB:0001"])
        make.api_key(reseller)
        user = make.user(reseller)
        db.add(UserSession(user_id=user.id, token_hash="0" * 64, expires_at=NOW + timedelta(hours=1)))
        db.add(AuditEntry(account_id=None, actor="nobody", action="sign_in_refused"))
        db.add(IdempotencyKey(caller="key", key="k", request_hash="0" * 64, status=202, body="{}"))
        make.upgrade(subscription, plan)
        running = make.upgrade(
            other,
            plan,
            status=UpgradeStatus.IN_PROGRESS,
            lease_owner="node:dead",
            lease_expires_at=NOW - timedelta(seconds=1),
        )
        db.add(UpgradeEvent(upgrade_id=running.id, name="started"))
        make.user_license(running)
        lease = {"lease_owner": "node:dead", "lease_expires_at": NOW}
        db.add(LicenseMove(upgrade_id=running.id, requested_by="anna", due_at=NOW, **lease))
    database.close()
    found = contents(database)
    assert all(found.values()), [name for name, rows in found.items() if not rows]
    return found


def contents(database):
    """Every row as a set of values; leases aside, which are not taken along."""
    with database.read() as db:
        # Databases differ in where they keep this one.
        kept = Subscription.__table__.c.upgrade_status
        found = {
            name: {
                tuple(str(v) for k, v in row.items() if not k.startswith("lease_"))
                for row in db.execute(
                    select(*[status_of_newest(db) if column is kept else column for column in table.c])
                ).mappings()
            }
            for name, table in Base.metadata.tables.items()
        }
    database.close()
    return found


@pytest.fixture(params=["sqlite to postgresql", "postgresql to sqlite"])
def direction(request, sqlite_database, postgresql_database):
    pair = [sqlite_database, postgresql_database]
    return pair if request.param.startswith("sqlite") else pair[::-1]


@pytest.fixture
def source(direction):
    return direction[0]


@pytest.fixture
def target(direction):
    return direction[1]
