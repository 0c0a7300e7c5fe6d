"""What the pool says of itself: to its workers and to who asks for it."""

from __future__ import annotations

from typing import Any

from gateway.logs import utc_text
from gateway.pool.pool import ApplicationPool
from gateway.pool.service_manager import Condition
from gateway.pool.surroundings import PoolState


def shared_status(pool: ApplicationPool, config_error: str | None) -> dict[str, Any]:
    """Return what workers are told, so that they can show it; only what changes seldom."""
    settings = pool.good_settings
    return {
        "name": settings.application_pool.name,
        "state": pool.state.value,
        "reason": pool.stop_reason,
        "limit": settings.app.max_allowed_nb_of_simultaneous_upgrades,
        "revision": settings.revision,
        "config_error": config_error,
        "last_recycle": pool.record.last_recycle,
        "recycles": pool.record.recycles,
        "failures": pool.record.failures,
        "started_by": pool.record.started_by,
    }


def full_status(pool: ApplicationPool, shared: dict[str, Any], supervisor: dict[str, Any]) -> dict[str, Any]:
    """Return what `status --json` prints; `supervisor`: what only the supervisor knows."""
    served_at = pool.record.served_at
    return {
        **shared,
        "worker_pid": pool.current.pid if pool.current else None,
        "worker_pids": [worker.pid for worker in pool.serving.values()],
        "worker_started_at": utc_text(served_at) if served_at and pool.current else None,
        "starting_pids": [worker.pid for worker in pool.starting],
        "leaving_pids": [worker.pid for worker in pool.leaving.values()],
        **supervisor,
    }


def service_condition(pool: ApplicationPool, config_error: str | None, is_ending: bool) -> Condition:
    """Return what systemd is told."""
    limit = pool.good_settings.app.max_allowed_nb_of_simultaneous_upgrades
    words = [f"{pool.state.value}: {len(pool.serving)} serving, simultaneous upgrades {limit}"]
    if pool.stop_reason:
        words.append(pool.stop_reason)
    if config_error:
        words.append(f"last good values, for {config_error}")
    is_stopped_on_purpose = pool.state is PoolState.STOPPED and not pool.record.failures
    return Condition(
        is_ready=pool.state is PoolState.STARTED or is_stopped_on_purpose,
        is_reloading=pool.rotation is not None and pool.rotation.is_recycle,
        is_stopping=is_ending,
        text="; ".join(" ".join(each.split()) for each in words),
    )


def worker_rows(pool: ApplicationPool) -> list[dict[str, Any]]:
    """Return what is known of each worker process without asking it."""
    return [
        {
            "pid": worker.pid,
            "number": worker.number,
            "state": worker.stage.value,
            "serves": worker in pool.serving.values(),
            "revision": worker.settings.revision,
            "limit": worker.settings.app.max_allowed_nb_of_simultaneous_upgrades,
        }
        for worker in pool.workers
    ]
