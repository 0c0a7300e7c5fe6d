"""Writes what changes slowly: application instances, accounts, service templates and service plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from gateway.models import (
    Account,
    AccountType,
    AccountWord,
    ApplicationInstance,
    PlanResource,
    ResourceRate,
    ResourceType,
    ServicePlan,
    ServiceTemplate,
    SubscriptionPeriod,
    words_of,
)
from gateway.services.catalog.bulk import chunks
from gateway.services.catalog.entries import (
    AccountEntry,
    Catalog,
    PlanEntry,
    ResourceTypeEntry,
    TemplateEntry,
)
from gateway.services.catalog.known import Known
from gateway.services.catalog.reading import CHUNK, Progress
from gateway.services.catalog.summary import Counts
from gateway.services.catalog.tables import (
    Change,
    Children,
    ChildTable,
    MainTable,
    Row,
    Rows,
    compare,
    table_of,
)

ResourceIds = Mapping[tuple[str, str], int]
"""Row ids of resource types by template and key."""

INSTANCES = MainTable(table_of(ApplicationInstance), ("id", "name"))
ACCOUNTS = MainTable(
    table_of(Account),
    ("id", "type", "name", "parent_id", "mpn_id", "microsoft_tenant_id", "domain", "email"),
)
WORDS = ChildTable(table_of(AccountWord), "account_id", ("word",))
TEMPLATES = MainTable(table_of(ServiceTemplate), ("id", "application_instance_id", "name"))
RESOURCE_TYPES = ChildTable(
    table_of(ResourceType), "service_template_id", ("key", "kind", "name", "offer_id")
)
PLANS = MainTable(
    table_of(ServicePlan), ("id", "name", "kind", "service_template_id", "vendor_id", "delegated_from_id")
)
PLAN_RESOURCES = ChildTable(table_of(PlanResource), "service_plan_id", ("resource_type_id", "limit"))
PERIODS = ChildTable(
    table_of(SubscriptionPeriod), "service_plan_id", ("months", "setup_fee", "recurring_fee", "currency")
)
RATES = ChildTable(
    table_of(ResourceRate), "service_plan_id", ("resource_type_id", "recurring_fee", "currency")
)
PARENT_COLUMN = ACCOUNTS.columns.index("parent_id")


def write_instances(connection: Connection, catalog: Catalog, now: datetime) -> Counts:
    wanted: Rows = {each.id: (each.id, each.name) for each in catalog.application_instances.values()}
    change = compare(INSTANCES.fetch(connection, wanted), wanted)
    INSTANCES.write(connection, _rows_to_write(wanted, change), now)
    return Counts.of(change)


def write_accounts(
    connection: Connection, catalog: Catalog, after: Known, now: datetime, progress: Progress
) -> tuple[Counts, dict[str, str]]:
    """:return: the counts, and the new parents of customers who had another"""
    counts, done = Counts(), 0
    moved: dict[str, str] = {}
    for entries in chunks(_from_the_root(catalog, after), CHUNK):
        wanted = {each.id: _account_row(each) for each in entries}
        stored = ACCOUNTS.fetch(connection, wanted)
        change = compare(stored, wanted)
        ACCOUNTS.write(connection, _rows_to_write(wanted, change), now)
        _write_words(connection, entries, change)
        moved |= {
            each.id: each.parent
            for each in entries
            if each.parent and each.type is AccountType.CUSTOMER and each.id in change.updated
            if stored[each.id][PARENT_COLUMN] != each.parent
        }
        counts = counts.plus(Counts.of(change))
        done += len(entries)
        progress("writing accounts", done, len(catalog.accounts))
    return counts, moved


def _write_words(connection: Connection, entries: Iterable[AccountEntry], change: Change) -> None:
    """Those by which the accounts that changed are found."""
    changed = change.created | change.updated
    wanted = {
        each.id: frozenset((word,) for word in words_of(each.name, each.domain))
        for each in entries
        if each.id in changed
    }
    WORDS.replace(connection, WORDS.fetch(connection, change.updated), wanted, list(wanted))


def _from_the_root(catalog: Catalog, after: Known) -> Iterable[AccountEntry]:
    """Vendors before those below them, since the database looks at once for whom they name."""
    entries = catalog.accounts.values()
    vendors = [each for each in entries if each.type is not AccountType.CUSTOMER]
    yield from sorted(vendors, key=lambda each: len(list(after.ancestors(each.id))))
    yield from (each for each in entries if each.type is AccountType.CUSTOMER)


def _account_row(entry: AccountEntry) -> Row:
    tenant = entry.microsoft_tenant_id and entry.microsoft_tenant_id.lower()
    return entry.id, entry.type, entry.name, entry.parent, entry.mpn_id, tenant, entry.domain, entry.email


def write_templates(connection: Connection, catalog: Catalog, now: datetime) -> tuple[Counts, ResourceIds]:
    entries = catalog.service_templates.values()
    wanted: Rows = {each.id: (each.id, each.application_instance, each.name) for each in entries}
    stored_types = RESOURCE_TYPES.fetch(connection, wanted)
    wanted_types = {each.id: _with_kept_types(each, stored_types) for each in entries}
    change = compare(TEMPLATES.fetch(connection, wanted), wanted, [(stored_types, wanted_types)])
    TEMPLATES.write(connection, _rows_to_write(wanted, change), now)
    for entry in entries:
        _write_resource_types(connection, entry, stored_types.get(entry.id, frozenset()))
    return Counts.of(change), _resource_ids(connection)


def _with_kept_types(entry: TemplateEntry, stored: Children) -> frozenset[Row]:
    named = {each.id for each in entry.resource_types}
    kept = frozenset(row for row in stored.get(entry.id, ()) if row[0] not in named)
    return kept | frozenset(map(_type_row, entry.resource_types))


def _type_row(entry: ResourceTypeEntry) -> Row:
    return entry.id, entry.kind, entry.name, entry.offer_id


def _write_resource_types(connection: Connection, entry: TemplateEntry, stored: frozenset[Row]) -> None:
    """Update in place, since plans and subscriptions refer to the rows."""
    table, existing = RESOURCE_TYPES.table, {key for key, *_ in stored}
    for row in map(_type_row, entry.resource_types):
        values = dict(zip(RESOURCE_TYPES.columns, row, strict=True))
        if row[0] not in existing:
            connection.execute(table.insert().values(service_template_id=entry.id, **values))
        elif row not in stored:
            is_it = (table.c.service_template_id == entry.id) & (table.c.key == row[0])
            connection.execute(table.update().where(is_it).values(values))


def _resource_ids(connection: Connection) -> ResourceIds:
    table = RESOURCE_TYPES.table
    query = select(table.c.service_template_id, table.c.key, table.c.id)
    return {(template, key): row_id for template, key, row_id in connection.execute(query)}


def write_plans(
    connection: Connection, catalog: Catalog, after: Known, resource_ids: ResourceIds, now: datetime
) -> Counts:
    entries = sorted(catalog.service_plans.values(), key=lambda each: _depth(each.id, after))
    wanted: Rows = {each.id: _plan_row(each) for each in entries}
    children = [
        (table, table.fetch(connection, wanted), {each.id: rows(each, resource_ids) for each in entries})
        for table, rows in ((PLAN_RESOURCES, _resource_rows), (PERIODS, _period_rows), (RATES, _rate_rows))
    ]
    change = compare(
        PLANS.fetch(connection, wanted), wanted, [(before, after_) for _, before, after_ in children]
    )
    PLANS.write(connection, _rows_to_write(wanted, change), now)
    for table, stored, wanted_children in children:
        table.replace(connection, stored, wanted_children, change.created | change.updated)
    return Counts.of(change)


def _depth(plan_id: str, after: Known) -> int:
    """How many plans it is a copy of a copy of; originals are written first."""
    depth, original = 0, after.plans[plan_id].delegated_from
    while original is not None:
        depth, original = depth + 1, after.plans[original].delegated_from
    return depth


def _plan_row(entry: PlanEntry) -> Row:
    return entry.id, entry.name, entry.kind, entry.service_template, entry.vendor, entry.delegated_from


def _resource_rows(entry: PlanEntry, resource_ids: ResourceIds) -> frozenset[Row]:
    return frozenset(
        (resource_ids[entry.service_template, each.resource_type], each.limit) for each in entry.resources
    )


def _period_rows(entry: PlanEntry, _resource_ids: ResourceIds) -> frozenset[Row]:
    return frozenset(
        (each.months, Decimal(each.setup_fee), Decimal(each.recurring_fee), each.currency)
        for each in entry.subscription_periods
    )


def _rate_rows(entry: PlanEntry, resource_ids: ResourceIds) -> frozenset[Row]:
    return frozenset(
        (
            resource_ids[entry.service_template, each.resource_type],
            Decimal(each.recurring_fee),
            each.currency,
        )
        for each in entry.resource_rates
    )


def _rows_to_write(wanted: Rows, change: Change) -> list[Row]:
    return [row for i, row in wanted.items() if i in change.created or i in change.updated]
