"""The store of a benchmark: a migrated database with subscriptions to upgrade, and upgrades put into it.

An operation `j7` is the upgrade of subscription 7 whose `source_offer_id` says `sleep j 0`: kind, prefix, and
what to take off the number of the subscription.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, bindparam, func, insert, literal_column, select, text, union_all

from benchmarks.engine.names import STANDARD, number_of
from gateway.db import Database, utcnow
from gateway.engine.backlog import ANY_BATCH, ANY_TENANT, IN_PROGRESS, PENDING
from gateway.engine.ledger import CHANNEL
from gateway.migrations import migrate
from gateway.models import (
    Account,
    AccountType,
    ApplicationInstance,
    PlanKind,
    PlanResource,
    ResourceKind,
    ResourceType,
    ServicePlan,
    ServiceTemplate,
    Subscription,
    SubscriptionResource,
    SubscriptionStatus,
    Upgrade,
    UpgradeBatch,
    UpgradeEvent,
    UpgradeStatus,
)
from gateway.statements import Prepared, PreparedForMany, Statements, StatementWriter

SUBSCRIPTIONS = 12_000
PROVIDER, INSTANCE, TEMPLATE, BASIC = "provider", "instance", "template", "basic"


def create(database: Database) -> None:
    """Make the tables anew, with everything that an upgrade needs."""
    if not database.is_sqlite:
        with database.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    migrate(database)
    with database.engine.execution_options(gateway_writes=True).begin() as connection:
        now = utcnow()
        _insert_plans(connection, now)
        _insert_subscriptions(connection, now)


def _insert_plans(connection: Connection, now: datetime) -> None:
    stamps = {"created_at": now, "updated_at": now}
    connection.execute(
        insert(Account), {"id": PROVIDER, "type": AccountType.PROVIDER, "name": "Provider", **stamps}
    )
    connection.execute(insert(ApplicationInstance), {"id": INSTANCE, "name": "Office 365", **stamps})
    connection.execute(
        insert(ServiceTemplate),
        {"id": TEMPLATE, "name": "Office 365", "application_instance_id": INSTANCE, **stamps},
    )
    for number, plan in enumerate((BASIC, STANDARD), start=1):
        connection.execute(
            insert(ResourceType),
            {
                "id": number,
                "service_template_id": TEMPLATE,
                "key": plan,
                "name": plan,
                "kind": ResourceKind.LICENSE,
                "offer_id": f"CFQ7TTC0LH1{number}:0001",
            },
        )
        connection.execute(
            insert(ServicePlan),
            {
                "id": plan,
                "name": plan,
                "kind": PlanKind.STANDARD,
                "service_template_id": TEMPLATE,
                "vendor_id": PROVIDER,
                **stamps,
            },
        )
        connection.execute(
            insert(PlanResource), {"service_plan_id": plan, "resource_type_id": number, "limit": 1}
        )


def _insert_subscriptions(connection: Connection, now: datetime) -> None:
    stamps = {"created_at": now, "updated_at": now}
    numbers = range(SUBSCRIPTIONS)
    customers = [
        {
            "id": f"c{n}",
            "type": AccountType.CUSTOMER,
            "name": f"Customer {n}",
            "parent_id": PROVIDER,
            "microsoft_tenant_id": f"tenant-{n}",
            **stamps,
        }
        for n in numbers
    ]
    subscriptions = [
        {
            "id": f"s{n:06}",
            "account_id": f"c{n}",
            "branch_id": PROVIDER,
            "service_plan_id": BASIC,
            "status": SubscriptionStatus.ACTIVE,
            "microsoft_subscription_id": str(uuid4()),
            **stamps,
        }
        for n in numbers
    ]
    resources = [
        {"subscription_id": f"s{n:06}", "resource_type_id": 1, "limit": 5, "usage": 4} for n in numbers
    ]
    connection.execute(insert(Account), customers)
    connection.execute(insert(Subscription), subscriptions)
    connection.execute(insert(SubscriptionResource), resources)


def next_subscription(database: Database) -> int:
    """The number of the first subscription that no operation was made for."""
    with database.read() as db:
        last = db.scalar(select(func.max(Upgrade.subscription_id)))
        return 0 if last is None else number_of(last) + 1


def counts(database: Database) -> dict[UpgradeStatus, int]:
    with database.read() as db:
        rows = db.execute(select(Upgrade.status, func.count()).group_by(Upgrade.status))
        return {row[0]: row[1] for row in rows}


def is_any_live(database: Database) -> bool:
    with database.engine.connect() as connection:
        return bool(Statements(connection).rows(_ANY_LIVE))


def enqueue(writer: StatementWriter, words: str, first: int, count: int) -> None:
    """One batch, as scheduling makes it: its row, one for each upgrade, and one for each first event."""
    now = utcnow()
    with writer.transaction() as statements:
        ((batch_id,),) = statements.rows(_ADD_BATCH, account_id=PROVIDER, plan_id=STANDARD, now=now)
        statements.run_many(_ADD_UPGRADE, list(_upgrades(batch_id, words, range(first, first + count), now)))
        statements.run(_ADD_EVENTS, batch_id=batch_id, now=now)
        if not statements.is_sqlite:
            statements.run(_NOTIFY)


def _upgrades(batch_id: int, words: str, numbers: range, now: datetime) -> Iterator[dict[str, Any]]:
    for number in numbers:
        yield {
            "batch_id": batch_id,
            "subscription_id": f"s{number:06}",
            "account_id": f"c{number}",
            "microsoft_tenant_id": f"tenant-{number}",
            "application_instance_id": INSTANCE,
            "source_plan_id": BASIC,
            "target_plan_id": STANDARD,
            "status": UpgradeStatus.PENDING,
            "attempts": 0,
            "due_at": now,
            "request_id": uuid4(),
            "correlation_id": uuid4(),
            "source_offer_id": words,
            "scheduled_at": now,
            "changed_at": now,
        }


_ADD_BATCH = Prepared(
    insert(UpgradeBatch)
    .values(
        account_id=bindparam("account_id"),
        requested_by="benchmark",
        target_plan_id=bindparam("plan_id"),
        created_at=bindparam("now", type_=UpgradeBatch.created_at.type),
    )
    .returning(UpgradeBatch.id)
)
_ADD_UPGRADE = PreparedForMany(Upgrade.__table__, tuple(next(_upgrades(0, "", range(1), utcnow()))))
_ADD_EVENTS = Prepared(
    insert(UpgradeEvent).from_select(
        ["upgrade_id", "at", "name", "attempt"],
        select(
            Upgrade.id,
            bindparam("now", type_=UpgradeEvent.at.type),
            literal_column("'scheduled'"),
            literal_column("0"),
        )
        .where(Upgrade.batch_id == bindparam("batch_id"))
        .order_by(Upgrade.id),
        include_defaults=False,
    )
)
_ANY_LIVE = Prepared(
    union_all(
        *(
            select(Upgrade.id).where(live, any_of_them).limit(1).subquery().select()
            for live, any_of_them in ((PENDING, ANY_BATCH), (IN_PROGRESS, ANY_TENANT))
        )
    )
)
_NOTIFY = Prepared(select(func.pg_notify(CHANNEL, "")))
