"""`<applicationPool>`: names, formats and nearly all defaults are those of IIS."""

import datetime as dt
from typing import Annotated, Literal, get_args

from pydantic import Field

from gateway.settings.base import Settings
from gateway.settings.kinds import Choice, Flag, Schedule, Span, Text, WholeNumber

StartMode = Literal["OnDemand", "AlwaysRunning"]
LoadBalancerCapabilities = Literal["HttpLevel", "TcpLevel"]

MAX_UINT = 2**32 - 1

_AT_LEAST_A_SECOND = Span(dt.timedelta(seconds=1), dt.timedelta(days=30))
_ZERO_SWITCHES_OFF = Span(dt.timedelta(0), dt.timedelta(days=30))
_POOL_NAME = Text(
    'a name of at most 64 characters without | < > & \\ / [ ] + = ; : , ? * @ "',
    r'[^|<>&\\/\[\]+=;:,?*@"\x00-\x1f]{1,64}',
)


class ProcessModelSettings(Settings):
    """`<processModel>`: the life of a worker."""

    startup_time_limit: Annotated[dt.timedelta, _AT_LEAST_A_SECOND] = Field(
        default=dt.timedelta(seconds=90),
        description="A worker that is not ready by then is ended, and counts as a failure.",
    )
    shutdown_time_limit: Annotated[dt.timedelta, _AT_LEAST_A_SECOND] = Field(
        default=dt.timedelta(seconds=90),
        description="Time a worker has to finish its work once a recycle or stop began; then it is ended.",
    )
    pinging_enabled: Annotated[bool, Flag()] = Field(
        default=True,
        description="Whether the worker is asked regularly for a sign of life.",
    )
    ping_interval: Annotated[dt.timedelta, _AT_LEAST_A_SECOND] = Field(
        default=dt.timedelta(seconds=30),
        description="Time between two such questions.",
    )
    ping_response_time: Annotated[dt.timedelta, _AT_LEAST_A_SECOND] = Field(
        default=dt.timedelta(seconds=90),
        description="A worker that has not answered by then is replaced, and counts as a failure.",
    )
    idle_timeout: Annotated[dt.timedelta, _ZERO_SWITCHES_OFF] = Field(
        default=dt.timedelta(0),
        description="A worker without requests for so long is ended; zero for never.",
    )
    spare_worker: Annotated[bool, Flag()] = Field(
        default=True,
        description=(
            "Whether a second worker, its imports done, waits for the next recycle, where memory allows; "
            "not in IIS."
        ),
    )
    max_processes: Annotated[int, WholeNumber(0, 64)] = Field(
        default=1,
        description="Workers that serve at the same time, a web garden; zero for one on each NUMA node.",
    )


class PeriodicRestartSettings(Settings):
    """`<periodicRestart>`: recycles that need no reason."""

    time: Annotated[dt.timedelta, _ZERO_SWITCHES_OFF] = Field(
        default=dt.timedelta(hours=29),
        description="Age at which a worker is recycled; zero for never.",
    )
    requests: Annotated[int, WholeNumber(0, MAX_UINT)] = Field(
        default=0,
        description="Number of requests after which a worker is recycled; zero for never.",
    )
    private_memory: Annotated[int, WholeNumber(0, MAX_UINT)] = Field(
        default=0,
        description="Memory in KB beyond which a worker is recycled; zero for never.",
    )
    schedule: Annotated[tuple[dt.time, ...], Schedule()] = Field(
        default=(),
        description="Local times of day at which the worker is recycled.",
    )


class RecyclingSettings(Settings):
    """`<recycling>`: how one worker takes over from another."""

    disallow_overlapping_rotation: Annotated[bool, Flag()] = Field(
        default=False,
        description="Whether the old worker ends before the new one starts; requests wait meanwhile.",
    )
    disallow_rotation_on_config_change: Annotated[bool, Flag()] = Field(
        default=False,
        description="Whether a change of the file waits for the next recycle instead of causing one.",
    )
    periodic_restart: PeriodicRestartSettings = PeriodicRestartSettings()


class FailureSettings(Settings):
    """`<failure>`: what happens when workers fail again and again."""

    rapid_fail_protection: Annotated[bool, Flag()] = Field(
        default=True,
        description="Whether the pool stops after too many failures.",
    )
    rapid_fail_protection_interval: Annotated[dt.timedelta, _AT_LEAST_A_SECOND] = Field(
        default=dt.timedelta(minutes=5),
        description="Time within which failures are counted together.",
    )
    rapid_fail_protection_max_crashes: Annotated[int, WholeNumber(1, 2**31 - 1)] = Field(
        default=5,
        description="Failures within that time that stop the pool.",
    )
    load_balancer_capabilities: Annotated[
        LoadBalancerCapabilities, Choice(get_args(LoadBalancerCapabilities))
    ] = Field(
        default="HttpLevel",
        description="While no worker can serve: answer 503 (HttpLevel), or cut the connection (TcpLevel).",
    )


class PoolSettings(Settings):
    """`<applicationPool>`."""

    name: Annotated[str, _POOL_NAME] = Field(
        default="Office365Gateway",
        description="Name of the pool in logs and in the output of its commands.",
    )
    start_mode: Annotated[StartMode, Choice(get_args(StartMode))] = Field(
        default="AlwaysRunning",
        description="Whether a worker starts with the pool, or with the first request.",
    )
    auto_start: Annotated[bool, Flag()] = Field(
        default=True,
        description="Whether the pool serves as soon as its process starts, or waits to be started.",
    )
    queue_length: Annotated[int, WholeNumber(1, 65535)] = Field(
        default=1000,
        description="Requests that may wait in a worker, and connections for one; more are answered 503.",
    )
    process_model: ProcessModelSettings = ProcessModelSettings()
    recycling: RecyclingSettings = RecyclingSettings()
    failure: FailureSettings = FailureSettings()
