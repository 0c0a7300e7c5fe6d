import multiprocessing
import re
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, update

from gateway.db import Base, Database
from gateway.migrations import LOCATION, NewerSchemaError, migrate
from gateway.models import Account, Upgrade, UpgradeStatus
from gateway.schema import current_revision, known_revisions, newest_revision
from gateway.services.subscription_queries import SubscriptionFilter, SubscriptionQueries
from tests.databases import sqlite_url
from tests.factories import Factories
from tests.unit.services.helpers import caller_of

NODES = 3

CHECKED_ELSEWHERE = [
    "fk_upgrade_account_id",
    "fk_upgrade_application_instance_id",
    "fk_upgrade_batch_id",
    "fk_upgrade_event_upgrade_id",
    "fk_upgrade_source_plan_id",
    "fk_upgrade_subscription_id",
    "fk_upgrade_target_plan_id",
]
"""Keys that PostgreSQL does without: triggers check them for many rows at once, and what they name stays."""


def test_the_schema_is_what_the_models_say(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Account.metadata)

    assert sorted((what, key.name) for what, key in differences) == (
        [] if database.is_sqlite else [("add_fk", name) for name in CHECKED_ELSEWHERE]
    )


def test_tables_and_columns_are_the_same_by_name(database):
    found = inspect(database.engine)

    tables = set(found.get_table_names()) - {"alembic_version"}
    assert tables == set(Base.metadata.tables)
    for name, table in Base.metadata.tables.items():
        assert {c["name"] for c in found.get_columns(name)} == set(table.c.keys())


def test_partial_indexes_cover_the_live_upgrades(database):
    """Autogeneration does not compare conditions of indexes."""
    indexes = {i["name"]: i for i in inspect(database.engine).get_indexes("upgrade")}

    live, tenant = indexes["uq_upgrade_live_subscription"], indexes["uq_upgrade_tenant_in_progress"]
    assert live["unique"]
    assert tenant["unique"]
    assert states(live) == {"pending", "in_progress"}
    assert states(tenant) == {"in_progress"}


def test_partial_indexes_cover_what_the_models_say(database):
    found = {i["name"]: i for i in inspect(database.engine).get_indexes("upgrade")}

    partial = {
        index.name: str(index.dialect_options["sqlite"]["where"])
        for index in Base.metadata.tables["upgrade"].indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }

    assert partial
    for name, condition in partial.items():
        assert states(found[name]) == statuses_in(condition), name
        assert condition.split()[0] in condition_of(found[name]), name


def test_the_names_of_the_files_tell_the_revisions():
    config = Config()
    config.set_main_option("script_location", LOCATION)
    config.set_main_option("path_separator", "os")

    found = ScriptDirectory.from_config(config).walk_revisions()

    assert [each.revision for each in found] == [*reversed(known_revisions())]


def test_an_empty_database_has_no_revision(empty_database):
    assert current_revision(empty_database) is None


def test_a_migrated_database_has_the_newest_revision(empty_database):
    migrate(empty_database)

    assert current_revision(empty_database) == newest_revision()


def test_migrating_again_changes_nothing(empty_database, factories_in):
    migrate(empty_database)
    factories_in(empty_database)

    migrate(empty_database)

    with empty_database.read() as session:
        assert session.get(Account, "kept") is not None


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty_database):
    with empty_database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE subscription (id INTEGER)")  # Stands in the way.

    with pytest.raises(Exception, match="subscription"):
        migrate(empty_database)

    assert inspect(empty_database.engine).get_table_names() == ["subscription"]


@pytest.mark.parametrize("old", [None, "0001"])
def test_nodes_that_start_at_once_migrate_once(empty_database, nodes, old):
    if old:
        migrate(empty_database, old)
    url = empty_database.url.render_as_string(hide_password=False)
    empty_database.close()

    found = list(nodes.map(migrate_with_others, [url] * NODES))

    assert Counter(found) == {old: 1, newest_revision(): NODES - 1}
    assert current_revision(empty_database) == newest_revision()


def test_subscriptions_have_the_status_of_their_newest_upgrade_as_before(empty_database):
    migrate(empty_database, "0011")
    with empty_database.write() as db:
        factories = Factories(db)
        plan = factories.service_plan()
        statuses = [None, UpgradeStatus.FAILED, UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS]
        made = {factories.subscription(plan): status for status in statuses}
        for each, status in made.items():
            if status is not None:
                factories.upgrade(each, status=UpgradeStatus.COMPLETED)
                factories.upgrade(each, status=status)
        expected = {each.id: status for each, status in made.items()}
        plan_id, vendor = plan.id, plan.vendor

    migrate(empty_database)

    with empty_database.write() as db:
        queries = SubscriptionQueries(db, caller_of(db, vendor))
        for key, status in expected.items():
            wanted = SubscriptionFilter(service_plan_id=plan_id, upgrade_status=status or "none")
            assert [row.subscription.id for row in queries.find(wanted).items] == [key]
        db.execute(update(Upgrade).where(Upgrade.finished_at.is_(None)).values(status=UpgradeStatus.CANCELED))
        canceled = SubscriptionFilter(service_plan_id=plan_id, upgrade_status=UpgradeStatus.CANCELED)
        assert queries.count(canceled, at_most=9) == 3


def test_a_database_of_a_newer_program_is_refused_and_left_alone(empty_database):
    migrate(empty_database)
    with empty_database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(NewerSchemaError, match="9999, which is newer than"):
        migrate(empty_database)

    assert current_revision(empty_database) == "9999"


@pytest.fixture(scope="module")
def nodes():
    """Processes that can set out at the same moment."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(NODES)
    with ProcessPoolExecutor(NODES, context, initializer=keep, initargs=(barrier,)) as processes:
        yield processes


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request, tmp_path):
    if request.param == "sqlite":
        database = Database(sqlite_url(tmp_path / "empty.db"))
        yield database
        database.close()
        return
    with request.getfixturevalue("postgresql").empty_database() as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def factories_in():
    def add_account(database):
        with database.write() as session:
            session.add(Account(id="kept", name="Kept", type="provider"))

    return add_account


def states(index):
    """The statuses that the condition of a partial index names."""
    return statuses_in(condition_of(index))


def condition_of(index):
    return next(str(v) for k, v in index["dialect_options"].items() if k.endswith("_where"))


def statuses_in(condition):
    return set(re.findall(r"'(\w+)'", condition))


def keep(barrier):
    globals()["all_ready"] = barrier


def migrate_with_others(url):
    with closing(Database(url)) as database:
        globals()["all_ready"].wait(60)
        return migrate(database)
