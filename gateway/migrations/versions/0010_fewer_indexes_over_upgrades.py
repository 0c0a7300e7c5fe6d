"""Let a change of an upgrade touch fewer indexes, and its subscription only when its status changes"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

GIVES_ITS_STATUS = """
    CREATE OR REPLACE FUNCTION upgrade_gives_its_status() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE subscription SET upgrade_status = NEW.status
        WHERE id = NEW.subscription_id AND upgrade_id = NEW.id AND upgrade_status IS DISTINCT FROM NEW.status;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    # Those in progress are few, and the index that keeps one of each tenant has them too.
    op.drop_index("ix_upgrade_in_progress", table_name="upgrade")
    op.drop_index("ix_upgrade_pending_tenant", table_name="upgrade")
    op.drop_index("ix_upgrade_batch_id_subscription_id", table_name="upgrade")
    op.create_index(
        "ix_upgrade_batch_id_subscription_id", "upgrade", ["batch_id", "subscription_id", "id"], unique=False
    )
    is_retry = sa.text("retry_of_id IS NOT NULL")
    op.drop_index("uq_upgrade_retry_of_id", table_name="upgrade")
    op.create_index(
        "uq_upgrade_retry_of_id",
        "upgrade",
        ["retry_of_id"],
        unique=True,
        sqlite_where=is_retry,
        postgresql_where=is_retry,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(GIVES_ITS_STATUS)
