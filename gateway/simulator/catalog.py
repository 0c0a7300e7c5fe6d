"""The catalog file or folder: which customers and subscriptions there are at "Microsoft" at first."""

from __future__ import annotations

import json
import logging
import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from gateway.simulator.products import is_legacy

log = logging.getLogger(__name__)

CHECK_EVERY = timedelta(seconds=1)
Signature = tuple[int, int]


class Account(NamedTuple):
    id: str
    tenant_id: str
    domain: str
    email: str
    name: str


class Resource(NamedTuple):
    type: str
    limit: int
    usage: int


class CatalogSubscription(NamedTuple):
    id: str
    account: str
    status: str
    plan: str
    resources: tuple[Resource, ...]


class ResourceType(NamedTuple):
    kind: str
    name: str
    offer_id: str


class Purchase(NamedTuple):
    """One subscription at Microsoft, as the catalog has it."""

    id: str
    offer_id: str
    title: str
    quantity: int
    users: int
    status: str
    base_id: str
    """The purchase whose people use this one too; empty for a plan of its own."""
    parent_id: str
    """Only a legacy add-on hangs on the subscription it was bought for."""


class Plan(NamedTuple):
    id: str
    template: str


@dataclass
class CatalogFile:
    """What one file holds, kept small: a hundred thousand subscriptions are to fit."""

    signature: Signature = (0, 0)
    accounts: list[Account] = field(default_factory=list)
    types: dict[tuple[str, str], ResourceType] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    """Template of a service plan."""
    subscriptions: list[CatalogSubscription] = field(default_factory=list)


@dataclass(slots=True)
class CatalogCustomer:
    account: Account
    subscriptions: list[tuple[CatalogSubscription, CatalogFile]] = field(default_factory=list)

    def purchases(self) -> list[Purchase]:
        return [
            bought for subscription, file in self.subscriptions for bought in _purchases(subscription, file)
        ]


