"""Whether clients wait for a worker, or are told that there is none."""

from __future__ import annotations

from typing import Protocol

from gateway.pool.timers import Timer, Timers

PATIENCE_SECONDS = 5.0
"""How long clients may wait in the backlog for a worker before they are told 503."""


class Answerer(Protocol):
    """Answers clients while no worker can."""

    def open(self) -> None:
        """Begin to answer."""

    def close(self) -> None:
        """Leave new clients to the workers."""


class Availability:
    """Opens the answerer when no worker comes for a while, or none will come; closes it once one serves."""

    def __init__(self, timers: Timers, answerer: Answerer) -> None:
        self._timers = timers
        self._answerer = answerer
        self._patience: Timer | None = None

    def interrupted(self, served_for: float = 0.0) -> None:
        """No worker serves, but one should soon; one that leaves may serve for so many seconds yet."""
        if self._patience is None:
            self._patience = self._timers.after(served_for + PATIENCE_SECONDS, self._answerer.open)

    def given(self) -> None:
        """A worker serves."""
        self._forget_patience()
        self._answerer.close()

    def withdrawn(self) -> None:
        """No worker serves, and none will until somebody asks for it."""
        self._forget_patience()
        self._answerer.open()

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
