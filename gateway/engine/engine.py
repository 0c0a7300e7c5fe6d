"""The engine of one worker: a dispatcher that claims, and APScheduler, whose threads do the work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from uuid import uuid4

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import func, select

from gateway.db import DATABASE_AWAY, Database
from gateway.engine.agenda import Agenda
from gateway.engine.backlog import ANY_BATCH, ANY_TENANT, IN_PROGRESS, PENDING
from gateway.engine.claims import Claims
from gateway.engine.clients import PartnerCenterClients
from gateway.engine.context import EngineContext, Step
from gateway.engine.doorbell import Doorbell
from gateway.engine.housekeeping import clean_up, move_log
from gateway.engine.listening import Listening
from gateway.engine.mover import LicenseMover
from gateway.engine.steps import WRITTEN_LATER, advance
from gateway.models import Upgrade, UpgradeStep
from gateway.settings import GatewaySettings

log = logging.getLogger(__name__)

LOOK_AROUND = 15.0
"""Seconds between two looks at the queue, should nobody have said that there is something to do."""

LOOK_AROUND_UNTOLD = 1.0
"""The same where nobody could say it, and after a look that failed."""

HEAD_START = 0.01
"""Seconds that threads have to begin with what was claimed, before anything else is looked at."""

CHECKPOINT = 0.5
"""Seconds between two moves of what SQLite has in its log."""

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
        steps: Mapping[UpgradeStep, Step] | None = None,
    ) -> None:
        """:param node: stable name of the place this runs at; only one engine of a node works at a time
        :param clock: that of the database when not given
        :param steps: instead of those that talk with Microsoft
        """
        self._database = database
        self._limit = settings.app.max_allowed_nb_of_simultaneous_upgrades
        self._node = node
        self._clock = clock = clock or database.clock
        owner = f"{node}:{uuid4().hex[:12]}"
        self._agenda = Agenda()
        self._context = EngineContext(
            database,
            clients,
            settings.app,
            owner,
            clock,
            steps=steps or {},
            on_claimed=self._on_claimed,
            on_begun=self._agenda.follow,
            on_ended=self._on_ended,
            on_left_over=self._on_left_over,
        )
        self._claims = Claims(database, owner, self._context.lease, clock)
        self._mover = LicenseMover(self._context)
        self._bell = _bell_of(database, owner)
        self._look_wanted = threading.Event()
        self._next_look = 0.0
        """When to look at everything, by the steady clock."""
        self._look_at = float("inf")
        """When to look without being asked."""
        self._commits_moved = 0
        self._slots = 0
        self._slots_lock = threading.Lock()
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
        self._agenda.open()
        self._next_look = monotonic()
        self._bell.listen(self._look)
        if not self._scheduler.running:
            self._scheduler.start()
        self._dispatcher = threading.Thread(target=self._dispatch, name="engine-dispatcher", daemon=True)
        self._dispatcher.start()
        self._mover.start()
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
        self._agenda.close()
        self._signal.set()
        self._mover.wake()

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
        is_idle = self._mover.wait(max(0.0, deadline - monotonic())) and is_idle
        busy = self._agenda.busy()
        try:
            released = self._claims.release(set(self._claims.due_times()) - busy)
            self._bell.ring()
        except DATABASE_AWAY:
            log.exception("Leases could not be given back; they run out by themselves")
            return False
        log.info("Engine handed over: released=%s still_busy=%s", released, len(busy))
        return is_idle

    def wake(self) -> None:
        """Say that there is something to do, to other processes at this database too."""
        self._look()
        if self._database.is_sqlite:  # On PostgreSQL the transaction itself says so, see `announce`.
            self._bell.ring()
        self._mover.wake()

    def status(self) -> dict[str, object]:
        """Figures for health and metrics; `running` and `pending` count the whole gateway's upgrades."""
        running, pending = self._count_live()
        return {
            "limit": self._limit,
            "running": running,
            "pending": pending,
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
        self._bell.close()
        self._context.ledger.close()

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
        scheduler.add_job(self._keep_leases, _every(every), id="keep-leases")
        if self._database.is_sqlite:
            scheduler.add_job(self._move_log, _every(CHECKPOINT), id="move-log")
        scheduler.add_job(clean_up, _every(CLEAN_UP), args=[self._database, self._clock], id="clean-up")
        return scheduler

    def _look(self) -> None:
        self._look_wanted.set()
        self._signal.set()

    def _on_claimed(self, due_times: list[tuple[int, datetime]]) -> None:
        self._fill_slots(self._agenda.add(due_times, self._clock()))

    def _on_left_over(self, seconds: float) -> None:
        """Look at the queue, some time after others could."""
        self._look_at = min(self._look_at, monotonic() + seconds)
        self._signal.set()
        if self._database.is_sqlite:
            self._bell.ring()

    def _dispatch(self) -> None:
        """Claim and hand out work until the engine stops."""
        while not self._context.stopping.is_set():
            self._signal.clear()
            try:
                pause = self._claim_and_hand_out()
            except Exception:  # Without a dispatcher nothing would ever start again: try again in a second.
                log.exception("Work could not be handed out")
                pause = LOOK_AROUND_UNTOLD
            self._signal.wait(max(0.0, pause))

    def _claim_and_hand_out(self) -> float:
        """Do it once, as far as it is time to; seconds until there may be more to do."""
        is_late = monotonic() >= self._next_look
        if self._look_wanted.is_set() or is_late or monotonic() >= self._look_at:
            self._look_wanted.clear()
            self._look_at = float("inf")
            self._next_look = monotonic() + self._look_around(everything=is_late)
        self._fill_slots(self._agenda.line_up(self._clock()))
        return min(
            min(self._next_look, self._look_at) - monotonic(), self._agenda.seconds_until_due(self._clock())
        )

    def _look_around(self, *, everything: bool) -> float:
        """Find work: pending, abandoned, and what somebody asked to look at now; seconds to the next look."""
        try:
            if everything:
                self._database.clock.synchronise()
            if self._context.ledger.claim(everything=everything):
                self._context.stopping.wait(HEAD_START)
            pause = self._catch_up()
        except Exception:  # What is known already goes on meanwhile: look again in a second.
            log.exception("The queue could not be looked at")
            return LOOK_AROUND_UNTOLD
        self._heartbeat_at = self._clock()
        self._bell.keep()
        # That an instance may do more again is told by nobody.
        is_told = self._bell.is_heard and not self._context.pauses.rooms(self._clock())
        return pause if is_told else min(pause, LOOK_AROUND_UNTOLD)

    def _catch_up(self) -> float:
        """Take over what nobody works on, and new due times; seconds until a lease of others may run out."""
        self._database.clock.synchronise()
        self._agenda.prepare_update()
        leases = self._claims.look()
        # Leases seem to have run out when the clock jumps ahead; their holders renew them meanwhile.
        is_steady = self._database.clock.is_steady_for(self._context.lease)
        if leases.next_end_of_others and leases.next_end_of_others < self._clock() and is_steady:
            self._claims.adopt()
            leases = self._claims.look()
        self._agenda.update(leases.due_times)
        if leases.next_end_of_others is None:
            return LOOK_AROUND
        left = (leases.next_end_of_others - self._clock()).total_seconds()
        return min(max(left, LOOK_AROUND_UNTOLD), LOOK_AROUND)

    def _fill_slots(self, wanted: int) -> None:
        """Have so many more threads take what stands in line, as far as there are slots."""
        while wanted > 0:
            with self._slots_lock:
                if self._slots >= self._limit:
                    return
                self._slots += 1
            try:
                self._scheduler.add_job(self._serve, DateTrigger(timezone=UTC), executor="upgrades")
            except BaseException:
                with self._slots_lock:
                    self._slots -= 1
                raise
            wanted -= 1

    def _serve(self) -> None:
        """One slot: carry out what stands in line, until the engine stops."""
        try:
            while not self._context.stopping.is_set():
                upgrade_id = self._agenda.take(LOOK_AROUND)
                if upgrade_id is not None:
                    self._work_on(upgrade_id)
        finally:
            with self._slots_lock:
                self._slots -= 1

    def _work_on(self, upgrade_id: int) -> None:
        after = UNEXPECTED_PAUSE
        try:
            after = advance(upgrade_id, self._context)
        except Exception:  # The next upgrade must not suffer from it.
            log.exception("Work broke off: upgrade=%s", upgrade_id)
        finally:
            if after != WRITTEN_LATER:
                self._put_back(upgrade_id, after)

    def _on_ended(self, upgrade_id: int, failure: Exception | None) -> None:
        """Its end is written; if that failed a thread is to look at it again."""
        self._put_back(upgrade_id, None if failure is None else 0.0)

    def _put_back(self, upgrade_id: int, after: float | None) -> None:
        due_at = None if after is None else self._clock() + timedelta(seconds=after)
        if self._agenda.put_back(upgrade_id, due_at):
            self._signal.set()
        if after is not None and self._context.stopping.is_set():
            self._give_back(upgrade_id)

    def _give_back(self, upgrade_id: int) -> None:
        try:
            self._claims.release([upgrade_id])
        except DATABASE_AWAY:
            log.exception("Lease could not be given back; it runs out by itself: upgrade=%s", upgrade_id)

    def _keep_leases(self) -> None:
        try:
            self._database.clock.synchronise()
            self._claims.renew()
        except DATABASE_AWAY:
            log.exception("Leases could not be renewed")

    def _move_log(self) -> None:
        commits = self._context.ledger.commits
        if commits != self._commits_moved:
            move_log(self._database)
            self._commits_moved = commits

    def _count_live(self) -> tuple[int, int]:
        """How many are in progress, and how many pending."""
        query = select(func.count()).select_from(Upgrade)
        with self._database.read() as db:
            running = db.scalar(query.where(IN_PROGRESS, ANY_TENANT))
            return running or 0, db.scalar(query.where(PENDING, ANY_BATCH)) or 0


def _every(seconds: float) -> IntervalTrigger:
    """Not by the name of its kind: that would be looked up among the packages installed at that moment."""
    return IntervalTrigger(seconds=seconds, timezone=UTC)


def _bell_of(database: Database, owner: str) -> Doorbell | Listening:
    return Doorbell(Path(database.url.database or "")) if database.is_sqlite else Listening(database, owner)
