"""What became of the pool's workers: counted for the status, and told as events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.pool.event_kinds import (
    CONFIG_ROLLED_BACK,
    NOT_SPAWNED,
    PING_FAILED,
    POOL_STOPPED,
    POOL_STOPPING,
    POOL_WAITS,
    QUEUE_FULL,
    RAPID_FAIL,
    RECYCLE_FAILED,
    RECYCLE_OTHER,
    RECYCLES,
    START_OVERRUN,
    WORK_NOT_HANDED_OVER,
    WORKER_ENDED,
    WORKER_IDLE,
    WORKER_NOT_STARTED,
    WORKER_SERVES,
    WORKER_STARTING,
)
from gateway.pool.events import EventLog
from gateway.pool.rotation import Request, Rotation, describe, worded
from gateway.pool.workers import Worker


class Chronicle:
    """Each method is told of one thing that happened, at the time."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self.refused: str | None = None
        """Why values of the file that are valid were given up: no worker got ready with them."""
        self.refused_revision: str | None = None
        self.last_recycle: dict[str, Any] | None = None
        self.recycles = 0
        self.failures = 0
        self.served_at: datetime | None = None
        """When the serving worker began to."""
        self.started_by: dict[str, str | None] | None = None
        """Who last started the pool on its page, and when; a worker has to record it in the database."""

    def forgive(self) -> None:
        """What was wrong with earlier values of the file does not matter any more."""
        self.refused = self.refused_revision = None

    # The pool

    def pool_waits(self, name: str) -> None:
        self._events.add(POOL_WAITS, name=name)

    def pool_stopping(self) -> None:
        self._events.add(POOL_STOPPING)

    def pool_stopped(self, reason: str | None = None) -> None:
        self._events.add(POOL_STOPPED, reason=reason)

    def gave_up(self, reason: str) -> None:
        self._events.add(RAPID_FAIL, reason=reason, failures=self.failures)

    # A change of workers

    def recycle_begins(self, rotation: Rotation, old: list[Worker]) -> None:
        request = rotation.request
        pids = [worker.pid for worker in old]
        self._events.add(
            RECYCLES.get(request.reason, RECYCLE_OTHER),
            pid=pids[0] if pids else None,
            pids=pids if len(pids) > 1 else None,
            reason=request.reason,
            reached=request.reached,
            changes=worded(rotation.changes),
        )

    def worker_starting(self, worker: Worker, request: Request) -> None:
        self._events.add(
            WORKER_STARTING, pid=worker.pid, reason=request.reason, spare=worker.was_spare or None
        )

    def not_spawned(self, error: OSError) -> None:
        self._events.add(NOT_SPAWNED, error=str(error))

    def start_overrun(self, worker: Worker, limit: float) -> None:
        self._events.add(START_OVERRUN, pid=worker.pid, limit=f"{limit:g} s")

    def not_handed_over(self, worker: Worker) -> None:
        self._events.add(WORK_NOT_HANDED_OVER, pid=worker.pid)

    def serves(self, worker: Worker, rotation: Rotation, now: float) -> None:
        """`now` by the clock of the rotation."""
        self.forgive()
        self.served_at = datetime.now(UTC)
        self._events.add(
            WORKER_SERVES,
            pid=worker.pid,
            reason=rotation.request.reason,
            limit=worker.settings.app.max_allowed_nb_of_simultaneous_upgrades,
            revision=worker.settings.revision,
            seconds=round(now - rotation.began, 3),
        )

    def changed(self, rotation: Rotation, now: float) -> None:
        """All new workers serve; `now` by the clock of the rotation."""
        if rotation.is_recycle:
            self.recycles += 1
            self.last_recycle = describe(rotation, now)

    def not_started(
        self, rotation: Rotation, worker: Worker | None, current: Worker | None, reason: str
    ) -> None:
        """`worker`: the new one that failed, if there was a process; `current`: one that serves."""
        self.failures += 1
        self._events.add(
            RECYCLE_FAILED if current and rotation.is_recycle else WORKER_NOT_STARTED,
            pid=worker and worker.pid,
            reason=reason,
            serves_on=current and current.pid,
        )
        if rotation.changes and not rotation.has_served:
            self.refused = f"no worker got ready with the new values: {reason}"
            self.refused_revision = rotation.request.settings.revision
            self._events.add(CONFIG_ROLLED_BACK, reason=reason, changes=worded(rotation.changes))

    # The serving workers

    def queue_full(self, refused: int, worker: Worker | None = None) -> None:
        """`refused`: clients since this was told last; without a worker it is the system's queue."""
        self._events.add(QUEUE_FULL, refused=refused, pid=worker and worker.pid)

    def idle(self, worker: Worker, seconds: float) -> None:
        self._events.add(WORKER_IDLE, pid=worker.pid, idle=f"{seconds:.0f} s")

    def silent(self, worker: Worker, reason: str) -> None:
        self._events.add(PING_FAILED, pid=worker.pid, reason=reason)

    def lost(self, worker: Worker, reason: str, code: int | None) -> None:
        """`code`: how it ended, None if it is only about to."""
        self.failures += 1
        self._events.add(WORKER_ENDED, pid=worker.pid, exit_code=code, reason=reason)
