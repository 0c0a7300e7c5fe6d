"""What an upgrade changes, done when its time has come and somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Protocol

from gateway.simulator.configuration import Configuration
from gateway.simulator.customer import Customer
from gateway.simulator.products import is_legacy, product_of
from gateway.simulator.store import Store
from gateway.simulator.subscription import Subscription, midnight
from gateway.simulator.transition import Transition
from gateway.simulator.users import move_event, moving_users, users_of


class Keeper(Protocol):
    """The part of the world that a settlement needs."""

    configuration: Configuration
    store: Store

    def save(self, customer: Customer, subscription: Subscription) -> None: ...

    def add_license_event(self, customer: Customer, event: dict[str, Any]) -> None: ...

    def new_id(self) -> str: ...


class Settlement:
    """Carries out what is due of one customer's upgrades, in the order in which it fell due."""

    def __init__(self, world: Keeper, customer: Customer) -> None:
        self._world = world
        self._customer = customer

    def settle(self, now: datetime) -> None:
        due = sorted(self._due(now), key=lambda entry: entry[0])
        for due_at, transition, step in due:
            step(transition, due_at)
        for transition in {entry[1].seq: entry[1] for entry in due}.values():
            self._world.store.save_transition(transition)

    def _due(
        self, now: datetime
    ) -> list[tuple[datetime, Transition, Callable[[Transition, datetime], None]]]:
        due: list[tuple[datetime, Transition, Callable[[Transition, datetime], None]]] = []
        for transition in self._customer.open_transitions():
            shows_at, finished_at = transition.shows_at, transition.finished_at
            converts = transition.failure_code is None and not transition.converted
            if converts and shows_at is not None and shows_at <= now:
                due.append((shows_at, transition, self._convert))
            if finished_at is not None and finished_at <= now:
                # The offer may lag behind; the upgrade is over only when everything shows.
                last = finished_at if not converts or shows_at is None else max(finished_at, shows_at)
                last += timedelta(seconds=transition.license_lag)
                if last <= now:
                    due.append((last, transition, self._finish))
        return due

    def _convert(self, transition: Transition, at: datetime) -> None:
        source = self._customer.get_one_subscription(transition.source_id)
        if transition.in_place:
            self._turn(source, transition, at)
        elif transition.kind == "upgrade":
            self._add(source, transition, at, order_id=self._world.new_id())
            source.status = self._world.configuration.legacy_source_status
        else:
            self._move_seats(source, transition, at)
        self._world.save(self._customer, source)
        transition.converted = True

    def _turn(self, source: Subscription, transition: Transition, at: datetime) -> None:
        title = product_of(transition.to_item).title
        if source.friendly_name == source.offer_name:
            source.friendly_name = title
        source.offer_id, source.offer_name = transition.to_item, title
        source.promotion_id = transition.promotion_id
        source.instructions = {}
        source.billing_cycle = transition.billing_cycle or source.billing_cycle
        if transition.term and transition.term != source.term:
            source.term, source.term_start_at = transition.term, midnight(at)

    def _move_seats(self, source: Subscription, transition: Transition, at: datetime) -> None:
        source.quantity -= transition.quantity
        source.instructions = {}
        if not transition.into_existing:
            self._add(source, transition, at, order_id=self._world.new_id().replace("-", "")[:12])
            return
        target = self._customer.get_one_subscription(transition.target_id)
        target.quantity += transition.quantity
        if source.quantity == 0:
            source.quantity, source.status, source.auto_renew = transition.quantity, "deleted", False
        self._world.save(self._customer, target)

    def _add(self, source: Subscription, transition: Transition, at: datetime, order_id: str) -> None:
        title = product_of(transition.to_item).title
        changed_term = bool(transition.term) and transition.term != source.term
        new = source.copy(
            id=transition.target_id,
            offer_id=transition.to_item,
            offer_name=title,
            friendly_name=title,
            quantity=transition.quantity,
            created_at=at,
            order_id=order_id,
            term=transition.term or source.term,
            billing_cycle=transition.billing_cycle or source.billing_cycle,
            promotion_id=transition.promotion_id,
            term_start_at=midnight(at)
            if changed_term or is_legacy(transition.to_item)
            else source.term_start_at,
            version=0,
        )
        self._world.save(self._customer, new)

    def _finish(self, transition: Transition, _at: datetime) -> None:
        if transition.failure_code is None and transition.moves_licenses:
            from_sku = product_of(transition.from_item).sku_id
            to_sku = product_of(transition.to_item).sku_id
            event = move_event(
                from_sku, to_sku, transition.source_id, transition.quantity, transition.licenses_failed
            )
            if transition.left_behind:
                moving = len(moving_users(users_of(self._customer), event))
                event["failed"] += ceil(transition.left_behind * (moving - event["failed"]))
            self._world.add_license_event(self._customer, event)
        transition.settled = True
