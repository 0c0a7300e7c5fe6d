"""What the engine tidies up now and then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.db import DATABASE_AWAY, Database
from gateway.services.idempotency import Idempotency

log = logging.getLogger(__name__)

IDEMPOTENCY_KEYS_KEPT = timedelta(days=7)
"""How long the repetition of a request is recognised."""


def clean_up(database: Database, clock: Callable[[], datetime]) -> None:
    """Forget the answers of old requests."""
    try:
        with database.write() as db:
            Idempotency(db).purge(before=clock() - IDEMPOTENCY_KEYS_KEPT)
    except DATABASE_AWAY:
        log.exception("Database could not be tidied up")
