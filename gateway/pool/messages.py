"""What the supervisor's loop is told by the threads around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.settings import GatewaySettings


@dataclass(frozen=True)
class WorkerReport:
    """A line that a worker wrote: a JSON object with a `report`."""

    worker: int
    content: dict[str, Any]


@dataclass(frozen=True)
class WorkerExited:
    """A worker ended; `code` as `Popen.returncode` has it."""

    worker: int
    code: int


@dataclass(frozen=True)
class ProbeFinished:
    """A worker was asked over HTTP whether it is ready; `problem` is None if it is."""

    worker: int
    problem: str | None


@dataclass(frozen=True)
class SettingsRead:
    """The settings files changed: valid settings, or what is wrong with them."""

    settings: GatewaySettings | None
    error: str | None
    is_new: bool = True
    """Whether the content differs from the one before."""


@dataclass(frozen=True)
class SettingsForeseen:
    """The settings files seem to say this now; whether they are at rest is not known yet."""

    settings: GatewaySettings


@dataclass(frozen=True)
class SimulatorReady:
    """A simulator answers at `url`."""

    run: int
    url: str


@dataclass(frozen=True)
class SimulatorExited:
    """A simulator ended."""

    run: int
    code: int


@dataclass(frozen=True)
class ControlRequest:
    """A person asked for something; `answer` may be called from any thread, once."""

    command: str
    arguments: dict[str, Any]
    answer: Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class ClientCame:
    """Somebody connected while there was no worker."""


@dataclass(frozen=True)
class SignalReceived:
    number: int


Message = (
    WorkerReport
    | WorkerExited
    | ProbeFinished
    | SettingsRead
    | SettingsForeseen
    | SimulatorReady
    | SimulatorExited
    | ControlRequest
    | ClientCame
    | SignalReceived
)
