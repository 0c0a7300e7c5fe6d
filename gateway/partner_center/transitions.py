"""New-commerce transitions: which ones are possible, asking for one, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.partner_center.reading import Record, UnreadableError, parse_member
from gateway.partner_center.reasons import TRANSITION_REASONS, Reason, read_reasons

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class TransitionType(StrEnum):
    """What else moves with the seats."""

    ONLY = "transition_only"
    WITH_LICENSE_TRANSFER = "transition_with_license_transfer"


_TYPES = {0: "none", 1: TransitionType.ONLY.value, 2: TransitionType.WITH_LICENSE_TRANSFER.value}


class TransitionRequest(NamedTuple):
    to_catalog_item_id: str
    quantity: int
    transition_type: str
    term_duration: str | None = None
    billing_cycle: str | None = None

    def body(self, from_subscription_id: str) -> dict[str, Any]:
        """The JSON object to send; what is not said stays as it is in the source."""
        fields = {
            "fromSubscriptionId": from_subscription_id,
            "toCatalogItemId": self.to_catalog_item_id,
            "quantity": self.quantity,
            "transitionType": str(self.transition_type),
            "termDuration": self.term_duration,
            "billingCycle": self.billing_cycle,
        }
        return {name: value for name, value in fields.items() if value is not None}


class TransitionState(Enum):
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_LICENSE_ERRORS = "completed_with_license_errors"
    """The seats moved, the licences of some people did not."""
    FAILED = "failed"


class EventStatus(Enum):
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"


_STATUS_SYNONYMS = {"in_progress": "started", "inprogress": "started", "succeeded": "completed"}
_CONVERSION, _LICENSES = "conversion", "license_reassignment"
_STAGE_SYNONYMS = {"seat_reassignment": _LICENSES}


class TransitionEvent(NamedTuple):
    """One entry of a transition's history; a stage has several entries of the same name."""

    name: str
    """`conversion`, `license_reassignment`, or what Microsoft calls a stage added since."""
    status: EventStatus
    status_text: str = ""
    occurred_at: datetime | None = None
    errors: tuple[Reason, ...] = ()


class Transition(NamedTuple):
    operation_id: str | None
    from_catalog_item_id: str
    to_catalog_item_id: str
    from_subscription_id: str
    to_subscription_id: str
    """Empty unless another subscription than the source resulted."""
    quantity: int
    transition_type: str
    events: tuple[TransitionEvent, ...] = ()

    @property
    def state(self) -> TransitionState:
        """What the newest event of each stage says."""
        conversion, licenses = self._status_of(_CONVERSION), self._status_of(_LICENSES)
        if conversion is EventStatus.FAILED:
            return TransitionState.FAILED
        if conversion is not EventStatus.COMPLETED:
            return TransitionState.RUNNING
        if licenses is EventStatus.FAILED:
            return TransitionState.COMPLETED_WITH_LICENSE_ERRORS
        return (
            TransitionState.COMPLETED
            if licenses in (None, EventStatus.COMPLETED)
            else TransitionState.RUNNING
        )

    @property
    def started_at(self) -> datetime | None:
        return min((event.occurred_at for event in self.events if event.occurred_at), default=None)

    @property
    def errors(self) -> tuple[Reason, ...]:
        return tuple(error for event in self.events for error in event.errors)

    def _status_of(self, stage: str) -> EventStatus | None:
        events = [event for event in self.events if event.name == stage]
        return max(enumerate(events), key=_age)[1].status if events else None


def _age(numbered: tuple[int, TransitionEvent]) -> tuple[datetime, bool, int]:
    """Order by time; at the same time an end comes after a start, whatever the order of the list."""
    position, event = numbered
    is_end = event.status in (EventStatus.COMPLETED, EventStatus.FAILED)
    return event.occurred_at or _LONG_AGO, is_end, position


def read_transition(record: Record) -> Transition:
    operation_id, to_catalog_item_id = record.text("operationId"), record.text("toCatalogItemId")
    if not operation_id and not to_catalog_item_id:
        raise UnreadableError("operationId and toCatalogItemId are missing")
    return Transition(
        operation_id=operation_id or None,
        from_catalog_item_id=record.text("fromCatalogItemId"),
        to_catalog_item_id=to_catalog_item_id,
        from_subscription_id=record.text("fromSubscriptionId"),
        to_subscription_id=record.text("toSubscriptionId"),
        quantity=record.count("quantity"),
        transition_type=record.word("transitionType", _TYPES),
        events=tuple(_read_event(event) for event in record.records("events")),
    )


def _read_event(record: Record) -> TransitionEvent:
    name, status = record.word("name"), record.word("status")
    return TransitionEvent(
        name=_STAGE_SYNONYMS.get(name, name),
        status=parse_member(EventStatus, _STATUS_SYNONYMS.get(status, status), EventStatus.UNKNOWN),
        status_text=record.text("status"),
        occurred_at=record.moment("timestamp"),
        errors=read_reasons(record, "errors", TRANSITION_REASONS),
    )


class Eligibility(NamedTuple):
    is_eligible: bool
    errors: tuple[Reason, ...]


class TransitionEligibility(NamedTuple):
    """One offer that a subscription could move to, and for each transition type whether it may."""

    catalog_item_id: str
    title: str
    quantity: int
    by_type: Mapping[str, Eligibility]
    """Either type may be missing."""


def read_eligibility(record: Record) -> TransitionEligibility:
    by_type = {
        entry.word("transitionType", _TYPES): Eligibility(
            entry.flag("isEligible"), read_reasons(entry, "errors", TRANSITION_REASONS)
        )
        for entry in record.records("eligibilities")
    }
    return TransitionEligibility(
        catalog_item_id=record.required_text("catalogItemId"),
        title=record.text("title"),
        quantity=record.count("quantity"),
        by_type=MappingProxyType(by_type),
    )
