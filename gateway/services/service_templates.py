"""Service templates: the resource types of an application instance, of which plans are made."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from gateway.models import ServicePlan, ServiceTemplate
from gateway.services.administration import require_provider_administrator
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Caller
from gateway.services.catalog.describing import describe_template
from gateway.services.catalog.editing import (
    CatalogEditing,
    Entry,
    InvalidEntryError,
    free_key,
    require_unchanged,
    slug,
)
from gateway.services.catalog.errors import NOTHING, CatalogProblem
from gateway.services.catalog_queries import CatalogQueries
from gateway.services.errors import NotFoundError
from gateway.services.keys import is_text_id

log = logging.getLogger(__name__)


class ServiceTemplateNotFoundError(NotFoundError):
    code = "service_template_not_found"
    kind = "service template"


class TemplateRow(NamedTuple):
    """A template with its resource types, and how many plans are based on it."""

    template: ServiceTemplate
    plans: int


class ServiceTemplates:
    """The templates as the provider sees them; nobody else does."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def list(self, instance_id: str) -> Sequence[TemplateRow]:
        """Return the templates of an instance by name.

        :raises ApplicationInstanceNotFoundError: if the instance does not exist for the caller
        """
        instance = CatalogQueries(self._db, self._caller).application_instance(instance_id)
        plans = (
            select(func.count())
            .select_from(ServicePlan)
            .where(ServicePlan.service_template_id == ServiceTemplate.id)
            .scalar_subquery()
        )
        query = (
            select(ServiceTemplate, plans)
            .where(ServiceTemplate.application_instance_id == instance.id)
            .options(selectinload(ServiceTemplate.resource_types))
            .order_by(ServiceTemplate.name, ServiceTemplate.id)
        )
        return [TemplateRow(*row) for row in self._db.execute(query)] if self._caller.is_provider else []

    def get_one(self, instance_id: str, template_id: str) -> TemplateRow:
        """:raises ServiceTemplateNotFoundError: if the instance has no such template for the caller"""
        for row in self.list(instance_id) if is_text_id(template_id) else ():
            if row.template.id == template_id:
                return row
        raise ServiceTemplateNotFoundError([template_id])

    def create(self, instance_id: str, draft: Entry, now: datetime) -> ServiceTemplate:
        """
        :param draft: `name` and `resource_types` of a catalog entry; the types get their ids here
        :raises InvalidEntryError: if the catalog does not take it
        """
        require_provider_administrator(self._caller)
        CatalogQueries(self._db, self._caller).application_instance(instance_id)
        editing = CatalogEditing(self._db)
        template_id = editing.new_id(ServiceTemplate, str(draft["name"]))
        entry = draft | {"id": template_id, "application_instance": instance_id}
        editing.save(ServiceTemplate, _complete(entry), now=now)
        self._record(AuditAction.SERVICE_TEMPLATE_CREATED, entry, now)
        log.info("Service template created: template=%s instance=%s", template_id, instance_id)
        return self._db.get_one(ServiceTemplate, template_id)

    def change(
        self, instance_id: str, template_id: str, draft: Entry, *, seen: datetime | None, now: datetime
    ) -> ServiceTemplate:
        """Save name and resource types; those that are there keep their kind, and none goes away.

        :raises ServiceTemplateNotFoundError: if the instance has no such template
        :raises ChangedMeanwhileError: if it was changed after `seen`
        :raises InvalidEntryError: if the catalog does not take it
        """
        require_provider_administrator(self._caller)
        editing = CatalogEditing(self._db)
        template = self.get_one(instance_id, template_id).template
        require_unchanged(f"Service template {template.name}", seen, template.updated_at)
        present = describe_template(template)
        kinds = {each["id"]: each["kind"] for each in present["resource_types"]}
        types = [each | {"kind": kinds.get(each.get("id"), each["kind"])} for each in draft["resource_types"]]
        entry = present | {"name": draft["name"], "resource_types": types}
        editing.save(ServiceTemplate, _complete(entry, set(kinds)), now=now)
        self._record(AuditAction.SERVICE_TEMPLATE_CHANGED, entry, now)
        log.info("Service template changed: template=%s", template_id)
        return self._db.get_one(ServiceTemplate, template_id)

    def _record(self, action: AuditAction, entry: Entry, now: datetime) -> None:
        names = ", ".join(str(each["name"]) for each in entry["resource_types"])
        Audit(self._db).record(
            action,
            self._caller.actor,
            now,
            account_id=self._caller.account_id,
            subject=f"service template {entry['name']} ({entry['id']})",
            detail=f"Resource types: {names}",
        )


def _complete(entry: Entry, present: set[str] | frozenset[str] = frozenset()) -> Entry:
    """With an id for each resource type that has none yet.

    :raises InvalidEntryError: if there is no resource type
    """
    if not entry["resource_types"]:
        problem = CatalogProblem("resource_types", NOTHING, "at least one resource type")
        raise InvalidEntryError([problem])
    used, types = set(present), []
    for each in entry["resource_types"]:
        key = each.get("id") or free_key(slug(f"{each['kind']} {each['name']}") or "resource", used)
        used.add(key)
        types.append(each | {"id": key, "offer_id": each["offer_id"] or None})
    return entry | {"resource_types": types}
