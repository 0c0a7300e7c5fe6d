"""Records who started the pool on its page: there was no worker then, and so nobody who could."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from gateway.db import Database
from gateway.models import AuditEntry
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Actor

log = logging.getLogger(__name__)


def record_start(database: Database, status: Mapping[str, Any], node: str) -> None:
    """Write the entry of the audit log that the pool could not; nothing if an earlier worker has done so.

    :param status: what the pool says of itself
    """
    by = dict(status.get("started_by") or {})
    if not by:
        return
    at = datetime.fromisoformat(by.pop("at"))
    action = AuditAction.POOL_STARTED
    known = select(AuditEntry.id).where(AuditEntry.action == action.value, AuditEntry.at == at)
    try:
        with database.write() as db:
            if db.scalar(known.limit(1)) is None:
                subject = f"application pool {status['name']} on {node}"
                Audit(db).record(action, Actor(**by), at, subject=subject)
    except SQLAlchemyError:
        # It serves all the same, and the next worker tries again.
        log.exception("Start of the pool not recorded: actor=%s", by.get("name"))
