"""Faults that a test asks for; which requests they hit is counted, never left to chance."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.simulator.messages import Json, Request


class Stage(StrEnum):
    """When a fault has its say about a request."""

    BEFORE = "before"
    ELIGIBILITY = "eligibility"
    WORK = "work"
    AFTER = "after"


CHANGES = frozenset({"transition", "upgrade"})
ANY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Action:
    stage: Stage
    kinds: frozenset[str] = ANY
    """The kinds of requests it is about, unless the fault names one."""
    options: dict[str, Any] = field(default_factory=dict)
    """Its parameters and their defaults."""


ACTIONS = {
    "status": Action(
        Stage.BEFORE,
        options={
            "status": 503,
            "code": 800003,
            "description": "Unexpected service error",
            "headers": {},
            "body": None,
            "retry_after": None,
        },
    ),
    "throttle": Action(Stage.BEFORE, options={"retry_after": 57}),
    "delay": Action(Stage.BEFORE, options={"seconds": 1.0}),
    "drop_before": Action(Stage.BEFORE),
    "hang_before": Action(Stage.BEFORE, options={"seconds": 60.0}),
    "expire_tokens": Action(Stage.BEFORE),
    "customer_busy": Action(Stage.BEFORE, CHANGES | {"subscription_update"}),
    "ineligible": Action(
        Stage.ELIGIBILITY,
        CHANGES | {"upgrades", "eligibilities"},
        {"code": 0, "description": "", "omit": False, "target": None},
    ),
    "transition_fails": Action(Stage.WORK, CHANGES, {"code": 0}),
    "license_errors": Action(Stage.WORK, CHANGES, {"users": 1}),
    "users_left_behind": Action(Stage.WORK, CHANGES, {"share": 0.5}),
    "licenses_lag": Action(Stage.WORK, CHANGES, {"seconds": 5.0}),
    "never_finishes": Action(Stage.WORK, CHANGES),
    "history_lags": Action(Stage.WORK, CHANGES, {"seconds": 5.0}),
    "offer_lags": Action(Stage.WORK, CHANGES, {"seconds": 5.0}),
    "drop_after": Action(Stage.AFTER),
    "status_after": Action(
        Stage.AFTER,
        options={
            "status": 500,
            "code": 800003,
            "description": "Unexpected service error",
            "headers": {},
            "body": None,
            "retry_after": None,
        },
    ),
    "hang_after": Action(Stage.AFTER, options={"seconds": 60.0}),
    "garbage": Action(Stage.AFTER, options={"garbage": "html"}),
}
GARBAGE = ("html", "truncated", "bom", "empty")
MATCH_KEYS = ("method", "path", "kind", "subscription_id")
SCHEDULE_KEYS = ("times", "after", "every")


@dataclass(slots=True)
class Fault:
    """One fault; `seen` counts the requests that matched, `fired` those that it hit."""

    id: int
    action: str
    match: dict[str, str]
    options: dict[str, Any]
    times: int | None = None
    after: int | None = None
    every: int | None = None
    seen: int = 0
    fired: int = 0

    @property
    def kind(self) -> Action:
        return ACTIONS[self.action]

    def matches(self, request: Request) -> bool:
        if not self._matches_kind(request.kind):
            return False
        if (method := self.match.get("method")) and method.upper() != request.method:
            return False
        if (path := self.match.get("path")) and not re.search(path, request.path, re.IGNORECASE):
            return False
        wanted = self.match.get("subscription_id")
        return not wanted or wanted.lower() == request.params.get("subscription_id", "").lower()

    def _matches_kind(self, kind: str) -> bool:
        if wanted := self.match.get("kind"):
            return wanted == kind
        return not self.kind.kinds or kind in self.kind.kinds

    def count(self) -> bool:
        """Count one matching request and tell whether it is hit."""
        self.seen += 1
        late = self.seen - (self.after or 0)
        if late <= 0 or late % (self.every or 1) or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True

    def as_dict(self) -> Json:
        schedule = {"times": self.times, "after": self.after, "every": self.every}
        counts = {"seen": self.seen, "fired": self.fired}
        return {
            "id": self.id,
            "action": self.action,
            "match": self.match,
            **self.options,
            **schedule,
            **counts,
        }


class Faults:
    """All faults in force; several may hit one request."""

    def __init__(self, saved: Iterable[Json] = ()) -> None:
        self._faults: list[Fault] = []
        self._next_id = 1
        self.changed = False
        for values in saved:
            fault = self.add(
                {key: value for key, value in values.items() if key not in ("id", "seen", "fired")}
            )
            fault.id, fault.seen, fault.fired = values["id"], values["seen"], values["fired"]
            self._next_id = max(self._next_id, fault.id + 1)
        self.changed = False

    def add(self, values: Json) -> Fault:
        """Take in a fault as it comes over the control path.

        :raises ValueError: naming what is wrong with it
        """
        action = values.get("action")
        if action not in ACTIONS:
            raise ValueError(f"action: expected one of {', '.join(ACTIONS)}, got {action!r}")
        allowed = {"action", "match", *SCHEDULE_KEYS, *ACTIONS[action].options}
        if unknown := sorted(set(values) - allowed):
            raise ValueError(f"{unknown[0]} is not known for {action}, expected {', '.join(sorted(allowed))}")
        options = {name: values.get(name, default) for name, default in ACTIONS[action].options.items()}
        if action == "garbage" and options["garbage"] not in GARBAGE:
            raise ValueError(f"garbage: expected one of {', '.join(GARBAGE)}, got {options['garbage']!r}")
        times, after, every = (_count(key, values.get(key)) for key in SCHEDULE_KEYS)
        match = _match(values.get("match"))
        fault = Fault(self._next_id, action, match, options, times, after, every)
        self._faults.append(fault)
        self._next_id += 1
        self.changed = True
        return fault

    def fire(self, stage: Stage, request: Request) -> list[Fault]:
        """Count the request in every fault of a stage and return those that hit it."""
        if not self._faults:
            return []
        matching = [each for each in self._faults if each.kind.stage is stage and each.matches(request)]
        self.changed = self.changed or bool(matching)
        return [fault for fault in matching if fault.count()]

    def clear(self) -> None:
        self._faults.clear()
        self.changed = True

    def as_list(self) -> list[Json]:
        return [fault.as_dict() for fault in self._faults]


def _match(match: Any) -> dict[str, str]:
    match = match or {}
    if not isinstance(match, dict) or set(match) - set(MATCH_KEYS):
        raise ValueError(f"match: expected an object of {', '.join(MATCH_KEYS)}, got {match!r}")
    wanted = {key: str(value) for key, value in match.items() if value}
    try:
        re.compile(wanted.get("path", ""))
    except re.error as exc:
        raise ValueError(f"match.path: {exc}") from None
    return wanted


def _count(key: str, value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or (key == "every" and value == 0):
        raise ValueError(f"{key}: expected a whole number, got {value!r}")
    return value
