"""What the supervisor's loop is told by the threads around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.settings import GatewaySettings


class WorkerReport(NamedTuple):
    """A line that a worker wrote: a JSON object with a `report`."""

    worker: int
    content: dict[str, Any]


class WorkerExited(NamedTuple):
    """A worker ended; `code` as `Popen.returncode` has it."""

    worker: int
    code: int


class ProbeFinished(NamedTuple):
    """A worker was asked over HTTP whether it is ready; `problem` is None if it is."""

    worker: int
    problem: str | None


class SettingsRead(NamedTuple):
    """The settings files changed: valid settings, or what is wrong with them."""

    settings: GatewaySettings | None
    error: str | None
    is_new: bool = True
    """Whether the content differs from the one before."""


class SettingsForeseen(NamedTuple):
    """The settings files seem to say this now; whether they are at rest is not known yet."""

    settings: GatewaySettings


class SimulatorReady(NamedTuple):
    """A simulator answers at `url`."""

    run: int
    url: str


class SimulatorExited(NamedTuple):
    """A simulator ended."""

    run: int
    code: int


class ControlRequest(NamedTuple):
    """A person asked for something; `answer` may be called from any thread, once."""

    command: str
    arguments: dict[str, Any]
    answer: Callable[[dict[str, Any]], None]


class ClientCame:
    """Somebody connected while there was no worker."""


class SignalReceived(NamedTuple):
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
