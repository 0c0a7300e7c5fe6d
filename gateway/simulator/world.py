"""Everything the simulated Microsoft knows, and the clock it lives by."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from gateway.simulator.catalog import Catalog
from gateway.simulator.configuration import Configuration
from gateway.simulator.customer import Customer, assemble
from gateway.simulator.faults import Faults
from gateway.simulator.journal import Gauge, Journal
from gateway.simulator.messages import ServiceFaultError
from gateway.simulator.settlement import Settlement
from gateway.simulator.store import Store
from gateway.simulator.subscription import Subscription
from gateway.simulator.throttle import Throttle
from gateway.simulator.transition import Transition

CUSTOMERS_IN_MEMORY = 20_000


@dataclass(frozen=True)
class WorldOptions:
    """What a world is made from."""

    catalog: Path | None
    state: Path | None
    configuration: Configuration
    now: Callable[[], datetime]


class World:
    """Customers, made from the catalog when first asked for; `lock` is held for every use of it."""

    def __init__(self, options: WorldOptions) -> None:
        self.lock = threading.RLock()
        self.now = options.now
        self.store = Store(options.state)
        self.catalog = Catalog(options.catalog)
        self.throttle = Throttle()
        self._started_with = options.configuration
        self._customers: dict[str, Customer] = {}
        self._closed = False
        self._overrides: dict[str, Any] = self.store.get_meta("configuration") or {}
        self.configuration = options.configuration.changed(self._overrides)
        self.faults = Faults(self.store.get_meta("faults") or [])
        self.token_generation = int(self.store.get_meta("token_generation") or 0)
        self.journal = Journal(self.store)
        self.gauge = Gauge(self.store.all_transitions())
        self.refresh_catalog()
        self.commit()

    def close(self) -> None:
        with self.lock:
            if not self._closed:
                self.commit()
                self.store.close()
            self._closed = True

    def commit(self) -> None:
        """Make what has happened so far survive the end of the process."""
        if self.faults.changed:
            self.store.set_meta("faults", self.faults.as_list())
            self.faults.changed = False
        self.store.commit()

    def rollback(self) -> None:
        self.store.rollback()
        self._customers.clear()

    def refresh_catalog(self) -> None:
        if self.catalog.refresh(self.now()):
            self._customers.clear()

    def configure(self, values: dict[str, Any]) -> None:
        """:raises ValueError: naming the setting that is unknown or wrong"""
        self.configuration = self.configuration.changed(values)
        self._overrides |= values
        self.store.set_meta("configuration", self._overrides)

    def configure_as_started(self) -> None:
        self._overrides = {}
        self.store.set_meta("configuration", {})
        self.configuration = self._started_with

    def expire_tokens(self) -> None:
        """Every token issued so far is refused from now on."""
        self.token_generation += 1
        self.store.set_meta("token_generation", self.token_generation)

    def reset(self) -> None:
        """Forget what happened and read the catalog again; faults and settings stay."""
        self.store.forget()
        self.journal.forget()
        self.gauge = Gauge()
        self.throttle = Throttle()
        self._customers.clear()
        self.catalog.reload()
        self.refresh_catalog()

    def get_one_customer(self, customer_id: str) -> Customer:
        """Return a customer with everything done that is due by now.

        :raises ServiceFaultError: 404/1000 if there is no such customer
        """
        key = customer_id.lower()
        customer = self._customers.get(key) or self._load(key)
        if any(not each.settled for each in customer.transitions):
            Settlement(self, customer).settle(self.now())
        return customer

    def _load(self, key: str) -> Customer:
        known = self.catalog.customers.get(key)
        if known is None:
            raise ServiceFaultError(404, 1000, f"Customer {key} not found", [key])
        if len(self._customers) >= CUSTOMERS_IN_MEMORY:
            self._customers.clear()
        store = self.store
        if store.has_rows_of(key):
            customer = assemble(
                known,
                store.list_subscriptions(key),
                store.list_transitions(key),
                store.list_license_events(key),
            )
        else:
            customer = assemble(known, [], [], [])
        self._customers[key] = customer
        return customer

    def save(self, customer: Customer, subscription: Subscription) -> None:
        """Keep a new or changed subscription; its etag changes."""
        subscription.version += 1
        customer.subscriptions[subscription.id.lower()] = subscription
        self.store.save_subscription(subscription)

    def start(self, customer: Customer, transition: Transition) -> None:
        """Let an upgrade begin; what is already due of it happens at once."""
        self.store.add_transition(transition)
        customer.transitions.append(transition)
        self.gauge.add(transition)
        Settlement(self, customer).settle(self.now())

    def add_license_event(self, customer: Customer, event: dict[str, Any]) -> None:
        customer.license_events.append(event)
        self.store.add_license_event(customer.id, event)

    def new_id(self) -> str:
        return str(uuid4())
