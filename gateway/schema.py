"""Which revision of the schema a database has, and which ones this program knows.

It does without Alembic, whose import would be a tenth of the start of a worker; only a migration needs that.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from sqlalchemy import Connection, inspect, text

from gateway.db import Database

VERSION_TABLE = "alembic_version"
"""Where Alembic keeps the revision."""

MIGRATION_FILE = re.compile(r"(?P<revision>\d{4})_\w+\.py")
"""Its name begins with the revision; they follow one another."""


@cache
def known_revisions() -> tuple[str, ...]:
    """Those of the files beside the program, oldest first; they cannot change while the process lives."""
    files = resources.files("gateway").joinpath("migrations", "versions").iterdir()
    found = (MIGRATION_FILE.fullmatch(file.name) for file in files)
    return tuple(sorted(each["revision"] for each in found if each))


def newest_revision() -> str | None:
    return known_revisions()[-1] if known_revisions() else None


def is_known(revision: str | None) -> bool:
    """Whether this program has the migration; what it does not have comes from a newer one."""
    return revision is None or revision in known_revisions()


def current_revision(database: Database) -> str | None:
    """The revision that the database is at; None when it has no schema yet."""
    with database.engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    return found
