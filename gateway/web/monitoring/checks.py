"""What is looked at to tell how the gateway is doing."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from gateway.db import Database, utcnow
from gateway.schema import current_revision, is_known, newest_revision
from gateway.settings import GatewaySettings
from gateway.web.registry import Background, Clients

HEARTBEAT_LIMIT = timedelta(seconds=60)
"""An engine that was started and has been silent for longer is worth a look."""


class Status(enum.StrEnum):
    PASS = "pass"  # noqa: S105 (the word of the health format)
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """One thing that was looked at."""

    component: str
    measurement: str
    component_type: str
    at: datetime
    status: Status = Status.PASS
    component_id: str | None = None
    value: object = None
    unit: str | None = None
    output: str | None = None
    """What is wrong, in words that give nothing away."""


class Checks:
    """Each method looks at one component. None of them raises, whatever is out of order."""

    def __init__(
        self,
        database: Database,
        settings: GatewaySettings,
        background: Background,
        clients: Clients,
        pool_status: Mapping[str, Any],
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self._database = database
        self._settings = settings
        self._background = background
        self._clients = clients
        self._pool_status = pool_status
        self._clock = clock
        self._revision = settings.revision

    def database(self) -> Finding:
        started = time.perf_counter()
        problem = None
        try:
            with self._database.read() as db:
                db.execute(text("SELECT 1"))
        except SQLAlchemyError:
            problem = "the database cannot be reached"
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        return self._datastore("database", "responseTime", problem, milliseconds, "ms")

    def schema(self) -> Finding:
        newest = newest_revision()
        try:
            current = current_revision(self._database)
        except SQLAlchemyError:
            return self._datastore("schema", "revision", "the database cannot be reached")
        if current == newest:
            return self._datastore("schema", "revision", value=current)
        remedy = "run `gateway init`" if is_known(current) else "update this program"
        problem = f"the schema is at revision {current}, expected {newest}; {remedy}"
        return self._datastore("schema", "revision", problem, current)

    def draining(self) -> Finding:
        drains = bool(self._pool_status.get("draining")) or self._pool_status.get("state") == "Stopping"
        problem = "this worker finishes its work and takes no more" if drains else None
        return self._finding("draining", "state", "system", problem, value=drains)

    def engine(self) -> list[Finding]:
        """How much it does, and how long ago it gave a sign of life."""
        try:
            status = self._background.status()
        except SQLAlchemyError:
            return [self._finding("engine", "status", "component", "its queue cannot be read", Status.WARN)]
        counts = [
            self._finding("engine", name, "component", value=status[name], unit="upgrades")
            for name in ("limit", "running", "pending")
            if name in status
        ]
        return [*counts, self._heartbeat(status)]

    def settings(self) -> list[Finding]:
        warnings = [
            self._finding("settings", "warning", "system", warning, Status.WARN)
            for warning in self._settings.warnings
        ]
        return [self._finding("settings", "revision", "system", value=self._revision), *warnings]

    def pool(self) -> list[Finding]:
        """What the application pool last told this worker; nothing when no pool started it."""
        status = dict(self._pool_status)
        if "state" not in status:
            return []
        findings = [self._finding("pool", "state", "system", value=status["state"])]
        if status.get("config_error"):
            # The words stay in the log and with `app_pool.py status`: they may quote the file.
            problem = "Settings.config is not valid; the last good values are in force"
            findings.append(self._finding("pool", "config_error", "system", problem, Status.WARN))
        return findings

    def partner_center(self) -> list[Finding]:
        """The newest outcome for each instance. Microsoft's troubles never make the gateway unhealthy."""
        return [self._instance(instance.name) for instance in self._settings.application_instances]

    def _instance(self, name: str) -> Finding:
        trouble = self._clients.trouble(name)
        problem = f"has not served since {trouble[0]:%Y-%m-%dT%H:%M:%SZ}" if trouble else None
        if pause := self._clients.pause(name):
            since = f", {problem}" if problem else ""
            problem = f"is asked again at {pause[0]:%Y-%m-%dT%H:%M:%SZ}: {pause[1]}{since}"
        return self._finding(
            "partner-center", "availability", "component", problem, Status.WARN, component_id=name
        )

    def _heartbeat(self, status: Mapping[str, Any]) -> Finding:
        last = status.get("last_heartbeat_at")
        age = None if last is None else (self._clock() - last).total_seconds()
        stale = age is not None and age > HEARTBEAT_LIMIT.total_seconds()
        problem = "the engine has given no sign of life for too long" if stale else None
        value = None if age is None else round(age, 3)
        return self._finding(
            "engine", "heartbeatAge", "component", problem, Status.WARN, value=value, unit="s"
        )

    def _datastore(
        self,
        component: str,
        measurement: str,
        problem: str | None = None,
        value: object = None,
        unit: str | None = None,
    ) -> Finding:
        return self._finding(component, measurement, "datastore", problem, value=value, unit=unit)

    def _finding(
        self,
        component: str,
        measurement: str,
        component_type: str,
        problem: str | None = None,
        if_problem: Status = Status.FAIL,
        **more: Any,
    ) -> Finding:
        return Finding(
            component=component,
            measurement=measurement,
            component_type=component_type,
            at=self._clock(),
            status=if_problem if problem else Status.PASS,
            output=problem,
            **more,
        )
