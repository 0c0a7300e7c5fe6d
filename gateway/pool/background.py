"""What the worker expects of the application it serves, by the keys of its registry."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

BACKGROUND = "gateway.background"
READINESS = "gateway.readiness"
POOL_STATUS = "gateway.pool_status"
POOL_DESK = "gateway.pool_desk"
ON_SERVING = "gateway.serving"
"""Is called, where there is one, when the first worker of the pool has begun to serve."""
SETTINGS = "gateway_settings"
VAR = "gateway_var"
NODE = "gateway_node"
"""Keys of the global configuration in which an application is handed settings, data folder and node name."""

WRAPPED_BY = ("app", "application", "wrapped")
"""Attributes under which WSGI middleware keeps what it wraps."""


class BackgroundService(Protocol):
    """Work of the application that goes on beside requests; only one worker of a pool does it at a time.

    `stop_claiming` and `hand_over` may be called more than once, and without a `start` before.
    """

    def start(self) -> None:
        """Begin to take work; also again after a hand-over that was called off."""

    def stop_claiming(self) -> None:
        """Take no new work; returns at once."""

    def hand_over(self, timeout: float) -> bool:
        """Wait until nothing is in flight, at most `timeout` seconds; return whether all was released."""

    def status(self) -> dict[str, Any]:
        """Return counts of work that is running, pending, …"""

    def wake(self) -> None:
        """Look for work now."""


Readiness = Callable[[], list[str]]
"""Returns what still keeps the application from serving; an empty list is good."""


def find_registry(application: object) -> MutableMapping[str, Any]:
    """Return the registry of the application, or of the one that middleware wraps; empty if there is none."""
    for _ in range(10):
        registry = getattr(application, "registry", None)
        if registry is not None:
            found: MutableMapping[str, Any] = registry
            return found
        application = next(
            (getattr(application, name) for name in WRAPPED_BY if hasattr(application, name)), None
        )
    return {}
