"""The calls about instances, plans and subscriptions, and the import of a catalog."""

from __future__ import annotations

from pathlib import Path

from pyramid.request import Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import models
from gateway.db import utcnow
from gateway.services.catalog import import_catalog, keep_for_simulator
from gateway.services.catalog_queries import CatalogQueries
from gateway.services.subscription_queries import SubscriptionQueries
from gateway.services.upgrade_paths import UpgradePaths
from gateway.web.api.call import Answer, answer
from gateway.web.api.presenting_catalog import (
    present_instance,
    present_plan,
    present_subscription,
    present_target,
)
from gateway.web.api.schemas_catalog import (
    ApplicationInstanceList,
    CatalogAnswer,
    ServicePlanList,
    ServicePlanQuery,
    SubscriptionList,
    SubscriptionQuery,
    UpgradeTargetList,
)
from gateway.web.registry import CLIENTS, SETTINGS, SIMULATOR_CATALOG


def list_application_instances(request: Request, _asked: None) -> Answer:
    instances = CatalogQueries(request.db, request.caller).application_instances()
    return answer(ApplicationInstanceList(items=[present_instance(each) for each in instances], next=None))


def list_service_plans(request: Request, asked: ServicePlanQuery) -> Answer:
    queries = CatalogQueries(request.db, request.caller)
    page = queries.service_plans(asked.application_instance, cursor=asked.cursor, limit=asked.limit)
    return answer(ServicePlanList(items=[present_plan(row) for row in page.items], next=page.next_cursor))


def get_service_plan(request: Request, _asked: None) -> Answer:
    queries = CatalogQueries(request.db, request.caller)
    return answer(present_plan(queries.service_plan(request.matchdict["service_plan_id"])))


def list_upgrade_targets(request: Request, _asked: None) -> Answer:
    plan_id = request.matchdict["service_plan_id"]
    paths = upgrade_paths(request, request.db)
    targets = CatalogQueries(request.db, request.caller).upgrade_targets(plan_id, paths, utcnow())
    items = [present_target(target) for target in targets if target.available]
    unavailable = [present_target(target) for target in targets if not target.available]
    return answer(UpgradeTargetList(items=items, unavailable=unavailable, next=None))


def list_subscriptions(request: Request, asked: SubscriptionQuery) -> Answer:
    page = SubscriptionQueries(request.db, request.caller).list(
        service_plan_id=asked.service_plan,
        upgrade_status=asked.upgrade_status,
        cursor=asked.cursor,
        limit=asked.limit,
    )
    items = [present_subscription(row) for row in page.items]
    return answer(SubscriptionList(items=items, next=page.next_cursor))


def get_subscription(request: Request, _asked: None) -> Answer:
    queries = SubscriptionQueries(request.db, request.caller)
    return answer(present_subscription(queries.get(request.matchdict["subscription_id"])))


def import_whole_catalog(request: Request, document: object) -> Answer:
    """The importer checks the document; a simulator gets its copy once the import is committed."""
    summary = import_catalog(request.db, document, now=utcnow(), by=request.caller.actor)
    folder: Path | None = request.registry[SIMULATOR_CATALOG]
    simulated = any(each.is_simulated for each in request.registry[SETTINGS].application_instances)
    if folder is not None and simulated:
        request.after_commit(lambda: keep_for_simulator(document, folder))
    return answer(CatalogAnswer.model_validate(summary.as_dict()))


def upgrade_paths(request: Request, db: Session) -> UpgradePaths:
    """Paths from the table, or from the Partner Center of the instance."""

    def ask(instance_id: str, offer_id: str) -> list[str] | None:
        named = select(models.ApplicationInstance.name).where(models.ApplicationInstance.id == instance_id)
        name = db.scalars(named).one()
        offers = request.registry[CLIENTS].ask_upgrade_targets(name, offer_id)
        return None if offers is None else list(offers)

    return UpgradePaths(db, ask)
