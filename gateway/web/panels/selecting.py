"""What a page of a plan was asked for: the filter, and the subscriptions that were selected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pyramid.request import Request
from webob.multidict import MultiDict

from gateway.models import ServicePlan, SubscriptionStatus, UpgradeStatus
from gateway.services.abilities import Abilities
from gateway.services.catalog_queries import CatalogQueries
from gateway.services.errors import CustomerManagementRequiredError, ServicePlanNotFoundError
from gateway.services.scheduling import MOST_SUBSCRIPTIONS
from gateway.services.sorting import Order
from gateway.services.subscription_queries import (
    SubscriptionFilter,
    SubscriptionQueries,
    SubscriptionSort,
    UpgradeStatusFilter,
)
from gateway.web.panels.sorting import asked_sort

SELECTED = "s"
"""The name of a row's tick; short, since many of them make an address."""
ALL = "all"


class Chosen(NamedTuple):
    """A filter as the query string has it, and either rows or everything that it matches."""

    wanted: SubscriptionFilter
    is_all: bool
    ids: tuple[str, ...]
    sort: SubscriptionSort = SubscriptionSort.ID
    descending: bool = False

    @property
    def order(self) -> Order:
        return self.sort.order(descending=self.descending)

    def list_query(self) -> list[tuple[str, str]]:
        """The filter, and the order where it is not that of every list."""
        name = f"-{self.sort.value}" if self.descending else self.sort.value
        return [*self.filter_query(), *([("sort", name)] if name != SubscriptionSort.ID.value else [])]

    def filter_query(self) -> list[tuple[str, str]]:
        """The filter as a query string has it; a bookmark of it finds the same."""
        wanted = self.wanted
        status = wanted.upgrade_status
        values = {
            "text": wanted.text,
            "vendor": wanted.vendor_id,
            "status": wanted.status.value if wanted.status else None,
            "upgrade_status": status.value if isinstance(status, UpgradeStatus) else status,
        }
        return [(name, value) for name, value in values.items() if value]

    def query(self) -> list[tuple[str, str]]:
        """The filter, the order and what was selected."""
        selected = [(ALL, "1")] if self.is_all else [(SELECTED, key) for key in self.ids]
        return [*self.list_query(), *selected]

    def count(self, queries: SubscriptionQueries) -> int:
        """How many were selected; more than may be scheduled at once count as one more than that."""
        if self.is_all:
            return queries.count(self.wanted, at_most=MOST_SUBSCRIPTIONS + 1)
        return len(self.ids)

    def subscription_ids(
        self, queries: SubscriptionQueries, at_most: int = MOST_SUBSCRIPTIONS + 1
    ) -> Sequence[str]:
        """One more than may be scheduled at once is enough to refuse it."""
        if self.is_all:
            return queries.find_ids(self.wanted, at_most=at_most)
        return self.ids[:at_most]


def find_plan(request: Request) -> ServicePlan:
    """The plan that the address names.

    :raises ServicePlanNotFoundError: if it does not exist for the caller, or not at this address
    :raises CustomerManagementRequiredError: if a reseller is not open to upgrades of its instance
    """
    check_plan(request)
    return CatalogQueries(request.db, request.caller).plan(request.matchdict["plan_id"])


def check_plan(request: Request) -> None:
    """The same checks, when nothing of the plan is needed.

    :raises GatewayError: as `find_plan` does
    """
    plan_id = request.matchdict["plan_id"]
    instance_id = CatalogQueries(request.db, request.caller).instance_of(plan_id)
    if request.matchdict.get("instance_id", instance_id) != instance_id:
        raise ServicePlanNotFoundError([plan_id])
    missing = Abilities(request.db).missing(request.caller, instance_id)
    if missing is not None:
        raise CustomerManagementRequiredError(missing.describe(request.caller))


def chosen(request: Request, plan: ServicePlan) -> Chosen:
    """What the query string or the form says; a value that makes no sense is as good as none."""
    given: MultiDict[str, str] = request.params
    wanted = SubscriptionFilter(
        service_plan_id=plan.id,
        text=_text(given, "text"),
        vendor_id=_text(given, "vendor"),
        status=_member(SubscriptionStatus, given.get("status")),
        upgrade_status=_upgrade_status(given.get("upgrade_status")),
    )
    ids = tuple(dict.fromkeys(str(key) for key in given.getall(SELECTED)))
    sort, descending = asked_sort(SubscriptionSort, given.get("sort"), SubscriptionSort.ID.value)
    return Chosen(wanted, bool(given.get(ALL)), ids, sort, descending)


def _text(given: MultiDict[str, str], name: str) -> str | None:
    return str(given.get(name, "")).strip() or None


def _member(kind: type[SubscriptionStatus], value: object) -> SubscriptionStatus | None:
    return next((each for each in kind if each.value == value), None)


def _upgrade_status(value: object) -> UpgradeStatusFilter | None:
    if value == "none":
        return "none"
    return next((each for each in UpgradeStatus if each.value == value), None)
