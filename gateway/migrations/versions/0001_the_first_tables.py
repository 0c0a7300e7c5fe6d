"""The first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("parent_id", sa.String(length=100), nullable=True),
        sa.Column("mpn_id", sa.String(length=50), nullable=True),
        sa.Column("microsoft_tenant_id", sa.String(length=64), nullable=True),
        sa.Column("domain", sa.String(length=253), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["account.id"], name="fk_account_parent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
    )
    op.create_index("ix_account_microsoft_tenant_id", "account", ["microsoft_tenant_id"], unique=False)
    op.create_index("ix_account_parent_id_type", "account", ["parent_id", "type"], unique=False)

    op.create_table(
        "application_instance",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_application_instance"),
        sa.UniqueConstraint("name", name="uq_application_instance_name"),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("caller", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("location", sa.String(length=500), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name="pk_idempotency_key"),
    )
    op.create_index("ix_idempotency_key_created_at", "idempotency_key", ["created_at"], unique=False)

    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_api_key_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("prefix", name="uq_api_key_prefix"),
    )
    op.create_index("ix_api_key_account_id", "api_key", ["account_id"], unique=False)

    op.create_table(
        "offer_path",
        sa.Column("application_instance_id", sa.String(length=100), nullable=False),
        sa.Column("offer_id", sa.String(length=100), nullable=False),
        sa.Column("target_offer_ids", sa.JSON(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_instance_id"],
            ["application_instance.id"],
            name="fk_offer_path_application_instance_id",
        ),
        sa.PrimaryKeyConstraint("application_instance_id", "offer_id", name="pk_offer_path"),
    )
    op.create_table(
        "service_template",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("application_instance_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_instance_id"],
            ["application_instance.id"],
            name="fk_service_template_application_instance_id",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_service_template"),
    )
    op.create_index(
        "ix_service_template_application_instance_id",
        "service_template",
        ["application_instance_id"],
        unique=False,
    )

    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("login", sa.String(length=200), nullable=False),
        sa.Column("account_id", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_user_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("login", name="uq_user_login"),
    )
    op.create_index("ix_user_account_id", "user", ["account_id"], unique=False)

    op.create_table(
        "resource_type",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("service_template_id", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("offer_id", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(
            ["service_template_id"],
            ["service_template.id"],
            name="fk_resource_type_service_template_id",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_resource_type"),
        sa.UniqueConstraint("service_template_id", "key", name="uq_resource_type_service_template_id_key"),
    )
    op.create_table(
        "service_plan",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("service_template_id", sa.String(length=100), nullable=False),
        sa.Column("vendor_id", sa.String(length=100), nullable=False),
        sa.Column("delegated_from_id", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["delegated_from_id"], ["service_plan.id"], name="fk_service_plan_delegated_from_id"
        ),
        sa.ForeignKeyConstraint(
            ["service_template_id"],
            ["service_template.id"],
            name="fk_service_plan_service_template_id",
        ),
        sa.ForeignKeyConstraint(["vendor_id"], ["account.id"], name="fk_service_plan_vendor_id"),
        sa.PrimaryKeyConstraint("id", name="pk_service_plan"),
    )
    op.create_index(
        "ix_service_plan_service_template_id", "service_plan", ["service_template_id"], unique=False
    )
    op.create_index("ix_service_plan_vendor_id", "service_plan", ["vendor_id"], unique=False)

    op.create_table(
        "plan_resource",
        sa.Column("service_plan_id", sa.String(length=100), nullable=False),
        sa.Column("resource_type_id", sa.Integer(), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_type_id"], ["resource_type.id"], name="fk_plan_resource_resource_type_id"
        ),
        sa.ForeignKeyConstraint(
            ["service_plan_id"], ["service_plan.id"], name="fk_plan_resource_service_plan_id"
        ),
        sa.PrimaryKeyConstraint("service_plan_id", "resource_type_id", name="pk_plan_resource"),
    )
    op.create_table(
        "resource_rate",
        sa.Column("service_plan_id", sa.String(length=100), nullable=False),
        sa.Column("resource_type_id", sa.Integer(), nullable=False),
        sa.Column("recurring_fee", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_type_id"], ["resource_type.id"], name="fk_resource_rate_resource_type_id"
        ),
        sa.ForeignKeyConstraint(
            ["service_plan_id"], ["service_plan.id"], name="fk_resource_rate_service_plan_id"
        ),
        sa.PrimaryKeyConstraint("service_plan_id", "resource_type_id", name="pk_resource_rate"),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("account_id", sa.String(length=100), nullable=False),
        sa.Column("branch_id", sa.String(length=100), nullable=False),
        sa.Column("service_plan_id", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("microsoft_subscription_id", sa.String(length=64), nullable=True),
        sa.Column("subdomain", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_subscription_account_id"),
        sa.ForeignKeyConstraint(["branch_id"], ["account.id"], name="fk_subscription_branch_id"),
        sa.ForeignKeyConstraint(
            ["service_plan_id"], ["service_plan.id"], name="fk_subscription_service_plan_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
    )
    op.create_index(
        "ix_subscription_account_id_service_plan_id",
        "subscription",
        ["account_id", "service_plan_id"],
        unique=False,
    )
    op.create_index("ix_subscription_branch_id_id", "subscription", ["branch_id", "id"], unique=False)
    op.create_index(
        "ix_subscription_service_plan_id_id", "subscription", ["service_plan_id", "id"], unique=False
    )

    op.create_table(
        "subscription_period",
        sa.Column("service_plan_id", sa.String(length=100), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("setup_fee", sa.BigInteger(), nullable=False),
        sa.Column("recurring_fee", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_plan_id"],
            ["service_plan.id"],
            name="fk_subscription_period_service_plan_id",
        ),
        sa.PrimaryKeyConstraint("service_plan_id", "months", name="pk_subscription_period"),
    )
    op.create_table(
        "upgrade_batch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(length=100), nullable=False),
        sa.Column("requested_by", sa.String(length=200), nullable=False),
        sa.Column("target_plan_id", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_upgrade_batch_account_id"),
        sa.ForeignKeyConstraint(
            ["target_plan_id"], ["service_plan.id"], name="fk_upgrade_batch_target_plan_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_upgrade_batch"),
    )
    op.create_index("ix_upgrade_batch_account_id", "upgrade_batch", ["account_id"], unique=False)

    op.create_table(
        "subscription_resource",
        sa.Column("subscription_id", sa.String(length=100), nullable=False),
        sa.Column("resource_type_id", sa.Integer(), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.Column("usage", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_type_id"],
            ["resource_type.id"],
            name="fk_subscription_resource_resource_type_id",
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name="fk_subscription_resource_subscription_id",
        ),
        sa.PrimaryKeyConstraint("subscription_id", "resource_type_id", name="pk_subscription_resource"),
    )
    op.create_table(
        "upgrade",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.String(length=100), nullable=False),
        sa.Column("account_id", sa.String(length=100), nullable=False),
        sa.Column("microsoft_tenant_id", sa.String(length=64), nullable=False),
        sa.Column("application_instance_id", sa.String(length=100), nullable=False),
        sa.Column("source_plan_id", sa.String(length=100), nullable=False),
        sa.Column("target_plan_id", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waiting_for", sa.String(length=200), nullable=True),
        sa.Column("lease_owner", sa.String(length=100), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("source_offer_id", sa.String(length=100), nullable=True),
        sa.Column("source_microsoft_subscription_id", sa.String(length=64), nullable=True),
        sa.Column("source_sku_id", sa.String(length=64), nullable=True),
        sa.Column("target_offer_id", sa.String(length=100), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("transition_type", sa.String(length=50), nullable=True),
        sa.Column("intended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("operation_id", sa.String(length=64), nullable=True),
        sa.Column("target_microsoft_subscription_id", sa.String(length=64), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason_code", sa.String(length=60), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("remedy", sa.Text(), nullable=True),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_upgrade_account_id"),
        sa.ForeignKeyConstraint(
            ["application_instance_id"],
            ["application_instance.id"],
            name="fk_upgrade_application_instance_id",
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["upgrade_batch.id"], name="fk_upgrade_batch_id"),
        sa.ForeignKeyConstraint(["source_plan_id"], ["service_plan.id"], name="fk_upgrade_source_plan_id"),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name="fk_upgrade_subscription_id"),
        sa.ForeignKeyConstraint(["target_plan_id"], ["service_plan.id"], name="fk_upgrade_target_plan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_upgrade"),
    )
    op.create_index("ix_upgrade_batch_id_status_id", "upgrade", ["batch_id", "status", "id"], unique=False)
    op.create_index("ix_upgrade_batch_id_id", "upgrade", ["batch_id", "id"], unique=False)
    op.create_index(
        "ix_upgrade_in_progress",
        "upgrade",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("status = 'in_progress'"),
        postgresql_where=sa.text("status = 'in_progress'"),
    )
    op.create_index(
        "ix_upgrade_pending",
        "upgrade",
        ["id"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_upgrade_subscription_id_id", "upgrade", ["subscription_id", "id"], unique=False)
    op.create_index(
        "uq_upgrade_live_subscription",
        "upgrade",
        ["subscription_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('pending', 'in_progress')"),
        postgresql_where=sa.text("status IN ('pending', 'in_progress')"),
    )
    op.create_index(
        "uq_upgrade_tenant_in_progress",
        "upgrade",
        ["microsoft_tenant_id"],
        unique=True,
        sqlite_where=sa.text("status = 'in_progress'"),
        postgresql_where=sa.text("status = 'in_progress'"),
    )

    op.create_table(
        "upgrade_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("upgrade_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("correlation_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["upgrade_id"], ["upgrade.id"], name="fk_upgrade_event_upgrade_id"),
        sa.PrimaryKeyConstraint("id", name="pk_upgrade_event"),
    )
    op.create_index("ix_upgrade_event_upgrade_id_id", "upgrade_event", ["upgrade_id", "id"], unique=False)
