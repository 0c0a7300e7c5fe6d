"""A gateway in this process whose pages stand still: upgrades in every state, and nobody at work on them.

The same rows at the same times every time, so that what a browser shows can be compared.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session
from webtest.http import StopableWSGIServer

from gateway.db import Database
from gateway.engine import PartnerCenterClients
from gateway.models import (
    Account,
    LicenseCheck,
    MoveResult,
    ResourceType,
    Role,
    ServicePlan,
    Subscription,
    Upgrade,
    UpgradeStatus,
    UpgradeStep,
    User,
    UserLicenseState,
)
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Actor
from gateway.services.catalog import import_catalog
from gateway.services.catalog.demonstration import make_catalog
from gateway.settings import GatewaySettings, InstanceSettings
from gateway.web import make_app
from gateway.web.registry import POOL_DESK
from tests.databases import make_sqlite_template, sqlite_url
from tests.factories import NOW, Factories, guid
from tests.pools import StandInPool

CUSTOMERS = 200
HELP_URL = "https://help.example/upgrades"
CLOCKS = ("gateway.services.upgrade_queries.utcnow", "gateway.web.panels.batch_views.utcnow")
"""Whose answers show on a page; sessions and the like run on the clock of the wall."""

LOGINS = {
    "provider": "provider",
    "auditor": "provider",
    "harbour": "reseller-1",
    "lantern": "reseller-4",
    "newcomer": "reseller-new",
}
"""Accounts by login; `auditor` may only look, `lantern` may not upgrade, `newcomer` has nothing yet."""

FAR_AWAY = NOW.replace(year=2036)
"""Paths that were read today would be asked for again tomorrow."""
PREFIXES = {1: "ended_", 2: "", 3: "reseller_"}
"""By batch."""

IN_PROGRESS, PENDING = UpgradeStatus.IN_PROGRESS, UpgradeStatus.PENDING
THROTTLED = "Partner Center asks for a pause until 09:02:30 UTC"
LEFT_BEHIND = (
    "ada.adler@northern-lights.example",
    "bartholomew.van-den-bergh-montgomery.external-consultant@subsidiary-in-rotterdam.example",
    "chen.costa@northern-lights.example",
)
MOVED = ("dana.duarte@northern-lights.example", "emil.eriksen@northern-lights.example")
NO_SEATS = "60012: Out of licences (MS-RequestId 5a1f0000-0000-4000-8000-000000000099)"
BUSY = "another upgrade of the same customer is in progress"


@dataclass
class Background:
    """In place of the engine."""

    figures: dict[str, Any] = field(default_factory=lambda: {"limit": 10, "running": 2, "pending": 4})

    def wake(self) -> None:
        """Nobody is there."""

    def status(self) -> dict[str, Any]:
        return self.figures


@dataclass(frozen=True)
class Scenery:
    """Where its gateways are: one with everything, one with nothing, one whose database is away."""

    full: str
    empty: str
    broken: str
    database: Database
    """Of the one with everything."""
    ids: dict[str, int]
    """Of upgrades, by status, those of the reseller as `reseller_failed` and the like; of users by login."""

    def url(self, site: str, path: str) -> str:
        base: str = getattr(self, site)
        return base + path.format(**self.ids)


@contextmanager
def put_up(folder: Path) -> Iterator[Scenery]:
    template = make_sqlite_template(folder / "template.db")
    with ExitStack() as stack:
        for clock in CLOCKS:
            stack.enter_context(patch(clock, return_value=NOW))
        full, empty = (_database(stack, template, folder / name) for name in ("full.db", "empty.db"))
        with full.write() as db:
            fill(db)
        with empty.write() as db:
            Factories(db).user(Factories(db).provider(name="Northern Lights Hosting"), login="provider")
        broken = Database(sqlite_url(folder / "no-such-folder" / "gateway.db"))
        stack.callback(broken.close)
        with full.read() as db:
            ids = {
                f"{PREFIXES[each.batch_id]}{each.status.value}": each.id
                for each in db.scalars(select(Upgrade))
            } | {user.login: user.id for user in db.scalars(select(User))}
        pool = StandInPool(folder, NOW)
        pool.tell_of_a_day()
        full_url = _serve(stack, folder, full, pool)
        empty_url, broken_url = (_serve(stack, folder, each) for each in (empty, broken))
        yield Scenery(full_url, empty_url, broken_url, full, ids)


def _database(stack: ExitStack, template: Path, path: Path) -> Database:
    shutil.copyfile(template, path)
    database = Database(sqlite_url(path))
    stack.callback(database.close)
    return database


def _serve(stack: ExitStack, folder: Path, database: Database, pool: StandInPool | None = None) -> str:
    settings = GatewaySettings(
        application_instances=(
            InstanceSettings(name="Office 365", partner_center_url="simulator", simulated=True),
        )
    )
    app = settings.app.model_copy(update={"eligibility_help_url": HELP_URL})
    settings = settings.model_copy(update={"app": app})
    clients = PartnerCenterClients(settings)
    stack.callback(clients.close)
    router = make_app(settings, database=database, var=folder, background=Background(), clients=clients)
    router.registry[POOL_DESK] = pool.desk if pool else None
    server = StopableWSGIServer.create(router, host="127.0.0.1", threads=6)
    stack.callback(server.shutdown)
    return f"http://127.0.0.1:{server.effective_port}"


def fill(db: Session) -> None:
    catalog = make_catalog(CUSTOMERS)
    catalog["application_instances"].append({"id": "europe", "name": "Office 365 Europe"})
    import_catalog(db, catalog, now=NOW - timedelta(days=3))
    factories = Factories(db)
    factories.reseller(id="reseller-new", name="Saltmarsh Digital")
    for login, account_id in LOGINS.items():
        role = Role.READ_ONLY if login == "auditor" else Role.ADMINISTRATOR
        factories.user(db.get_one(Account, account_id), role, login=login, created_at=NOW)
    _access(db, factories)
    _offer_paths(db, factories)
    _finished_batch(db, factories)
    _live_batch(db, factories, "m365-business-basic", "m365-business-standard", "provider")
    _live_batch(
        db, factories, "m365-business-basic-reseller-1", "m365-business-standard-reseller-1", "harbour"
    )


def _access(db: Session, factories: Factories) -> None:
    """Somebody to look after, keys, and what was done with them."""
    provider, reseller = db.get_one(Account, "provider"), db.get_one(Account, "reseller-1")
    factories.user(provider, Role.OPERATOR, login="anna", created_at=NOW)
    factories.user(reseller, Role.READ_ONLY, login="former", created_at=NOW, disabled_at=NOW)
    factories.api_key(provider, name="Billing", prefix="billing", last_used_at=NOW)
    factories.api_key(reseller, name="Storefront", prefix="storefront", revoked_at=NOW)
    boss, guest = Actor("provider", "provider", "192.0.2.17"), Actor("visitor", None, "198.51.100.4")
    audit = Audit(db)
    audit.record(AuditAction.SIGN_IN_REFUSED, guest, NOW)
    audit.record(AuditAction.USER_ADDED, boss, NOW, subject="user anna", detail="Role operator")
    audit.record(AuditAction.USER_DISABLED, boss, NOW, account_id="reseller-1", subject="user former")


def _offer_paths(db: Session, factories: Factories) -> None:
    """Business Basic to Standard and Premium, E1 to E3, and nothing else."""
    ways = {
        "m365-business-basic": ("m365-business-standard", "m365-business-premium"),
        "o365-e1": ("o365-e3",),
    }
    types = db.scalars(select(ResourceType).where(ResourceType.key.startswith("license-"))).all()
    offers = {each.key.removeprefix("license-"): each.offer_id or "" for each in types}
    for key, offer_id in offers.items():
        targets = [offers[target] for target in ways.get(key, ())]
        factories.offer_path(offer_id, targets, application_instance_id="office365", read_at=FAR_AWAY)


def _good(db: Session, plan_id: str) -> Sequence[Subscription]:
    """Those of one license with a limit, in the order of their ids."""
    found = db.scalars(
        select(Subscription).where(Subscription.service_plan_id == plan_id).order_by(Subscription.id)
    )
    return [each for each in found if each.status.value == "active" and len(each.resources) == 3]


def _finished_batch(db: Session, factories: Factories) -> None:
    target = db.get_one(ServicePlan, "o365-e3-reseller-1")
    batch = factories.batch(target, requested_by="harbour", created_at=NOW - timedelta(days=1))
    for number, subscription in enumerate(_good(db, "o365-e1-reseller-1")):
        start = batch.created_at + timedelta(seconds=20 * number)
        upgrade = factories.upgrade(subscription, target, batch, **_ended(UpgradeStatus.COMPLETED, start, 41))
        _identify(db, upgrade)
        _tell(factories, upgrade)


def _live_batch(db: Session, factories: Factories, source: str, target_id: str, login: str) -> None:
    target = db.get_one(ServicePlan, target_id)
    start = NOW - timedelta(minutes=4)
    batch = factories.batch(target, requested_by=login, created_at=start)
    running = {"started_at": NOW - timedelta(seconds=50), "changed_at": NOW - timedelta(seconds=5)}
    states: list[dict[str, Any]] = [
        _ended(UpgradeStatus.COMPLETED, start, 38),
        _ended(UpgradeStatus.COMPLETED, start, 52),
        _ended(
            UpgradeStatus.COMPLETED_WITH_WARNINGS,
            start,
            61,
            reason_code="licenses_not_moved",
            license_check=LicenseCheck.PEOPLE,
            reason=f"3 of 5 users do not have the new license in place of the old: {', '.join(LEFT_BEHIND)}",
            remedy="Move Licenses on the page of the upgrade gives them the new license",
        ),
        _ended(
            UpgradeStatus.FAILED,
            start,
            9,
            reason_code="subscription_status_not_active",
            reason="Microsoft says that the subscription is suspended",
            remedy="Reactivate it in Partner Center, then schedule the upgrade again",
        ),
        {"status": UpgradeStatus.CANCELED, "finished_at": NOW - timedelta(minutes=1), "due_at": None},
        {"status": IN_PROGRESS, "step": UpgradeStep.WAITING, "waiting_for": THROTTLED, "attempts": 1}
        | running,
        {"status": IN_PROGRESS, "step": UpgradeStep.VERIFYING} | running,
        {"status": PENDING, "waiting_for": BUSY},
        {"status": PENDING},
    ]
    for subscription, state in zip(_good(db, source), states, strict=False):
        upgrade = factories.upgrade(subscription, target, batch, **({"scheduled_at": start} | state))
        _identify(db, upgrade)
        _tell(factories, upgrade)
        if upgrade.license_check is not None:
            _add_people(factories, upgrade)


def _add_people(factories: Factories, upgrade: Upgrade) -> None:
    """Three left behind, one of whom could not be moved, and two who have the new license."""
    for number, name in enumerate(LEFT_BEHIND):
        result = {"result": MoveResult.NO_SEATS, "detail": NO_SEATS} if number == 0 else {}
        factories.user_license(upgrade, user_id=guid(name), user_principal_name=name, **result)
    for name in MOVED:
        state = {"state": UserLicenseState.MOVED, "holds_old": False, "holds_new": True}
        factories.user_license(upgrade, user_id=guid(name), user_principal_name=name, **state)


def _ended(status: UpgradeStatus, start: datetime, seconds: int, **more: Any) -> dict[str, Any]:
    end = start + timedelta(seconds=seconds)
    times = {"scheduled_at": start, "started_at": start, "finished_at": end, "changed_at": end}
    return {"status": status, "due_at": None, "step": UpgradeStep.VERIFYING} | times | more


def _identify(db: Session, upgrade: Upgrade) -> None:
    upgrade.request_id = UUID(guid(f"request {upgrade.id}"))
    upgrade.correlation_id = UUID(guid(f"correlation {upgrade.id}"))
    if upgrade.started_at is not None:
        upgrade.quantity = 25
        upgrade.source_microsoft_subscription_id = upgrade.subscription.microsoft_subscription_id
        upgrade.operation_id = guid(f"operation {upgrade.id}")
        upgrade.target_offer_id = "CFQ7TTC0LDPB:0001"
    db.flush()


def _tell(factories: Factories, upgrade: Upgrade) -> None:
    """The timeline."""
    factories.upgrade_event(upgrade, name="scheduled", at=upgrade.scheduled_at)
    if upgrade.started_at is None:
        if upgrade.finished_at is not None:
            factories.upgrade_event(
                upgrade, name="canceled", at=upgrade.finished_at, detail="by provider", attempt=0
            )
        return
    at = upgrade.started_at
    factories.upgrade_event(upgrade, name="started", at=at)
    factories.upgrade_event(
        upgrade, name="submitting", at=at + timedelta(seconds=2), request_id=str(upgrade.request_id)
    )
    if upgrade.waiting_for:
        factories.upgrade_event(
            upgrade, name="throttled", at=at + timedelta(seconds=3), attempt=1, detail=upgrade.waiting_for
        )
    if upgrade.finished_at is not None:
        name = upgrade.status.value
        factories.upgrade_event(upgrade, name=name, at=upgrade.finished_at, detail=upgrade.reason)
