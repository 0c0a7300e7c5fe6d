"""A database as large as a busy provider's, written straight into its tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, Table, insert

from gateway.db import Base, Database, utcnow
from gateway.models import (
    Account,
    AccountType,
    AccountWord,
    PlanKind,
    Role,
    Subscription,
    SubscriptionResource,
    SubscriptionStatus,
    Upgrade,
    UpgradeStatus,
    words_of,
)
from gateway.services.catalog.bulk import insert_rows
from gateway.services.catalog.demonstration_names import company_name, domain_name
from tests.factories import Factories

AT_ONCE = 20_000
VENDORS = 200
SPARE_PLANS = 40
UPGRADES = 50_000
LARGE_BATCH = 20_000
SMALL_BATCH = 100

PLAN, RESELLER_PLAN = "plan", "reseller-plan"
TARGETS = {PLAN: "target", RESELLER_PLAN: "reseller-target"}
LOGINS = {"provider": "large-provider", "reseller": "large-reseller"}

_OUTCOMES = (
    *[UpgradeStatus.COMPLETED] * 30,
    *[UpgradeStatus.PENDING] * 8,
    UpgradeStatus.FAILED,
    UpgradeStatus.CANCELED,
)
Rows = Iterator[dict[str, Any]]


def build(database: Database, subscriptions: int) -> dict[str, list[int]]:
    """Half of the subscriptions are of the provider's plan, a quarter are of the reseller's.

    :return: the ids of the batches of both plans, the largest first
    """
    with database.write() as db:
        factories = Factories(db)
        vendors = [factories.provider()]
        vendors += [factories.reseller(id=f"vendor-{n}", name=f"Reseller {n}") for n in range(VENDORS)]
        basic, better = factories.resource_type(), factories.resource_type()
        factories.offer_path(str(basic.offer_id), [str(better.offer_id)], read_at=utcnow())
        targets = {}
        for vendor, source in zip(vendors, TARGETS, strict=False):
            factories.service_plan([basic], vendor=vendor, id=source)
            targets[source] = factories.service_plan([better], vendor=vendor, id=TARGETS[source])
        for number in range(SPARE_PLANS):
            factories.service_plan([basic], id=f"spare-{number}")
        management = factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT)
        factories.subscription(management, account=vendors[1])
        for vendor, login in zip(vendors, LOGINS.values(), strict=False):
            factories.user(vendor, Role.ADMINISTRATOR, login=login)
        small = (UPGRADES - LARGE_BATCH) // SMALL_BATCH // 2
        batches = {
            source: [factories.batch(target).id for _ in range(small + 1)]
            for source, target in targets.items()
        }
        connection = db.connection()
        fill(connection, Account, (_account(n) for n in range(subscriptions)))
        fill(connection, AccountWord, (row for n in range(subscriptions) for row in _words(n)))
        fill(connection, Subscription, (_subscription(n) for n in range(subscriptions)))
        of_license = {"resource_type_id": basic.id, "usage": 1}
        resources = (
            {"subscription_id": _id(n), "limit": 1 + n % 40, **of_license} for n in range(subscriptions)
        )
        fill(connection, SubscriptionResource, resources)
        instance_id = basic.service_template.application_instance_id
        fill(connection, Upgrade, _upgrades(batches, instance_id))
    return batches


def fill(connection: Connection, model: type[Base], rows: Rows) -> None:
    table = cast("Table", model.__table__)
    times = [name for name in ("created_at", "updated_at") if name in table.c]
    now = utcnow()
    while some := list(islice(rows, AT_ONCE)):
        if model is Upgrade:  # It has defaults that differ from row to row.
            connection.execute(insert(table), some)
        else:
            written = [(*row.values(), *[now for _ in times]) for row in some]
            insert_rows(connection, table, [*some[0], *times], written)


def _id(number: int) -> str:
    """Ids do not follow each other in the order in which subscriptions came."""
    return f"{number * 7919 % 1_000_003 + 1_000_000}"


def _plan(number: int) -> str:
    share = number % 4
    return PLAN if share < 2 else RESELLER_PLAN if share == 2 else f"spare-{number // 4 % SPARE_PLANS}"


def _branch(number: int) -> str:
    return "vendor-0" if number % 4 == 2 else f"vendor-{number // 4 % VENDORS}"


def _account(number: int) -> dict[str, Any]:
    name = company_name(number)
    return {
        "id": f"account-{number}",
        "type": AccountType.CUSTOMER,
        "name": name,
        "parent_id": _branch(number),
        "microsoft_tenant_id": str(UUID(int=number)),
        "domain": domain_name(name, number),
    }


def _words(number: int) -> Rows:
    account = _account(number)
    for word in words_of(account["name"], account["domain"]):
        yield {"account_id": account["id"], "word": word}


def _subscription(number: int) -> dict[str, Any]:
    return {
        "id": _id(number),
        "account_id": f"account-{number}",
        "branch_id": _branch(number),
        "service_plan_id": _plan(number),
        "status": SubscriptionStatus.ACTIVE if number % 23 else SubscriptionStatus.SUSPENDED,
        "microsoft_subscription_id": str(UUID(int=number)),
        "customer_name": company_name(number),
    }


def _upgrades(batches: dict[str, list[int]], instance_id: str) -> Rows:
    """The subscriptions of a plan go into its batches in turn; the first ten of the first batch run."""
    now = utcnow()
    for source, first, step in ((PLAN, 0, 2), (RESELLER_PLAN, 2, 4)):
        for number, batch_id in enumerate(_batch_of_each(batches[source], large=source == PLAN)):
            which = number // 2 * 4 + number % 2 if source == PLAN else first + step * number
            runs = source == PLAN and number < 10
            status = UpgradeStatus.IN_PROGRESS if runs else _OUTCOMES[number % len(_OUTCOMES)]
            changed_at = now - timedelta(seconds=30_000 - number)
            yield {
                "batch_id": batch_id,
                "subscription_id": _id(which),
                "account_id": f"account-{which}",
                "microsoft_tenant_id": str(UUID(int=which)),
                "application_instance_id": instance_id,
                "source_plan_id": source,
                "target_plan_id": TARGETS[source],
                "status": status,
                "reason": "The license is gone" if status is UpgradeStatus.FAILED else None,
                "due_at": now,
                "waiting_for": "Microsoft is busy with the customer" if runs else None,
                "started_at": changed_at - timedelta(seconds=20),
                "finished_at": changed_at,
                "changed_at": changed_at,
            }


def _batch_of_each(batches: Sequence[int], *, large: bool) -> Iterator[int]:
    for number, batch_id in enumerate(batches):
        size = LARGE_BATCH if number == 0 and large else SMALL_BATCH
        yield from [batch_id] * size
