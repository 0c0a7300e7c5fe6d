"""Let subscriptions be as they are when upgrades of them are scheduled and claimed, on PostgreSQL"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# The newest upgrade is found by the index of a subscription's upgrades; nobody has to keep which it is.
SQLITE = (
    "DROP TRIGGER upgrade_is_new",
    "DROP TRIGGER upgrade_goes_on",
    """
    CREATE TRIGGER upgrade_is_new AFTER INSERT ON upgrade
    BEGIN
        UPDATE subscription SET upgrade_status = NEW.status
        WHERE id = NEW.subscription_id AND upgrade_status IS NOT NEW.status
        AND NOT EXISTS (SELECT 1 FROM upgrade WHERE subscription_id = NEW.subscription_id AND id > NEW.id);
    END
    """,
    """
    CREATE TRIGGER upgrade_goes_on AFTER UPDATE OF status ON upgrade
    WHEN NEW.status IS NOT OLD.status
    BEGIN
        UPDATE subscription SET upgrade_status = NEW.status
        WHERE id = NEW.subscription_id AND upgrade_status IS NOT NEW.status
        AND NOT EXISTS (SELECT 1 FROM upgrade WHERE subscription_id = NEW.subscription_id AND id > NEW.id);
    END
    """,
)

# There a status in a subscription that has a live upgrade means nothing, so what stands there may stay.
POSTGRESQL = (
    "DROP TRIGGER upgrade_is_new ON upgrade",
    "DROP TRIGGER upgrade_goes_on ON upgrade",
    "DROP FUNCTION upgrades_give_their_status()",
    """
    CREATE OR REPLACE FUNCTION upgrade_gives_its_status() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE subscription SET upgrade_status = NEW.status
        WHERE id = NEW.subscription_id AND upgrade_status IS DISTINCT FROM NEW.status
        AND NOT EXISTS (
            SELECT FROM upgrade
            WHERE subscription_id = NEW.subscription_id AND id > NEW.id
            AND status NOT IN ('pending', 'in_progress')
        );
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER upgrade_is_new AFTER INSERT ON upgrade
    FOR EACH ROW WHEN (NEW.status NOT IN ('pending', 'in_progress'))
    EXECUTE FUNCTION upgrade_gives_its_status()
    """,
    """
    CREATE TRIGGER upgrade_has_ended AFTER UPDATE OF status ON upgrade
    FOR EACH ROW
    WHEN (NEW.status IS DISTINCT FROM OLD.status AND NEW.status NOT IN ('pending', 'in_progress'))
    EXECUTE FUNCTION upgrade_gives_its_status()
    """,
)


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE if is_sqlite else POSTGRESQL:
        op.execute(statement)
    op.drop_column("subscription", "upgrade_id")
