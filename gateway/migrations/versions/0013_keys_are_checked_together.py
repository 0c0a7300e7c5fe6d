"""Check the keys of new upgrades once for a statement, and those of events not at all, on PostgreSQL"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# For each row PostgreSQL looks a key up by a query of its own. Upgrades come by the thousand: what they name
# is locked as before, by two queries for all of them. A line of a timeline comes from who holds the upgrade.
DROPPED = {
    "upgrade": ("fk_upgrade_subscription_id", "fk_upgrade_batch_id"),
    "upgrade_event": ("fk_upgrade_event_upgrade_id",),
}

BELONG = (
    """
    CREATE FUNCTION upgrades_belong() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        there bigint;
        batches_there bigint;
    BEGIN
        PERFORM FROM subscription JOIN added ON subscription.id = added.subscription_id
        FOR KEY SHARE OF subscription;
        GET DIAGNOSTICS there = ROW_COUNT;
        PERFORM FROM upgrade_batch WHERE id IN (SELECT batch_id FROM added) FOR KEY SHARE;
        GET DIAGNOSTICS batches_there = ROW_COUNT;
        IF there < (SELECT count(*) FROM added)
        OR batches_there < (SELECT count(DISTINCT batch_id) FROM added) THEN
            RAISE foreign_key_violation USING
                MESSAGE = 'an upgrade names no subscription or no batch; expected one of each';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER upgrade_belongs AFTER INSERT ON upgrade REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION upgrades_belong()
    """,
)

# What they name stays. Who looks after the row has its lock sees upgrades that were committed meanwhile.
NAMED = {"subscription": "subscription_id", "upgrade_batch": "batch_id"}
STAYS = """
    CREATE FUNCTION {table}_stays_with_{rows}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM {child} WHERE {column} = OLD.id) THEN
            RAISE foreign_key_violation USING
                MESSAGE = format('{table} %s is named by {rows}; expected one that is not', OLD.id);
        END IF;
        RETURN NULL;
    END $$
"""
IS_GONE = """
    CREATE TRIGGER {table}_is_gone AFTER DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {table}_stays_with_{rows}()
"""
IS_ANOTHER = """
    CREATE TRIGGER {table}_is_another AFTER UPDATE OF id ON {table}
    FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION {table}_stays_with_{rows}()
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, names in DROPPED.items():
        for name in names:
            op.drop_constraint(name, table, type_="foreignkey")
    for statement in BELONG:
        op.execute(statement)
    for table, column in NAMED.items():
        _keep(table, "upgrades", "upgrade", column)
    _keep("upgrade", "events", "upgrade_event", "upgrade_id")


def _keep(table: str, rows: str, child: str, column: str) -> None:
    for statement in (STAYS, IS_GONE, IS_ANOTHER):
        op.execute(statement.format(table=table, rows=rows, child=child, column=column))
