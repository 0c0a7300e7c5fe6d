"""The queue of licenses to move: rows that say what is asked for, and leases on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.models import (
    ApplicationInstance,
    LicenseMove,
    Upgrade,
    UpgradeEvent,
    UpgradeStatus,
    UserLicense,
    UserLicenseState,
)


class MoveLostError(Exception):
    """Another worker has taken the move over."""


class MoveQueue:
    """The moves of one worker; one thread of it works on them."""

    def __init__(
        self, database: Database, owner: str, lease: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._owner = owner
        self._lease = lease
        self._clock = clock

    def take(self) -> int | None:
        """Take the move that is due the longest and that nobody works on; the id of its upgrade."""
        now = self._clock()
        is_free = or_(LicenseMove.lease_owner.is_(None), LicenseMove.lease_expires_at < now)
        due = select(LicenseMove.upgrade_id).where(LicenseMove.due_at <= now, is_free)
        with self._database.read() as db:
            upgrade_id = db.scalar(due.order_by(LicenseMove.due_at).limit(1))
        if upgrade_id is None:
            return None
        with self._database.write() as db:
            return db.scalars(
                update(LicenseMove)
                .where(LicenseMove.upgrade_id == upgrade_id, is_free)
                .values(lease_owner=self._owner, lease_expires_at=now + self._lease)
                .returning(LicenseMove.upgrade_id),
                execution_options={"synchronize_session": False},
            ).first()

    def release_those_of_the_dead(self) -> None:
        """Free what earlier workers of this node held; this one starts only when they are gone."""
        node = self._owner.rpartition(":")[0]
        of_node = LicenseMove.lease_owner.startswith(f"{node}:", autoescape=True)
        with self._database.write() as db:
            db.execute(
                update(LicenseMove)
                .where(of_node, LicenseMove.lease_owner != self._owner)
                .values(lease_owner=None, lease_expires_at=None),
                execution_options={"synchronize_session": False},
            )

    def load(self, upgrade_id: int) -> tuple[LicenseMove, Upgrade, str, int | None]:
        """The move, its upgrade, the name of the instance, and the newest upgrade of the subscription.

        :raises MoveLostError: if it is not this worker's any more
        """
        newest = (
            select(Upgrade.id)
            .where(Upgrade.status != UpgradeStatus.CANCELED)
            .order_by(Upgrade.id.desc())
            .limit(1)
        )
        with self._database.read() as db:
            move = db.scalar(select(LicenseMove).where(self._mine(upgrade_id)))
            if move is None:
                raise _lost(upgrade_id)
            upgrade = db.get_one(Upgrade, upgrade_id)
            instance = db.get_one(ApplicationInstance, upgrade.application_instance_id)
            latest = db.scalar(newest.where(Upgrade.subscription_id == upgrade.subscription_id))
            db.expunge_all()
        return move, upgrade, instance.name, latest

    def users(self, upgrade_id: int) -> Sequence[UserLicense]:
        """Those whose licenses are still to be moved, by name."""
        query = select(UserLicense).where(
            UserLicense.upgrade_id == upgrade_id, UserLicense.state == UserLicenseState.MOVING
        )
        with self._database.read() as db:
            found = list(db.scalars(query.order_by(UserLicense.user_principal_name, UserLicense.user_id)))
            db.expunge_all()
        return found

    def report(self, user: UserLicense) -> None:
        """Write down what came of one user.

        :raises MoveLostError: if another worker has taken the move over; nothing is written then
        """
        user.changed_at = now = self._clock()
        with self._database.write() as db:
            self._set(db, user.upgrade_id, attempts=0, waiting_for=None, lease_expires_at=now + self._lease)
            db.merge(user)
            db.execute(update(Upgrade).where(Upgrade.id == user.upgrade_id).values(changed_at=now))

    def put_back(self, upgrade_id: int, after: float, **values: object) -> None:
        """Give the move back, to be gone on with so many seconds later."""
        due_at = self._clock() + timedelta(seconds=after)
        values = {"due_at": due_at, "lease_owner": None, "lease_expires_at": None, **values}
        with self._database.write() as db:
            self._set(db, upgrade_id, **values)

    def give_up(self, upgrade_id: int, set_result: Callable[[UserLicense], None]) -> None:
        """Say the same of all who are left."""
        for user in self.users(upgrade_id):
            set_result(user)
            self.report(user)

    def finish(self, upgrade_id: int, event: UpgradeEvent, **columns: object) -> None:
        """The end of a move: the line in the timeline, and what changes in the upgrade."""
        now = self._clock()
        with self._database.write() as db:
            self._set(db, upgrade_id, waiting_for=None)
            db.execute(delete(LicenseMove).where(self._mine(upgrade_id)))
            ended = Upgrade.id == upgrade_id, Upgrade.status == UpgradeStatus.COMPLETED_WITH_WARNINGS
            db.execute(update(Upgrade).where(*ended).values(changed_at=now, **columns))
            event.upgrade_id, event.at = upgrade_id, now
            db.add(event)

    def _set(self, db: Session, upgrade_id: int, **values: object) -> None:
        held = db.scalars(
            update(LicenseMove)
            .where(self._mine(upgrade_id))
            .values(**values)
            .returning(LicenseMove.upgrade_id),
            execution_options={"synchronize_session": False},
        ).first()
        if held is None:
            raise _lost(upgrade_id)

    def _mine(self, upgrade_id: int) -> ColumnElement[bool]:
        return (LicenseMove.upgrade_id == upgrade_id) & (LicenseMove.lease_owner == self._owner)


def _lost(upgrade_id: int) -> MoveLostError:
    return MoveLostError(f"licenses of upgrade {upgrade_id} are moved by another worker")
