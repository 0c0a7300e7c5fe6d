"""The kinds of events of the pool. Where IIS has an event for it, it has the same number here.

Numbers from 9000 on are our own.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from gateway.pool.reasons import Reason


class EventKind(NamedTuple):
    """One kind; `text` is the same for all events of it, what differs is in their details."""

    id: int
    level: int
    text: str


def _information(number: int, text: str) -> EventKind:
    return EventKind(number, logging.INFO, text)


def _warning(number: int, text: str) -> EventKind:
    return EventKind(number, logging.WARNING, text)


def _error(number: int, text: str) -> EventKind:
    return EventKind(number, logging.ERROR, text)


RAPID_FAIL = _error(5002, "Pool stopped by rapid-fail protection")
WORKER_ENDED = _error(5009, "Worker ended unexpectedly")
PING_FAILED = _warning(5010, "Worker did not answer a ping")
START_OVERRUN = _warning(5012, "Worker exceeded the start-up time limit")
SHUTDOWN_OVERRUN = _warning(5013, "Worker exceeded the shut-down time limit and was ended")
NOT_SPAWNED = _error(5059, "Worker process could not be started")
RECYCLE_FAILED = _error(5093, "Recycle failed, the old worker serves on")
WORKER_IDLE = _information(5186, "Worker was idle and is ended; the next request starts one")

RECYCLES = {
    Reason.TIME: _information(5074, "Recycle: the worker reached its time limit"),
    Reason.REQUESTS: _information(5075, "Recycle: the worker reached its request limit"),
    Reason.SCHEDULE: _information(5076, "Recycle: it is a scheduled time"),
    Reason.ON_DEMAND: _information(5079, "Recycle: an administrator asked for it"),
    Reason.SIGNAL: _information(5079, "Recycle: an administrator asked for it by a signal"),
    Reason.CONFIG_CHANGE: _information(5080, "Recycle: the configuration changed"),
    Reason.PRIVATE_MEMORY: _information(5117, "Recycle: the worker reached its private memory limit"),
}
RECYCLE_OTHER = _information(9010, "Recycle")

POOL_STARTING = _information(9000, "Pool starting")
POOL_STOPPING = _information(9001, "Pool stopping")
POOL_STOPPED = _information(9002, "Pool stopped")
POOL_WAITS = _information(9003, "Pool started, the first request starts a worker")
WORKER_STARTING = _information(9011, "Worker starting")
WORKER_SERVES = _information(9012, "Worker started well and serves")
WORKER_NOT_STARTED = _error(9013, "Worker did not start")
WORK_NOT_HANDED_OVER = _warning(9014, "Work not handed over in time")
SPARE_LOST = _warning(9015, "Spare worker ended")
QUEUE_FULL = _warning(9016, "Queue full: clients were answered 503")
CONFIG_REFUSED = _error(9020, "Configuration refused, the last good values are kept")
CONFIG_ROLLED_BACK = _error(9021, "Configuration rolled back to the last good values")
CONFIG_WITHOUT_EFFECT = _information(9022, "Configuration changed without effect, nothing is recycled")
CONFIG_GOOD_AGAIN = _information(9023, "Configuration good again")
CONFIG_WAITS = _information(9024, "Configuration changed, applied later")
CONFIG_ODD = _warning(9025, "Configuration is odd")
CONFIG_TRIED_BEFORE = _error(9026, "Configuration refused, these values failed before")
