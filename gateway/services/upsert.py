"""Inserts that say what happens when the row is there already."""

from __future__ import annotations

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gateway.db import Base


def is_postgresql(db: Session) -> bool:
    return db.get_bind().dialect.name == "postgresql"


def insert_into(db: Session, model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An insert in the words of the session's database, which knows `on_conflict_…`."""
    return postgresql.insert(model) if is_postgresql(db) else sqlite.insert(model)
