"""What Microsoft had of upgrades of a subscription before one was asked for"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("upgrade", sa.Column("seen_before", sa.JSON(), nullable=True))
