"""Audit entries say what they are about, and users can be disabled"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("audit_entry", sa.Column("actor_account_id", sa.String(length=100), nullable=True))
    op.add_column("audit_entry", sa.Column("subject", sa.String(length=200), nullable=True))
    op.add_column("audit_entry", sa.Column("detail", sa.Text(), nullable=True))
    op.create_index("ix_audit_entry_action_id", "audit_entry", ["action", "id"], unique=False)
    op.execute("UPDATE audit_entry SET actor_account_id = account_id")
