"""What to do with settings files that changed."""

from __future__ import annotations

import logging

from gateway.pool.events import EventLog
from gateway.pool.messages import SettingsRead
from gateway.pool.pool import ApplicationPool, PoolState
from gateway.pool.rotation import Request
from gateway.settings import GatewaySettings, settings_changes

log = logging.getLogger(__name__)

CONFIG_CHANGE = "configuration change"


class SettingsIntake:
    """Decides whether new content of the files is refused, means nothing, or recycles the pool."""

    def __init__(self, pool: ApplicationPool, events: EventLog) -> None:
        self._pool = pool
        self._events = events
        self.error: str | None = None
        """What is wrong with the files as they are now."""
        self.not_applied: list[str] = []
        """Keys that were changed while a change does not recycle the pool; the next recycle applies them."""

    def take(self, message: SettingsRead) -> None:
        settings = message.settings
        if settings is None:
            self.error = message.error
            self._events.error("Configuration refused, the last good values are kept", error=message.error)
            return
        if self.error is not None or self._pool.refused is not None:
            self._events.information("Configuration good again")
        self.error = None
        self._pool.forgive()
        changed = [change.key for change in settings_changes(self._pool.target_settings, settings)]
        if changed and settings.application_pool.recycling.disallow_rotation_on_config_change:
            self.not_applied = changed
            self._events.information(
                "Configuration changed, applied at the next recycle", keys=",".join(changed)
            )
            return
        self.not_applied = []
        if not changed:
            log.debug("Configuration changed without effect: revision=%s", settings.revision)
            return
        self.warn(settings)
        if self._pool.state is PoolState.STOPPED:
            self._events.information(
                "Configuration changed, applied at the next start", keys=",".join(changed)
            )
            return
        self._events.information("Configuration changed", keys=",".join(changed), revision=settings.revision)
        self._pool.recycle(Request(CONFIG_CHANGE, settings, by_file=True))

    def warn(self, settings: GatewaySettings) -> None:
        """Log what is odd in valid settings."""
        for warning in settings.warnings:
            self._events.warning("Configuration is odd", warning=warning)
