"""Who held the old license before an upgrade, and who has the new one after it"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("upgrade", sa.Column("license_check", sa.String(length=40), nullable=True))
    op.add_column("upgrade", sa.Column("other_seats", sa.Integer(), nullable=True))
    op.add_column("upgrade", sa.Column("target_sku_id", sa.String(length=64), nullable=True))
    op.add_column("upgrade", sa.Column("licenses_awaited_until", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "user_license",
        sa.Column("upgrade_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("user_principal_name", sa.String(length=320), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("holds_old", sa.Boolean(), nullable=True),
        sa.Column("holds_new", sa.Boolean(), nullable=True),
        sa.Column("result", sa.String(length=40), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["upgrade_id"], ["upgrade.id"], name="fk_user_license_upgrade_id"),
        sa.PrimaryKeyConstraint("upgrade_id", "user_id", name="pk_user_license"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "license_move",
        sa.Column("upgrade_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("requested_by", sa.String(length=200), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("waiting_for", sa.String(length=200), nullable=True),
        sa.Column("lease_owner", sa.String(length=100), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["upgrade_id"], ["upgrade.id"], name="fk_license_move_upgrade_id"),
        sa.PrimaryKeyConstraint("upgrade_id", name="pk_license_move"),
    )
    op.create_index("ix_license_move_due_at", "license_move", ["due_at"])
