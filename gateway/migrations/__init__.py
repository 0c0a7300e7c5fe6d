"""The schema of the database, step by step. Migrations stand on their own and import no models."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.db import Database

LOCATION = "gateway:migrations"


def migrate(database: Database) -> None:
    """Bring the schema to the newest revision, in one transaction; an up-to-date one is left alone."""
    with database.write_session() as session, session.begin():
        config = _config()
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "head")


def newest_revision() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def current_revision(database: Database) -> str | None:
    """The revision that the database is at; None when it has no schema yet."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", LOCATION)
    config.set_main_option("path_separator", "os")
    return config