class Catalog:
    """Customers by tenant id, read again when the files change."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._files: dict[Path, CatalogFile] = {}
        self._next_check_at: datetime | None = None
        self.customers: dict[str, CatalogCustomer] = {}
        self.order: list[CatalogCustomer] = []
        self._domains: set[str] | None = None

    def refresh(self, now: datetime) -> bool:
        """Read what has changed, looking at most once a second; tell whether anything had."""
        if self._path is None or (self._next_check_at is not None and now < self._next_check_at):
            return False
        self._next_check_at = now + CHECK_EVERY
        found = dict(_signatures(self._path))
        if {path: file.signature for path, file in self._files.items()} == found:
            return False
        self._read(found)
        return True

    def reload(self) -> None:
        self._files = {}
        self._next_check_at = None

    def is_taken(self, domain: str) -> bool:
        if self._domains is None:
            self._domains = {customer.account.domain.lower() for customer in self.order}
        return domain.lower() in self._domains

    def _read(self, found: dict[Path, Signature]) -> None:
        files = {}
        for path, signature in found.items():
            file = self._files.get(path)
            if file is None or file.signature != signature:
                file = _read_file(path, signature, file)
            files[path] = file
        self._files = files
        self._join()

    def _join(self) -> None:
        """Give every subscription to its customer, across files too."""
        self.customers, by_account, self._domains = {}, {}, None
        for file in self._files.values():
            for account in file.accounts:
                key = account.tenant_id.lower()
                customer = self.customers.setdefault(key, CatalogCustomer(account))
                by_account[account.id] = customer
        for file in self._files.values():
            for subscription in file.subscriptions:
                if (owner := by_account.get(subscription.account)) is not None:
                    owner.subscriptions.append((subscription, file))
        self.order = list(self.customers.values())


def _signatures(path: Path) -> Iterator[tuple[Path, Signature]]:
    candidates: Iterable[Path] = sorted(path.glob("*.json")) if path.is_dir() else [path]
    for candidate in candidates:
        try:
            stat = candidate.stat()
        except FileNotFoundError:
            continue
        yield candidate, (stat.st_mtime_ns, stat.st_size)


def _read_file(path: Path, signature: Signature, last_good: CatalogFile | None) -> CatalogFile:
    """Parse a file; one that is half written or broken leaves what was known before."""
    try:
        # A decoded map needs half the memory of a read file, which is held as bytes and as text at once.
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            text = str(content, "utf-8-sig")
        document = json.loads(text, object_hook=_Compactor().compact)
    except (OSError, ValueError) as exc:
        log.warning("Catalog file not read: path=%s error=%s", path, exc)
        kept = last_good or CatalogFile()
        kept.signature = signature
        return kept
    return _catalog_file(document if isinstance(document, dict) else {}, signature)


def _catalog_file(document: dict[str, Any], signature: Signature) -> CatalogFile:
    file = CatalogFile(signature)
    file.accounts = [each for each in document.get("accounts", ()) if isinstance(each, Account)]
    file.subscriptions = [x for x in document.get("subscriptions", ()) if isinstance(x, CatalogSubscription)]
    file.templates = {
        each.id: each.template for each in document.get("service_plans", ()) if isinstance(each, Plan)
    }
    for template in document.get("service_templates", ()):
        for entry in template.get("resource_types", ()):
            if entry.get("kind") in ("license", "addon") and entry.get("offer_id"):
                kind = ResourceType(entry["kind"], entry.get("name", ""), entry["offer_id"])
                file.types[template["id"], entry["id"]] = kind
    return file


class _Compactor:
    """Turns JSON objects into tuples while they are parsed: the large form never exists as a whole."""

    def __init__(self) -> None:
        self._same: dict[Resource, Resource] = {}

    def compact(self, value: dict[str, Any]) -> Any:
        if "resource_type" in value:
            return self._resource(value) if "limit" in value else None
        if "account" in value and "service_plan" in value:
            return self._subscription(value)
        if "service_template" in value:
            return Plan(intern(value["id"]), intern(value["service_template"]))
        if "type" in value and "id" in value:
            return self._account(value)
        return value

    def _resource(self, value: dict[str, Any]) -> Resource:
        resource = Resource(intern(value["resource_type"]), value["limit"] or 0, value.get("usage") or 0)
        return self._same.setdefault(resource, resource)

    def _subscription(self, value: dict[str, Any]) -> CatalogSubscription | None:
        if not value.get("microsoft_subscription_id"):
            return None
        resources = tuple(each for each in value.get("resources", ()) if isinstance(each, Resource))
        status = intern(value.get("status") or "active")
        account, plan = intern(value["account"]), intern(value["service_plan"])
        return CatalogSubscription(value["microsoft_subscription_id"], account, status, plan, resources)

    def _account(self, value: dict[str, Any]) -> Account | None:
        tenant = value.get("microsoft_tenant_id")
        if value["type"] != "customer" or not tenant:
            return None
        domain = value.get("domain") or f"{tenant[:8]}.onmicrosoft.com"
        email = value.get("email") or f"admin@{domain}"
        return Account(intern(value["id"]), tenant, domain, email, value.get("name") or domain)


def _purchases(subscription: CatalogSubscription, file: CatalogFile) -> Iterator[Purchase]:
    template = file.templates.get(subscription.plan, "")
    bought = [
        (r, file.types[template, r.type]) for r in subscription.resources if (template, r.type) in file.types
    ]
    licenses = [pair for pair in bought if pair[1].kind == "license"]
    if not licenses:
        return
    main = next((pair for pair in licenses if pair[0].limit > 0), licenses[0])
    yield _purchase(subscription, *main)
    for resource, kind in bought:
        if resource.limit > 0 and resource is not main[0]:
            yield _further_purchase(subscription, resource, kind, is_legacy(main[1].offer_id))


def _purchase(subscription: CatalogSubscription, resource: Resource, kind: ResourceType) -> Purchase:
    quantity = resource.limit if resource.limit > 0 else max(resource.usage, 1)
    return Purchase(
        id=subscription.id,
        offer_id=kind.offer_id,
        title=kind.name.removesuffix(" License").removesuffix(" Add-on"),
        quantity=quantity,
        users=min(resource.usage, quantity),
        status="suspended" if subscription.status == "suspended" else "active",
        base_id="",
        parent_id="",
    )


def _further_purchase(
    subscription: CatalogSubscription, resource: Resource, kind: ResourceType, base_is_legacy: bool
) -> Purchase:
    identity = str(uuid5(NAMESPACE_URL, f"simulator/{subscription.id.lower()}/{resource.type}"))
    base_id = subscription.id if kind.kind == "addon" else ""
    parent_id = base_id if base_is_legacy else ""
    return _purchase(subscription, resource, kind)._replace(id=identity, base_id=base_id, parent_id=parent_id)
