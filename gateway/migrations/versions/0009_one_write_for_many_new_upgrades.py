"""Tell all subscriptions of a new batch of its upgrades in one statement, on PostgreSQL"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE FUNCTION upgrades_give_their_status() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE subscription SET upgrade_id = newest.id, upgrade_status = newest.status
        FROM (
            SELECT DISTINCT ON (subscription_id) subscription_id, id, status
            FROM added ORDER BY subscription_id, id DESC
        ) AS newest
        WHERE subscription.id = newest.subscription_id
        AND (subscription.upgrade_id IS NULL OR subscription.upgrade_id <= newest.id);
        RETURN NULL;
    END $$
    """,
    "DROP TRIGGER upgrade_is_new ON upgrade",
    """
    CREATE TRIGGER upgrade_is_new AFTER INSERT ON upgrade REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION upgrades_give_their_status()
    """,
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in STATEMENTS:
            op.execute(statement)
