"""Inserts that say what happens when the row is there already."""

from __future__ import annotations

import importlib
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session

from gateway.db import Base


def is_postgresql(db: Session) -> bool:
    return db.get_bind().dialect.name == "postgresql"


def insert_into(db: Session, model: type[Base]) -> Any:
    """An insert in the words of the session's database, which knows `on_conflict_…`."""
    return insert_of(db.get_bind().dialect.name, model)


def insert_of(dialect: str, table: Table | type[Base]) -> Any:
    """As `insert_into`, for who has a connection.

    That dialect is loaded when somebody is connected; the other one would make each worker start later.
    """
    return importlib.import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
