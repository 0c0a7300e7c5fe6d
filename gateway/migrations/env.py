"""Run by Alembic: applies the migrations over the connection that it is given."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("target_metadata"),
    transaction_per_migration=False,
    render_as_batch=True,
)
context.run_migrations()
