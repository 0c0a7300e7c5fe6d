"""The import of a catalog: read, check, and only then write."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import COMMAND_LINE, Actor
from gateway.services.catalog.entries import Catalog
from gateway.services.catalog.errors import Problems
from gateway.services.catalog.known import Known, load_known
from gateway.services.catalog.offerings import check_plans, check_templates
from gateway.services.catalog.reading import Progress, read_document
from gateway.services.catalog.subscribing import check_subscriptions
from gateway.services.catalog.subscription_writing import move_subscriptions, write_subscriptions
from gateway.services.catalog.summary import ImportSummary
from gateway.services.catalog.tree import check_accounts, check_instances, check_tenants
from gateway.services.catalog.writing import (
    write_accounts,
    write_instances,
    write_plans,
    write_templates,
)

log = logging.getLogger(__name__)

ADVISORY_LOCK = 8_365_001
"""Two imports at a time could each be right and both together wrong."""


def import_catalog(
    database_session: Session,
    document: object,
    *,
    now: datetime,
    progress: Progress | None = None,
    by: Actor = COMMAND_LINE,
) -> ImportSummary:
    """Make the database what a catalog says; the caller commits.

    What has the same id is updated, what is new is created, and what the catalog does not name stays.
    A plan or a subscription is left with the resources that are named, and no others; a template keeps
    those that are not named any more, since plans may contain them.

    The catalog has the last word: imported again after upgrades were completed, it sets their
    subscriptions back to the plans that it names. Only a subscription whose upgrade is pending or in
    progress keeps its plan, its resources and its id at Microsoft; it is counted as skipped.

    :param document: the JSON document, parsed; a collection may be missing, and what it would hold is then
        looked up in the database
    :param by: who did it, for the audit log
    :param progress: is told what is being done, how many entries of it are done, and of how many
    :raises CatalogError: with everything that is wrong; nothing was written
    """
    catalog = read_document(document, progress or _tell_nobody)
    summary = write_catalog(database_session, catalog, now=now, progress=progress)
    Audit(database_session).record(AuditAction.CATALOG_IMPORTED, by, now, detail=_words(summary))
    log.info(
        "Catalog imported: accounts=%s plans=%s subscriptions=%s skipped=%s",
        len(catalog.accounts),
        len(catalog.service_plans),
        len(catalog.subscriptions),
        summary.subscriptions.skipped,
    )
    return summary


def write_catalog(
    database_session: Session, catalog: Catalog, *, now: datetime, progress: Progress | None = None
) -> ImportSummary:
    """Make the database what a catalog says that was read; see `import_catalog`.

    :raises CatalogError: with every rule that it breaks; nothing was written
    """
    progress = progress or _tell_nobody
    database_session.flush()
    connection = database_session.connection()
    wait_for_other_imports(connection)
    before = load_known(connection, catalog)
    after = before.with_catalog(catalog)
    _check(connection, catalog, before, after)
    summary = _write(connection, catalog, after, now, progress)
    database_session.expire_all()
    return summary


def _words(summary: ImportSummary) -> str:
    """Such as `accounts: 2 created, 5 unchanged; service plans: 1 updated`."""
    parts = []
    for name, counts in summary.as_dict().items():
        words = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        if words:
            parts.append(f"{name.replace('_', ' ')}: {words}")
    return "; ".join(parts) or "nothing in it"


def _tell_nobody(_what: str, _done: int, _total: int) -> None:
    pass


def wait_for_other_imports(connection: Connection) -> None:
    """From here to the end of the transaction nobody else changes the catalog.

    SQLite has one writer at a time anyhow.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})


def _check(connection: Connection, catalog: Catalog, before: Known, after: Known) -> None:
    problems = Problems()
    check_instances(catalog, after, problems)
    check_accounts(catalog, before, after, problems)
    check_tenants(connection, catalog, problems)
    check_templates(catalog, before, after, problems)
    check_plans(catalog, before, after, problems)
    check_subscriptions(catalog, after, problems)
    problems.raise_if_any()


def _write(
    connection: Connection, catalog: Catalog, after: Known, now: datetime, progress: Progress
) -> ImportSummary:
    instances = write_instances(connection, catalog, now)
    accounts, moved = write_accounts(connection, catalog, after, now, progress)
    templates, resource_ids = write_templates(connection, catalog, now)
    plans = write_plans(connection, catalog, after, resource_ids, now)
    subscriptions = write_subscriptions(connection, catalog, after, resource_ids, now, progress)
    move_subscriptions(connection, moved, now)
    return ImportSummary(
        application_instances=instances,
        accounts=accounts,
        service_templates=templates,
        service_plans=plans,
        subscriptions=subscriptions,
    )
