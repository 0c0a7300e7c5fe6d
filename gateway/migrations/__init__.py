"""The schema of the database, step by step. Migrations stand on their own and import no models."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from gateway.db import Database
from gateway.errors import GatewayError
from gateway.schema import is_known, newest_revision, revision_of

LOCATION = "gateway:migrations"

MIGRATION_LOCK = 0x0365_0002
"""Advisory lock of PostgreSQL: of several nodes that start at once one migrates, and the others wait."""


class NewerSchemaError(GatewayError):
    """A newer program has been at the database; going back is not possible."""

    code = "newer_schema"


def migrate(database: Database, revision: str = "head") -> str | None:
    """Bring the schema to a revision, in one transaction; an up-to-date one is left alone.

    Whoever else migrates the same database meanwhile is waited for: what they did is not done again.

    :returns: the revision that was found, None in an empty database
    :raises NewerSchemaError: if the database has a revision that this program does not know
    """
    with database.write_session() as session, session.begin():
        connection = session.connection()  # On SQLite this takes the write lock.
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        found = revision_of(connection)
        if not is_known(found):
            raise NewerSchemaError(f"database has schema {found}, which is newer than {newest_revision()}")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return found


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", LOCATION)
    config.set_main_option("path_separator", "os")
    return config
