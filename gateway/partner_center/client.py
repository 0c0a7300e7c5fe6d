"""The client of Partner Center: one method for each resource and verb, values in and values out."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx2

from gateway.partner_center.connection import Connection, Timeouts, is_local
from gateway.partner_center.credentials import Credentials
from gateway.partner_center.customers import Customer, read_customer
from gateway.partner_center.errors import RefusedError
from gateway.partner_center.licenses import (
    License,
    LicenseWarning,
    SubscribedSKU,
    User,
    license_update_body,
    read_license,
    read_license_warnings,
    read_subscribed_sku,
    read_user,
)
from gateway.partner_center.offers import read_offer_targets, read_sku_targets
from gateway.partner_center.reading import items, same_id
from gateway.partner_center.session import Call, Session, json_content, path_of
from gateway.partner_center.subscriptions import (
    MicrosoftSubscription,
    ProvisioningStatus,
    is_new_commerce_offer,
    read_provisioning_status,
    read_subscription,
)
from gateway.partner_center.tokens import TokenSource
from gateway.partner_center.transitions import (
    Transition,
    TransitionEligibility,
    TransitionRequest,
    read_eligibility,
    read_transition,
)
from gateway.partner_center.upgrades import (
    LegacyUpgrade,
    LegacyUpgradeResult,
    read_upgrade,
    read_upgrade_result,
)

PAGE_SIZE = 500
_UPGRADE_READ_TIMEOUT = 180.0
"""Seconds: Microsoft carries out a legacy upgrade before it answers."""


class PartnerCenterClient:
    """Partner Center for one partner; safe to use from many threads.

    Every method raises a PartnerCenterError and nothing else, whatever the server answers. Nothing is
    repeated here but a call whose token was refused: only the caller knows whether a repetition is safe.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        timeout: Timeouts | None = None,
        max_connections: int = 20,
        transport: httpx2.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_refresh_token: Callable[[str], None] | None = None,
    ) -> None:
        self._timeouts = timeout or Timeouts()
        connection = Connection(
            self._timeouts, max_connections, transport=transport, local=is_local(credentials.base_url)
        )
        tokens = TokenSource(credentials, connection, clock=clock, on_refresh_token=on_refresh_token)
        self._session = Session(credentials.api_url, connection, tokens)
        self._correlation_id = ""
        self._is_view = False

    @property
    def supports_users(self) -> bool:
        """Whether calls are made for a user (App+User), as calls about users and licences need it."""
        return self._session.tokens.supports_users

    def for_correlation(self, correlation_id: str) -> PartnerCenterClient:
        """A view that sends this MS-CorrelationId; sharing connections and tokens; it needs no closing."""
        view = copy.copy(self)
        view._correlation_id = str(correlation_id)
        view._is_view = True
        return view

    def close(self) -> None:
        """Close the connections; a view leaves them to the client that it comes from."""
        if not self._is_view:
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Customers

    def check_connection(self) -> None:
        """Sign in and read one customer; raise what is wrong."""
        self._session.read(self._get(path_of("customers", size=1)), items)

    def list_customers(self) -> Iterator[Customer]:
        return self._session.pages(self._get(path_of("customers", size=PAGE_SIZE)), read_customer)

    def get_customer(self, customer_id: str) -> Customer:
        return self._session.read(self._get(path_of("customers", customer_id)), read_customer)

    def is_domain_available(self, domain: str) -> bool:
        """Whether no tenant has the domain yet."""
        try:
            self._session.send(self._call("HEAD", path_of("domains", domain)))
        except RefusedError as exc:
            if exc.is_not_found:
                return True
            raise
        return False

    # Subscriptions

    def list_subscriptions(self, customer_id: str) -> list[MicrosoftSubscription]:
        call = self._get(path_of("customers", customer_id, "subscriptions"))
        return list(self._session.pages(call, read_subscription))

    def get_subscription(self, customer_id: str, subscription_id: str) -> MicrosoftSubscription:
        return self._session.read(self._get(_subscription(customer_id, subscription_id)), read_subscription)

    def get_provisioning_status(self, customer_id: str, subscription_id: str) -> ProvisioningStatus:
        call = self._get(_subscription(customer_id, subscription_id, "provisioningstatus"))
        return self._session.read(call, read_provisioning_status)

    # Transitions (new commerce)

    def list_transition_eligibilities(
        self, customer_id: str, subscription_id: str
    ) -> list[TransitionEligibility]:
        """The offers that the subscription could move to at once; none means that there is no path."""
        path = _subscription(
            customer_id, subscription_id, "transitionEligibilities", eligibilityType="immediate"
        )
        return list(self._session.pages(self._get(path), read_eligibility))

    def create_transition(
        self, customer_id: str, subscription_id: str, transition: TransitionRequest, request_id: str
    ) -> Transition:
        """Ask for a transition; it goes on after the answer."""
        path = _subscription(customer_id, subscription_id, "transitions")
        call = self._post(path, json_content(transition.body(subscription_id)), request_id)
        return self._session.read(call, read_transition)

    def list_transitions(
        self, customer_id: str, subscription_id: str, operation_id: str | None = None
    ) -> list[Transition]:
        """The transitions of a source subscription, or the one with that operation id."""
        path = _subscription(customer_id, subscription_id, "transitions", operationId=operation_id)
        found = list(self._session.pages(self._get(path), read_transition, "items", "transition"))
        if operation_id is None:
            return found
        return [one for one in found if one.operation_id is None or same_id(one.operation_id, operation_id)]

    # Upgrades (legacy)

    def list_upgrades(self, customer_id: str, subscription_id: str) -> list[LegacyUpgrade]:
        call = self._get(_subscription(customer_id, subscription_id, "upgrades"))
        return list(self._session.pages(call, read_upgrade))

    def create_upgrade(
        self, customer_id: str, subscription_id: str, legacy_upgrade: LegacyUpgrade, request_id: str
    ) -> LegacyUpgradeResult:
        """Carry out an upgrade from the list; it is over when the answer comes, which may take minutes."""
        call = self._post(
            _subscription(customer_id, subscription_id, "upgrades"),
            legacy_upgrade.raw.encode(),
            request_id,
            timeout=self._timeouts.with_read(_UPGRADE_READ_TIMEOUT),
        )
        return self._session.read(call, read_upgrade_result)

    # Catalog

    def get_upgrade_target_offers(self, offer_id: str, country: str = "US") -> tuple[str, ...]:
        """What an offer can be upgraded to: `product:sku` for `product:sku`, GUIDs for a GUID."""
        if is_new_commerce_offer(offer_id):
            product, sku = offer_id.split(":")[:2]
            call = self._get(path_of("products", product, "skus", sku, country=country))
            return self._session.read(call, read_sku_targets)
        return self._session.read(self._get(path_of("offers", offer_id, country=country)), read_offer_targets)

    # Licences (App+User)

    def list_subscribed_skus(self, customer_id: str) -> list[SubscribedSKU]:
        call = self._get(path_of("customers", customer_id, "subscribedskus"))
        return list(self._session.pages(call, read_subscribed_sku))

    def list_users(self, customer_id: str) -> Iterator[User]:
        return self._session.pages(
            self._get(path_of("customers", customer_id, "users", size=PAGE_SIZE)), read_user
        )

    def list_licenses(self, customer_id: str, user_id: str) -> list[License]:
        call = self._get(path_of("customers", customer_id, "users", user_id, "licenses"))
        return list(self._session.pages(call, read_license))

    def update_licenses(
        self,
        customer_id: str,
        user_id: str,
        assign: Iterable[str],
        remove: Iterable[str],
        request_id: str,
        *,
        excluded_plan_ids: Iterable[str] = (),
    ) -> list[LicenseWarning]:
        """Give and take licences (directory SKU ids) in one step.

        :param excluded_plan_ids: services of what is given that the user shall not have
        """
        path = path_of("customers", customer_id, "users", user_id, "licenseupdates")
        call = self._post(
            path, json_content(license_update_body(assign, remove, excluded_plan_ids)), request_id
        )
        return self._session.read(call, read_license_warnings)

    def _get(self, path: str) -> Call:
        return self._call("GET", path)

    def _post(self, path: str, content: bytes, request_id: str, **more: Any) -> Call:
        return self._call("POST", path, content=content, request_id=str(request_id), **more)

    def _call(self, method: str, path: str, **more: Any) -> Call:
        return Call(method=method, path=path, correlation_id=self._correlation_id, **more)


def _subscription(customer_id: str, subscription_id: str, *more: str, **query: str | int | None) -> str:
    return path_of("customers", customer_id, "subscriptions", subscription_id, *more, **query)
