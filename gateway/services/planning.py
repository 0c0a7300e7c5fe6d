"""How PostgreSQL plans what hangs on every row of a large statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

_FOR_MANY_ROWS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}


@contextmanager
def one_plan_for_all_rows(connection: Connection) -> Iterator[None]:
    """Let PostgreSQL plan once, not for every row, how it checks foreign keys and what triggers do.

    Everywhere else our connections plan for each value. To plan such a check takes several times as long as
    to run it. What is planned here is kept with the connection, so it may not read whole tables: they grow.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    _set(connection, _FOR_MANY_ROWS)
    yield
    # An error ends the transaction, and with it what holds for the transaction only.
    _set(connection, dict.fromkeys(_FOR_MANY_ROWS, "DEFAULT"))


def _set(connection: Connection, values: dict[str, str]) -> None:
    for name, value in values.items():
        connection.execute(text(f"SET LOCAL {name} = {value}"))
