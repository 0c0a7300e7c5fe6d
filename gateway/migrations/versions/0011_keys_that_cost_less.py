"""Let PostgreSQL check less for each new upgrade, and find subscriptions of new upgrades by their index"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# An upgrade copies these from its subscription and its batch in the statement that makes it, where they have
# keys of their own. To look up each again was a quarter of the time that a large batch took, so what is left
# of these keys is their other half: nothing that an upgrade tells of goes away. SQLite, to which a look costs
# next to nothing, keeps them whole.
COPIED = {
    "account": ("account_id",),
    "application_instance": ("application_instance_id",),
    "service_plan": ("source_plan_id", "target_plan_id"),
}

STAYS = """
    CREATE FUNCTION {table}_stays_with_upgrades() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM upgrade WHERE OLD.id IN ({columns})) THEN
            RAISE foreign_key_violation USING
                MESSAGE = format('{table} %s belongs to an upgrade; expected one without', OLD.id);
        END IF;
        RETURN OLD;
    END $$
"""

IS_GONE = """
    CREATE TRIGGER {table}_is_gone BEFORE DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {table}_stays_with_upgrades()
"""

IS_ANOTHER = """
    CREATE TRIGGER {table}_is_another AFTER UPDATE OF id ON {table}
    FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION {table}_stays_with_upgrades()
"""

# The plan is made when a connection calls it first, and kept: with few subscriptions, or for a large batch,
# it would read all of them, and go on doing that for the smallest batch of a large site.
BY_INDEX = (
    f"ALTER FUNCTION upgrades_give_their_status() SET enable_{way} = off"
    for way in ("seqscan", "hashjoin", "mergejoin")
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for statement in BY_INDEX:
        op.execute(statement)
    for table, columns in COPIED.items():
        for statement in (STAYS, IS_GONE, IS_ANOTHER):
            op.execute(statement.format(table=table, columns=", ".join(columns)))
        for column in columns:
            op.drop_constraint(f"fk_upgrade_{column}", "upgrade", type_="foreignkey")
