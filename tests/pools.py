"""An application pool as the pages of a worker meet it: real files, and the answers that a pool gives."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.logs import utc_text
from gateway.pool.control import ControlFiles
from gateway.pool.desk import PoolDesk
from gateway.pool.event_kinds import (
    CONFIG_REFUSED,
    POOL_STARTING,
    RECYCLES,
    WORKER_SERVES,
    WORKER_STARTING,
)
from gateway.pool.events import EventLog, events_file
from gateway.pool.reasons import Reason
from gateway.settings import load_settings

LIMIT = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"
PASSWORD = "the-database-password"
NODE = "node-1"
TEXT = f"""<configuration>
  <!-- a remark -->
  <appSettings><add key="{LIMIT}" value="10" /></appSettings>
  <connectionStrings>
    <add name="Gateway" connectionString="postgresql://gateway:{PASSWORD}@database/gateway" />
  </connectionStrings>
  <applicationInstances>
    <add name="Office 365" tenantId="partner.example" clientId="client" clientSecret="the-client-secret"
         refreshToken="the-refresh-token" />
  </applicationInstances>
</configuration>
"""
SECRETS = (PASSWORD, "the-client-secret", "the-refresh-token")


class StandInPool:
    """Answers as the control channel does, and keeps what it was asked to do."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.now = now
        self.config = folder / "Settings.config"
        self.config.write_text(TEXT)
        self.revision = load_settings(self.config).revision
        """Of the values that are in force."""
        self.var = folder
        self.asked: list[str] = []
        self.permits: list[str] = []
        """Digests of the secrets with which it may be started again."""
        self.by: dict[str, Any] = {}
        """In whose name it was stopped, or started again."""
        self.problem: str | None = None
        """Why it refuses."""
        self.more: dict[str, Any] = {}
        """What its status says beyond, or instead of, what is usual."""
        ControlFiles(folder).key.write_text("the key of the control channel")
        self.events = EventLog(events_file(folder), lambda: self.now)
        self.desk = PoolDesk(folder, self._answer)

    def _answer(
        self, _var: Path, command: str, _seconds: float | None, **arguments: Any
    ) -> dict[str, Any] | None:
        if command == "status":
            return {"ok": True, "status": self._status() | self.more}
        if command == "list-workers":
            return {"ok": True, "workers": [self._worker()]}
        self.asked.append(command)
        self.permits += [arguments["permit"]] if "permit" in arguments else []
        self.by = arguments.get("by", self.by)
        return {"ok": False, "problem": self.problem} if self.problem else {"ok": True}

    def _status(self) -> dict[str, Any]:
        return {
            "name": "Office365Gateway",
            "state": "Started",
            "node": NODE,
            "config": str(self.config),
            "revision": self.revision,
            "limit": 10,
            "config_error": None,
            "changes_not_applied": [],
            "recycles": 3,
            "failures": 1,
            "started_at": utc_text(self.now),
            "worker_started_at": utc_text(self.now),
            "starting_pids": [],
        }

    def _worker(self) -> dict[str, Any]:
        figures = {"requests_served": 1234, "requests_running": 1, "requests_queued": 0}
        return {"pid": 4711, "state": "serving", "limit": 10, "private_memory_kb": 91_000} | figures

    def save(self, text: str) -> None:
        self.config.write_text(text)

    def limit(self) -> int:
        """What the file says."""
        return load_settings(self.config).app.max_allowed_nb_of_simultaneous_upgrades

    def tell_of_a_day(self) -> None:
        """A start, a file with a mistake, a change of the limit."""
        self.events.add(POOL_STARTING, name="Office365Gateway", listen="127.0.0.1:8365")
        self.events.add(WORKER_STARTING, pid=4000, reason=Reason.START)
        self.events.add(WORKER_SERVES, pid=4000, reason=Reason.START, limit=5, seconds=1.204)
        mistake = f'Settings.config, line 3: {LIMIT} is "ten"; expected a whole number from 1 to 1000'
        self.events.add(CONFIG_REFUSED, error=mistake)
        changes = [{"key": LIMIT, "old": "5", "new": "10"}]
        self.recycle(Reason.CONFIG_CHANGE, 0.342, changes=changes)

    def recycle(self, reason: Reason, seconds: float, **details: Any) -> None:
        self.events.add(RECYCLES[reason], pid=4000, reason=reason, **details)
        self.events.add(WORKER_STARTING, pid=4711, reason=reason, spare=True)
        self.events.add(WORKER_SERVES, pid=4711, reason=reason, limit=10, seconds=seconds)
