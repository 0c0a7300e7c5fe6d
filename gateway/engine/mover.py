"""Moves the licenses of users that an upgrade left behind, when somebody asks for it.

One thread of each worker does it, one user after the other, within the pauses of the instance. What is to be
done are rows, so that the end of a process loses nothing; and since what a user holds is read first, nothing
is done twice.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from datetime import timedelta

from gateway.db import DATABASE_AWAY
from gateway.engine.context import EngineContext
from gateway.engine.license_book import LicenseBook
from gateway.engine.move_queue import MoveLostError, MoveQueue
from gateway.engine.moving import exchange_of, move_license
from gateway.engine.pace import retry_pause, spread
from gateway.engine.pauses import SIGN_IN_PAUSE
from gateway.engine.verifying import left_behind_warning
from gateway.models import (
    LicenseMove,
    MoveResult,
    Upgrade,
    UpgradeEvent,
    UpgradeStatus,
    UserLicense,
    UserLicenseState,
)
from gateway.partner_center import (
    BusyError,
    PartnerCenterClient,
    PartnerCenterError,
    SignInError,
    ThrottledError,
    UnavailableError,
)

log = logging.getLogger(__name__)

LOOK_AROUND = 5.0
"""Seconds between two looks at the queue when nobody says that there is something to do."""

RESULTS = {
    MoveResult.MOVED: "moved",
    MoveResult.ALREADY_MOVED: "had been moved before",
    MoveResult.NO_SEATS: "not moved, since no license is free",
    MoveResult.FAILED: "not moved",
    MoveResult.GONE: "not found at Microsoft",
}


class LicenseMover:
    """The thread of one worker that moves licenses."""

    def __init__(self, ctx: EngineContext) -> None:
        self._ctx = ctx
        self._queue = MoveQueue(ctx.database, ctx.owner, ctx.lease, ctx.clock)
        self._signal = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work; it ends by itself when the engine stops."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._run, name="license-mover", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to do, or that it is time to stop."""
        self._signal.set()

    def wait(self, timeout: float) -> bool:
        """Wait until it has stopped; whether it has within `timeout` seconds."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def work(self) -> bool:
        """Carry out one move as far as it goes; whether there was one."""
        upgrade_id = self._queue.take()
        if upgrade_id is not None:
            self.go_on(upgrade_id)
        return upgrade_id is not None

    def go_on(self, upgrade_id: int) -> None:
        """Carry out a move that was taken."""
        try:
            self._carry_out(upgrade_id)
        except MoveLostError as exc:
            log.warning("Lease lost: %s", exc)

    def _run(self) -> None:
        try:
            self._queue.release_those_of_the_dead()
        except DATABASE_AWAY:
            log.exception("Earlier leases could not be given back; they run out by themselves")
        while not self._ctx.stopping.is_set():
            self._signal.clear()
            try:
                has_worked = self.work()
            except DATABASE_AWAY:
                log.exception("The queue of licenses to move could not be looked at")
                has_worked = False
            except Exception:  # A mistake of ours must not keep the licenses of others.
                log.exception("Licenses could not be moved")
                has_worked = False
            if not has_worked:
                self._signal.wait(LOOK_AROUND)

    def _carry_out(self, upgrade_id: int) -> None:
        move, upgrade, instance_name, latest = self._queue.load(upgrade_id)
        why = self._hopeless(move, upgrade, instance_name, latest)
        client = self._ctx.clients.for_instance_name(instance_name)
        if why is not None or client is None:
            self._queue.give_up(upgrade_id, lambda user: _fail(user, why or ""))
        elif not self._move_all(move, upgrade, instance_name, client):
            return
        self._finish(upgrade, move)

    def _hopeless(
        self, move: LicenseMove, upgrade: Upgrade, instance_name: str, latest: int | None
    ) -> str | None:
        """Why nothing more is to be tried."""
        client = self._ctx.clients.for_instance_name(instance_name)
        if client is None or not client.supports_users:
            return f"The instance {instance_name} signs in without a user: it has no refreshToken"
        if latest != upgrade.id:
            return f"Upgrade {latest} of the subscription came after this one"
        hours = self._ctx.app.upgrade_timeout_hours
        if self._ctx.clock() - move.requested_at > timedelta(hours=hours):
            return f"It was tried for {hours:g} hours"
        return None

    def _move_all(
        self, move: LicenseMove, upgrade: Upgrade, instance_name: str, client: PartnerCenterClient
    ) -> bool:
        """Whether all are done; otherwise the move was put back."""
        microsoft = client.for_correlation(str(upgrade.correlation_id))
        exchange = None
        attempts = move.attempts
        for user in self._queue.users(upgrade.id):
            if self._is_interrupted(upgrade.id, instance_name):
                return False
            try:
                exchange = exchange or exchange_of(upgrade, microsoft)
                move_license(user, exchange, microsoft)
            except PartnerCenterError as exc:
                self._ctx.clients.note(instance_name, exc, self._ctx.clock())
                if not self._is_given_up(exc, attempts, instance_name):
                    self._try_again(upgrade.id, exc, attempts)
                    return False
                _fail(user, f"{exc}; tried {attempts + 1} times")
            else:
                self._ctx.clients.note(instance_name, None, self._ctx.clock())
            attempts = 0
            self._queue.report(user)
        return True

    def _is_interrupted(self, upgrade_id: int, instance_name: str) -> bool:
        if self._ctx.stopping.is_set():
            self._queue.put_back(upgrade_id, 0)
            return True
        now = self._ctx.clock()
        pause = self._ctx.pauses.blocked_instances(now).get(instance_name.casefold())
        if pause is None:
            return False
        self._queue.put_back(
            upgrade_id, spread((pause.until - now).total_seconds()), waiting_for=pause.reason
        )
        return True

    def _is_given_up(self, exc: PartnerCenterError, attempts: int, instance_name: str) -> bool:
        """Whether this user has been tried often enough; while Microsoft is away for all, it never is."""
        if isinstance(exc, (ThrottledError, BusyError, SignInError)):
            return False
        if isinstance(exc, UnavailableError) and self._ctx.pauses.is_down(instance_name):
            return False
        return attempts + 1 >= self._ctx.app.upgrade_max_attempts

    def _try_again(self, upgrade_id: int, exc: PartnerCenterError, attempts: int) -> None:
        pause = getattr(exc, "retry_after", None)
        if isinstance(exc, SignInError):
            pause = SIGN_IN_PAUSE
        if pause is None:
            pause = retry_pause(self._ctx.app.upgrade_poll_interval_seconds, attempts)
        counts = not isinstance(exc, (ThrottledError, BusyError, SignInError))
        self._queue.put_back(
            upgrade_id, spread(pause), attempts=attempts + counts, waiting_for=str(exc)[:200]
        )

    def _finish(self, upgrade: Upgrade, move: LicenseMove) -> None:
        users = LicenseBook(self._ctx, upgrade.id).users()
        left = [each for each in users if each.state is UserLicenseState.LEFT_BEHIND]
        counts = Counter(
            each.result for each in users if each.result and each.changed_at >= move.requested_at
        )
        detail = "; ".join(f"{number} {RESULTS[result]}" for result, number in counts.items())
        event = UpgradeEvent(name="licenses_moved", detail=detail, correlation_id=str(upgrade.correlation_id))
        if left:
            self._queue.finish(upgrade.id, event, **left_behind_warning(left, len(users)))
        else:
            end = {"status": UpgradeStatus.COMPLETED} | dict.fromkeys(("reason_code", "reason", "remedy"))
            self._queue.finish(upgrade.id, event, **end)
        log.info("Licenses moved: upgrade=%s left_behind=%s", upgrade.id, len(left))


def _fail(user: UserLicense, why: str) -> None:
    user.state, user.result, user.detail = UserLicenseState.LEFT_BEHIND, MoveResult.FAILED, why
