"""What lists of subscriptions are filtered and sorted by, on the subscription itself, and words to search"""

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LISTED = {
    "ix_subscription_by_id": ("service_plan_id", "id", "branch_id", "status", "upgrade_status"),
    "ix_subscription_by_customer": (
        *("service_plan_id", "customer_name", "id", "branch_id", "status", "upgrade_status"),
    ),
    "ix_subscription_by_status": ("service_plan_id", "status", "id", "branch_id", "upgrade_status"),
    "ix_subscription_by_upgrade_status": ("service_plan_id", "upgrade_status", "id", "branch_id", "status"),
    "ix_subscription_by_branch": ("service_plan_id", "branch_id", "id"),
}
OF_BATCH = {
    "ix_upgrade_batch_id_changed_at": ("batch_id", "changed_at", "id", "status"),
    "ix_upgrade_batch_id_subscription_id": ("batch_id", "subscription_id", "id", "status"),
}
RETRY_OF = (
    "ALTER TABLE upgrade ADD COLUMN retry_of_id INTEGER"
    " CONSTRAINT fk_upgrade_retry_of_id REFERENCES upgrade (id)"
)
AT_ONCE = 10_000

FILL = (
    "UPDATE subscription SET customer_name ="
    " coalesce((SELECT name FROM account WHERE account.id = subscription.account_id), '')",
    "UPDATE subscription SET upgrade_id ="
    " (SELECT max(upgrade.id) FROM upgrade WHERE upgrade.subscription_id = subscription.id)",
    "UPDATE subscription SET upgrade_status ="
    " (SELECT status FROM upgrade WHERE upgrade.id = subscription.upgrade_id) WHERE upgrade_id IS NOT NULL",
)

SQLITE = (
    """
    CREATE TRIGGER subscription_is_new AFTER INSERT ON subscription
    WHEN NEW.customer_name = ''
    BEGIN
        UPDATE subscription
        SET customer_name = coalesce((SELECT name FROM account WHERE id = NEW.account_id), '')
        WHERE id = NEW.id;
    END
    """,
    """
    CREATE TRIGGER subscription_changes_hands AFTER UPDATE OF account_id ON subscription
    WHEN NEW.account_id IS NOT OLD.account_id
    BEGIN
        UPDATE subscription
        SET customer_name = coalesce((SELECT name FROM account WHERE id = NEW.account_id), '')
        WHERE id = NEW.id;
    END
    """,
    """
    CREATE TRIGGER account_is_renamed AFTER UPDATE OF name ON account
    WHEN NEW.name IS NOT OLD.name
    BEGIN
        UPDATE subscription SET customer_name = NEW.name WHERE account_id = NEW.id;
    END
    """,
    """
    CREATE TRIGGER upgrade_is_new AFTER INSERT ON upgrade
    BEGIN
        UPDATE subscription SET upgrade_id = NEW.id, upgrade_status = NEW.status
        WHERE id = NEW.subscription_id AND (upgrade_id IS NULL OR upgrade_id < NEW.id);
    END
    """,
    """
    CREATE TRIGGER upgrade_goes_on AFTER UPDATE OF status ON upgrade
    WHEN NEW.status IS NOT OLD.status
    BEGIN
        UPDATE subscription SET upgrade_status = NEW.status
        WHERE id = NEW.subscription_id AND upgrade_id = NEW.id;
    END
    """,
)

POSTGRESQL = (
    """
    CREATE FUNCTION subscription_takes_customer_name() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.customer_name := coalesce((SELECT name FROM account WHERE id = NEW.account_id), '');
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER subscription_is_new BEFORE INSERT ON subscription
    FOR EACH ROW EXECUTE FUNCTION subscription_takes_customer_name()
    """,
    """
    CREATE TRIGGER subscription_changes_hands BEFORE UPDATE OF account_id ON subscription
    FOR EACH ROW WHEN (NEW.account_id IS DISTINCT FROM OLD.account_id)
    EXECUTE FUNCTION subscription_takes_customer_name()
    """,
    """
    CREATE FUNCTION account_gives_its_name() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE subscription SET customer_name = NEW.name WHERE account_id = NEW.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER account_is_renamed AFTER UPDATE OF name ON account
    FOR EACH ROW WHEN (NEW.name IS DISTINCT FROM OLD.name) EXECUTE FUNCTION account_gives_its_name()
    """,
    """
    CREATE FUNCTION upgrade_gives_its_status() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE subscription SET upgrade_id = NEW.id, upgrade_status = NEW.status
        WHERE id = NEW.subscription_id AND (upgrade_id IS NULL OR upgrade_id <= NEW.id);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER upgrade_is_new AFTER INSERT ON upgrade
    FOR EACH ROW EXECUTE FUNCTION upgrade_gives_its_status()
    """,
    """
    CREATE TRIGGER upgrade_goes_on AFTER UPDATE OF status ON upgrade
    FOR EACH ROW WHEN (NEW.status IS DISTINCT FROM OLD.status) EXECUTE FUNCTION upgrade_gives_its_status()
    """,
)


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    name = sa.String(200, collation="NOCASE") if is_sqlite else sa.String(200)
    op.add_column("subscription", sa.Column("customer_name", name, server_default="", nullable=False))
    op.add_column("subscription", sa.Column("upgrade_id", sa.Integer(), nullable=True))
    op.add_column(
        "subscription", sa.Column("upgrade_status", sa.String(40), server_default="none", nullable=False)
    )
    for statement in FILL:
        op.execute(statement)
    op.drop_index("ix_subscription_service_plan_id_id", "subscription")
    for index, columns in LISTED.items():
        op.create_index(index, "subscription", list(columns))
    op.drop_index("ix_upgrade_batch_id_changed_at", "upgrade")
    for index, columns in OF_BATCH.items():
        op.create_index(index, "upgrade", list(columns))
    pending = sa.text("status = 'pending'")
    op.create_index(
        "ix_upgrade_pending_tenant",
        "upgrade",
        ["microsoft_tenant_id", "batch_id"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index("ix_upgrade_batch_requested_by_id", "upgrade_batch", ["requested_by", "id"])
    op.execute(RETRY_OF)
    op.create_index("uq_upgrade_retry_of_id", "upgrade", ["retry_of_id"], unique=True)
    for statement in SQLITE if is_sqlite else POSTGRESQL:
        op.execute(statement)
    _add_words(is_sqlite)


def _add_words(is_sqlite: bool) -> None:
    word = sa.String(64) if is_sqlite else sa.String(64, collation="C")
    table = op.create_table(
        "account_word",
        sa.Column("account_id", sa.String(length=100), nullable=False),
        sa.Column("word", word, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_account_word_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "word", name="pk_account_word"),
    )
    accounts = op.get_bind().execute(sa.text("SELECT id, name, domain FROM account")).all()
    rows = [
        {"account_id": account.id, "word": word}
        for account in accounts
        for word in _words(f"{account.name} {account.domain or ''}")
    ]
    for start in range(0, len(rows), AT_ONCE):
        op.bulk_insert(table, rows[start : start + AT_ONCE])
    op.create_index("ix_account_word_word_account_id", "account_word", ["word", "account_id"])


def _words(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return {word[:64] for word in re.findall(r"[^\W_]+", letters)}
