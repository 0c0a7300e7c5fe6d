"""Find the pending upgrades of each batch, so that batches take turns"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_upgrade_pending_batch_id_id",
        "upgrade",
        ["batch_id", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index("ix_upgrade_pending", table_name="upgrade")
