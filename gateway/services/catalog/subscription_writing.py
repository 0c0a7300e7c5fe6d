"""Writes subscriptions, of which there are many, and some of which are being upgraded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from gateway.models import LIVE, AccountType, Subscription, SubscriptionResource, Upgrade
from gateway.services.catalog.bulk import chunks, run_among
from gateway.services.catalog.entries import Catalog, SubscriptionEntry
from gateway.services.catalog.known import Known
from gateway.services.catalog.reading import CHUNK, Progress
from gateway.services.catalog.summary import Counts
from gateway.services.catalog.tables import (
    Children,
    ChildTable,
    MainTable,
    Row,
    Rows,
    compare,
    differs,
    table_of,
)
from gateway.services.catalog.writing import ResourceIds

SUBSCRIPTIONS = MainTable(
    table_of(Subscription),
    ("id", "account_id", "branch_id", "service_plan_id", "status", "microsoft_subscription_id", "subdomain"),
)
RESOURCES = ChildTable(
    table_of(SubscriptionResource), "subscription_id", ("resource_type_id", "limit", "usage")
)
KEPT = tuple(map(SUBSCRIPTIONS.columns.index, ("service_plan_id", "microsoft_subscription_id")))
"""Columns that belong to the engine while a subscription is being upgraded."""


def write_subscriptions(
    connection: Connection,
    catalog: Catalog,
    after: Known,
    resource_ids: ResourceIds,
    now: datetime,
    progress: Progress,
) -> Counts:
    counts, done = Counts(), 0
    for entries in chunks(catalog.subscriptions.values(), CHUNK):
        rows = {each.id: _row(each, after) for each in entries}
        resources = {each.id: _resources(each, after, resource_ids) for each in entries}
        counts = counts.plus(_write_some(connection, rows, resources, now))
        done += len(entries)
        progress("writing subscriptions", done, len(catalog.subscriptions))
    return counts


def _write_some(connection: Connection, wanted: Rows, resources: Children, now: datetime) -> Counts:
    stored = SUBSCRIPTIONS.fetch(connection, wanted)
    stored_resources = RESOURCES.fetch(connection, stored)
    contested = [
        i
        for i, row in stored.items()
        if _kept(row) != _kept(wanted[i]) or differs(stored_resources, resources, i)
    ]
    busy = _lock_and_find_upgrading(connection, contested)
    for each in busy:
        wanted[each] = _with_kept(wanted[each], stored[each])
        resources[each] = stored_resources.get(each, frozenset())
    change = compare(stored, wanted, [(stored_resources, resources)])
    changed = change.created | change.updated
    SUBSCRIPTIONS.write(connection, [wanted[i] for i in wanted if i in changed], now)
    RESOURCES.replace(connection, stored_resources, resources, [i for i in wanted if i in changed])
    return _counts(Counts.of(change), busy, change.updated)


def _counts(counts: Counts, busy: Collection[str], updated: Collection[str]) -> Counts:
    """A subscription counts once: as updated where the rest of it changed, or else as skipped."""
    skipped = sum(1 for each in busy if each not in updated)
    return Counts(counts.created, counts.updated, counts.unchanged - skipped, skipped)


def _row(entry: SubscriptionEntry, after: Known) -> Row:
    account = after.accounts[entry.account]
    branch = account.parent if account.type is AccountType.CUSTOMER else entry.account
    subdomain = entry.office365_subdomain and entry.office365_subdomain.subdomain
    microsoft_id = entry.microsoft_subscription_id
    return entry.id, entry.account, branch, entry.service_plan, entry.status, microsoft_id, subdomain


def _resources(entry: SubscriptionEntry, after: Known, resource_ids: ResourceIds) -> frozenset[Row]:
    template = after.plans[entry.service_plan].template
    return frozenset((resource_ids[template, r.resource_type], r.limit, r.usage) for r in entry.resources)


def _kept(row: Row) -> Row:
    return tuple(row[index] for index in KEPT)


def _with_kept(wanted: Row, stored: Row) -> Row:
    return tuple(stored[index] if index in KEPT else value for index, value in enumerate(wanted))


def _lock_and_find_upgrading(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Which of these have an upgrade that is not over; until the end of the transaction none gets one.

    An upgrade that is being scheduled refers to its subscription, for which the database waits here.
    """
    table = SUBSCRIPTIONS.table
    run_among(connection, select(table.c.id).order_by(table.c.id).with_for_update(), table.c.id, sorted(ids))
    column = Upgrade.__table__.c.subscription_id
    upgrading = select(column).where(Upgrade.status.in_(LIVE))
    return {row[0] for row in run_among(connection, upgrading, column, ids)}


def move_subscriptions(connection: Connection, parents: Mapping[str, str], now: datetime) -> None:
    """Let the subscriptions of customers who have a new parent follow into its branch."""
    if not parents:
        return
    table = SUBSCRIPTIONS.table
    is_elsewhere = (table.c.account_id == bindparam("customer")) & (table.c.branch_id != bindparam("parent"))
    statement = update(table).where(is_elsewhere).values(branch_id=bindparam("parent"), updated_at=now)
    connection.execute(statement, [{"customer": c, "parent": p} for c, p in parents.items()])
