"""Rules of a catalog: application instances and the tree of accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from sqlalchemy import Connection, select

from gateway.models import Account, AccountType
from gateway.services.catalog.bulk import run_among
from gateway.services.catalog.entries import AccountEntry, Catalog
from gateway.services.catalog.errors import Problems
from gateway.services.catalog.known import Known

Entry = TypeVar("Entry")


def numbered(collection: str, entries: dict[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """The entries of a collection, each with its path."""
    for index, entry in enumerate(entries.values()):
        yield f"{collection}[{index}]", entry


def check_instances(catalog: Catalog, after: Known, problems: Problems) -> None:
    owners: dict[str, str] = {}
    for instance_id, name in after.instances.items():
        owners.setdefault(name, instance_id)
    for path, entry in numbered("application_instances", catalog.application_instances):
        if owners[entry.name] != entry.id:
            problems.add(f"{path}.name", entry.name, "a name that no other application instance has")


def check_accounts(catalog: Catalog, before: Known, after: Known, problems: Problems) -> None:
    providers = [i for i, account in after.accounts.items() if account.type is AccountType.PROVIDER]
    for path, entry in numbered("accounts", catalog.accounts):
        stored = before.accounts.get(entry.id)
        if stored is not None and stored.type is not entry.type:
            problems.add(
                f"{path}.type", entry.type.value, f"{stored.type.value}, which this account is and stays"
            )
        elif entry.type is AccountType.PROVIDER:
            _check_provider(path, entry, providers[0], problems)
        else:
            _check_parent(path, entry, after, problems)


def _check_provider(path: str, entry: AccountEntry, provider_id: str, problems: Problems) -> None:
    if entry.parent is not None:
        problems.add(f"{path}.parent", entry.parent, "no parent, since the provider is the root of the tree")
    if entry.id != provider_id:
        problems.add(f"{path}.type", "provider", f"one provider only, which is {provider_id}")


def _check_parent(path: str, entry: AccountEntry, after: Known, problems: Problems) -> None:
    path = f"{path}.parent"
    if entry.parent is None:
        problems.add_missing(path, "the provider or reseller above this account")
    elif entry.parent not in after.accounts:
        problems.add(path, entry.parent, "an account of this file or of the database")
    elif not after.is_vendor(entry.parent):
        problems.add(path, entry.parent, "a provider or reseller; customers have nobody below them")
    elif entry.type is AccountType.RESELLER and _is_in_cycle(entry.id, after):
        problems.add(path, entry.parent, "an account that is not below this one")


def _is_in_cycle(account_id: str, after: Known) -> bool:
    *_, last = account_id, *after.ancestors(account_id)
    return last in after.accounts and after.accounts[last].parent == account_id


def check_tenants(connection: Connection, catalog: Catalog, problems: Problems) -> None:
    """One Microsoft tenant is one customer."""
    owners: dict[str, str] = {}
    paths: dict[str, tuple[str, str]] = {}
    for path, entry in numbered("accounts", catalog.accounts):
        if entry.microsoft_tenant_id is None:
            continue
        tenant = entry.microsoft_tenant_id.lower()
        path = f"{path}.microsoft_tenant_id"
        if owner := owners.get(tenant):
            problems.add(path, tenant, f"a tenant that no other account has; {owner} has it")
        owners[tenant] = entry.id
        paths[tenant] = (path, entry.id)
    column = Account.__table__.c.microsoft_tenant_id
    for tenant, owner in run_among(connection, select(column, Account.id), column, paths):
        # An account of this file gives up whatever tenant it has in the database.
        if owner not in catalog.accounts:
            problems.add(paths[tenant][0], tenant, f"a tenant that no other account has; {owner} has it")
