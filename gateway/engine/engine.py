"""The engine of one worker: a dispatcher that claims, and APScheduler, whose threads do the work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from uuid import uuid4

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import func, select

from gateway.db import DATABASE_AWAY, Database
from gateway.engine.agenda import Agenda
from gateway.engine.claims import Claims
from gateway.engine.clients import PartnerCenterClients
from gateway.engine.context import EngineContext
from gateway.engine.housekeeping import clean_up
from gateway.engine.steps import advance
from gateway.models import Upgrade, UpgradeStatus
from gateway.settings import GatewaySettings

log = logging.getLogger(__name__)

LOOK_AROUND = 1.0
"""Seconds between two looks at the queue when nobody says that there is something to do."""

CLEAN_UP = 3600.0

UNEXPECTED_PAUSE: float | None = 30.0
"""Seconds until an upgrade is looked at again whose thread broke."""

HOUSEKEEPING_THREADS = 2


class Engine:
    """Carries out pending upgrades, at most the limit of its settings at once.

    After a hand-over it can be started again, for the case that nobody came to take the work over.
    """

    def __init__(
        self,
        database: Database,
        settings: GatewaySettings,
        clients: PartnerCenterClients,
        *,
        node: str,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """:param node: stable name of the place this runs at; only one engine of a node works at a time
        :param clock: that of the database when not given
        """
        self._database = database
        self._limit = settings.app.max_allowed_nb_of_simultaneous_upgrades
        self._node = node
        self._clock = clock = clock or database.clock
        owner = f"{node}:{uuid4().hex[:12]}"
        self._context = EngineContext(database, clients, settings.app, owner, clock)
        self._claims = Claims(database, owner, self._context.lease, clock)
        self._agenda = Agenda()
        self._look_wanted = threading.Event()
        self._signal = threading.Event()
        self._heartbeat_at: datetime | None = None
        self._dispatcher: threading.Thread | None = None
        self._scheduler = self._make_scheduler()

    def start(self) -> None:
        """Begin to work. Earlier workers of this node must be gone or have handed over."""
        if self._is_dispatching():
            return
        freed = self._take_over()
        self._context.stopping.clear()
        if not self._scheduler.running:
            self._scheduler.start()
        self._dispatcher = threading.Thread(target=self._dispatch, name="engine-dispatcher", daemon=True)
        self._dispatcher.start()
        log.info("Engine started: limit=%s taken_over=%s", self._limit, freed)

    def _take_over(self) -> int:
        """Free what earlier workers of this node held; how much that was."""
        try:
            return self._claims.release_those_of_the_dead(self._node)
        except DATABASE_AWAY:
            log.exception("Earlier leases could not be given back; they run out by themselves")
            return 0

    def stop_claiming(self) -> None:
        """Take no more work; what runs stops at the next step. Returns at once."""
        self._context.stopping.set()
        self._signal.set()

    def hand_over(self, timeout: float) -> bool:
        """Give every lease back, so that another worker goes on at once.

        Only requests in flight to Microsoft are waited for.

        :param timeout: seconds; what is still in flight then keeps its lease until its answer is written
        :returns: whether all were given back
        """
        self.stop_claiming()
        deadline = monotonic() + timeout
        if self._dispatcher is not None:
            self._dispatcher.join(timeout)
        is_idle = self._agenda.wait_until_idle(max(0.0, deadline - monotonic()))
        busy = self._agenda.busy()
        try:
            released = self._claims.release(set(self._claims.due_times()) - busy)
        except DATABASE_AWAY:
            log.exception("Leases could not be given back; they run out by themselves")
            return False
        log.info("Engine handed over: released=%s still_busy=%s", released, len(busy))
        return is_idle

    def wake(self) -> None:
        """Say that there is something to do."""
        self._look_wanted.set()
        self._signal.set()

    def status(self) -> dict[str, object]:
        """Figures for health and metrics; `running` and `pending` count the whole gateway's upgrades."""
        counts = self._count_live()
        return {
            "limit": self._limit,
            "running": counts.get(UpgradeStatus.IN_PROGRESS, 0),
            "pending": counts.get(UpgradeStatus.PENDING, 0),
            "busy": len(self._agenda.busy()),
            "started": self._is_dispatching(),
            "stopping": self._context.stopping.is_set(),
            "last_heartbeat_at": self._heartbeat_at,
        }

    def close(self) -> None:
        """Stop for good; call it after `hand_over`."""
        self.stop_claiming()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _is_dispatching(self) -> bool:
        return self._dispatcher is not None and self._dispatcher.is_alive()

    def _make_scheduler(self) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            executors={
                "default": ThreadPoolExecutor(HOUSEKEEPING_THREADS),
                "upgrades": ThreadPoolExecutor(self._limit),
            },
            job_defaults={"misfire_grace_time": None, "coalesce": True},
            timezone="UTC",
        )
        every = self._context.app.upgrade_lease_seconds / 3
        scheduler.add_job(self._keep_leases, "interval", seconds=every, id="keep-leases")
        scheduler.add_job(
            clean_up, "interval", args=[self._database, self._clock], seconds=CLEAN_UP, id="clean-up"
        )
        return scheduler

    def _dispatch(self) -> None:
        """Claim and hand out work until the engine stops."""
        next_look = monotonic()
        while not self._context.stopping.is_set():
            self._signal.clear()
            if self._look_wanted.is_set() or monotonic() >= next_look:
                self._look_wanted.clear()
                self._look_around()
                next_look = monotonic() + LOOK_AROUND
            for upgrade_id in self._agenda.take_due(self._clock()):
                self._scheduler.add_job(self._work_on, args=[upgrade_id], executor="upgrades")
            pause = min(next_look - monotonic(), self._agenda.seconds_until_due(self._clock()))
            self._signal.wait(max(0.0, pause))

    def _look_around(self) -> None:
        """Find work: abandoned, pending, and what somebody asked to look at now."""
        try:
            self._database.clock.synchronise()
            # Leases seem to have run out when the clock jumps ahead; their holders renew them meanwhile.
            if self._database.clock.is_steady_for(self._context.lease):
                self._claims.adopt()
            self._claims.claim(self._limit, self._context.pauses.rooms(self._clock()))
            self._agenda.update(self._claims.due_times())
            self._heartbeat_at = self._clock()
        except Exception:  # Without a dispatcher nothing would ever start again: look again in a second.
            log.exception("The queue could not be looked at")

    def _work_on(self, upgrade_id: int) -> None:
        after = UNEXPECTED_PAUSE
        try:
            after = advance(upgrade_id, self._context)
        finally:
            due_at = None if after is None else self._clock() + timedelta(seconds=after)
            self._agenda.put_back(upgrade_id, due_at)
            if self._context.stopping.is_set():
                self._give_back(upgrade_id)
            elif after is None:
                self.wake()  # A slot is free.
            else:
                self._signal.set()

    def _give_back(self, upgrade_id: int) -> None:
        try:
            self._claims.release([upgrade_id])
        except DATABASE_AWAY:
            log.exception("Lease could not be given back; it runs out by itself: upgrade=%s", upgrade_id)

    def _keep_leases(self) -> None:
        try:
            self._claims.renew()
        except DATABASE_AWAY:
            log.exception("Leases could not be renewed")

    def _count_live(self) -> dict[UpgradeStatus, int]:
        query = (
            select(Upgrade.status, func.count())
            .where(Upgrade.status.in_((UpgradeStatus.PENDING, UpgradeStatus.IN_PROGRESS)))
            .group_by(Upgrade.status)
        )
        with self._database.read() as db:
            return {row[0]: row[1] for row in db.execute(query)}
