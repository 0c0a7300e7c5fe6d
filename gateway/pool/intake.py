"""What to do with settings files that changed."""

from __future__ import annotations

from gateway.pool.event_kinds import (
    CONFIG_GOOD_AGAIN,
    CONFIG_ODD,
    CONFIG_REFUSED,
    CONFIG_TRIED_BEFORE,
    CONFIG_WAITS,
    CONFIG_WITHOUT_EFFECT,
)
from gateway.pool.events import EventLog
from gateway.pool.messages import SettingsRead
from gateway.pool.pool import ApplicationPool
from gateway.pool.reasons import Reason
from gateway.pool.rotation import Request, Waiter, worded
from gateway.pool.surroundings import PoolState
from gateway.settings import GatewaySettings, settings_changes


class SettingsIntake:
    """Decides whether new content of the files is refused, means nothing, or recycles the pool."""

    def __init__(self, pool: ApplicationPool, events: EventLog) -> None:
        self._pool = pool
        self.valid: GatewaySettings | None = pool.good_settings
        """What the files say now, None if that is not valid."""
        self._events = events
        self._taken: str | None = None
        self.error: str | None = None
        """What is wrong with the files as they are now."""
        self._waiting: tuple[str, ...] = ()

    @property
    def not_applied(self) -> list[str]:
        """Keys that were changed while a change does not recycle the pool; the next recycle applies them."""
        is_in_force = self.valid and self.valid.revision == self._pool.good_settings.revision
        return [] if is_in_force else list(self._waiting)

    def would_recycle(self, settings: GatewaySettings) -> bool:
        """Return whether the pool will change its workers for these values."""
        is_other = settings.revision not in (
            self._pool.target_settings.revision,
            self._pool.record.refused_revision,
        )
        return is_other and not self._waits_for(settings)

    def take(self, message: SettingsRead, waiter: Waiter | None = None) -> None:
        """Act on new content; the waiter is told when its values are in force, or why they are not."""
        self.valid = message.settings
        problem = self._act(message, waiter)
        if waiter is not None and problem is not None:
            waiter(problem or None)

    def _act(self, message: SettingsRead, waiter: Waiter | None) -> str | None:
        """Return what to tell the waiter at once, empty if all is well; None if somebody else tells it."""
        settings = message.settings
        if settings is None:
            self.error = message.error
            self._events.add(CONFIG_REFUSED, error=message.error)
            return f"the settings are not valid\n{message.error}"
        record = self._pool.record
        if settings.revision == record.refused_revision:
            self.error = None
            if message.is_new and settings.revision != self._taken:
                self._events.add(CONFIG_TRIED_BEFORE, reason=record.refused, revision=settings.revision)
            return record.refused
        if self.error is not None or record.refused is not None:
            self._events.add(CONFIG_GOOD_AGAIN)
        self.error = None
        record.forgive()
        # The watcher reports later what a command made known already.
        is_news = message.is_new and settings.revision != self._taken
        self._taken = settings.revision if waiter is not None else None
        return self._take_valid(settings, waiter, is_news=is_news)

    def _take_valid(self, settings: GatewaySettings, waiter: Waiter | None, *, is_news: bool) -> str | None:
        changes = settings_changes(self._pool.target_settings, settings)
        waits_for = self._waits_for(settings)
        self._waiting = tuple(change.key for change in changes) if waits_for else ()
        if not changes:
            if is_news:
                self._events.add(CONFIG_WITHOUT_EFFECT, revision=settings.revision)
            return ""
        self.warn(settings)
        if waits_for:
            self._events.add(CONFIG_WAITS, until=waits_for, changes=worded(changes))
            return ""
        request = Request(Reason.CONFIG_CHANGE, settings, by_file=True, waiters=[waiter] if waiter else [])
        self._pool.recycle(request)
        return None

    def _waits_for(self, settings: GatewaySettings) -> str | None:
        if self._pool.state in (PoolState.STOPPED, PoolState.STOPPING):
            return "the next start"
        no_rotation = settings.application_pool.recycling.disallow_rotation_on_config_change
        return "the next recycle" if no_rotation else None

    def warn(self, settings: GatewaySettings) -> None:
        """Log what is odd in valid settings."""
        for warning in settings.warnings:
            self._events.add(CONFIG_ODD, warning=warning)
