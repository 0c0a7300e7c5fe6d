"""Customers of a vendor in the order of their lists"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_account_parent_id_type_id", "account", ["parent_id", "type", "id"])
    op.drop_index("ix_account_parent_id_type", "account")
