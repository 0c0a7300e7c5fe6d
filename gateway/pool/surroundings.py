"""What the application pool works with, and the states it can be in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.pool.availability import Answerer
from gateway.pool.backoff import RestartPolicy
from gateway.pool.events import EventLog
from gateway.pool.last_good import LastGoodSettings
from gateway.pool.timers import Timers
from gateway.pool.workers import Worker
from gateway.settings import GatewaySettings


class PoolState(StrEnum):
    """As IIS names them."""

    STARTING = "Starting"
    STARTED = "Started"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


class Bell(Protocol):
    """Tells when the first client comes while there is no worker."""

    def arm(self) -> None:
        """Tell it, once."""

    def disarm(self) -> None:
        """Do not tell it any more."""


@dataclass(frozen=True)
class Surroundings:
    """What the pool works with."""

    spawn: Callable[[GatewaySettings, int], Worker]
    """Starts a worker process with these settings and this number; raises OSError if it cannot."""
    prepare_spare: Callable[[Callable[[], None]], None]
    """Has a worker load the program beforehand, and calls back when that is done or takes too long."""
    clock: Callable[[], float]
    timers: Timers
    events: EventLog
    unavailable: Answerer
    bell: Bell
    last_good: LastGoodSettings
    policy: RestartPolicy
    settings_of_file: Callable[[], GatewaySettings | None]
    """The settings that the file has now, None if they are not valid."""


def seconds(span: dt.timedelta) -> float:
    return float(span.total_seconds())


def exit_text(code: int) -> str:
    """Return how a process ended, in words."""
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
