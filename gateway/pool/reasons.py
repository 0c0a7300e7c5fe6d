"""Why a worker is started or replaced."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """As status, events and logs say it."""

    START = "start"
    FIRST_REQUEST = "first request"
    AFTER_FAILURE = "restart after a failure"
    TIME = "time limit"
    REQUESTS = "request limit"
    SCHEDULE = "scheduled time"
    PRIVATE_MEMORY = "private memory limit"
    ON_DEMAND = "on demand"
    SIGNAL = "signal"
    CONFIG_CHANGE = "configuration change"
    SIMULATOR_MOVED = "the simulator moved to another port"
