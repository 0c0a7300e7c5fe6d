"""Find the pending upgrades of each batch, so that batches take turns"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


GOES_ON = """
    CREATE TRIGGER upgrade_goes_on AFTER UPDATE OF status ON upgrade
    WHEN NEW.status IS NOT OLD.status
    BEGIN
        UPDATE subscription SET upgrade_status = NEW.status
        WHERE id = NEW.subscription_id AND upgrade_id = NEW.id AND upgrade_status IS NOT NEW.status;
    END
"""


def upgrade() -> None:
    op.create_index(
        "ix_upgrade_pending_by_batch",
        "upgrade",
        ["batch_id", "id", "status"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    # What does not change the status of a subscription's upgrade need not move it in four indexes.
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER upgrade_goes_on")
        op.execute(GOES_ON)
    op.drop_index("ix_upgrade_pending", table_name="upgrade")
