"""Move Licenses: who of an upgrade has which license, and the request to move those that were left behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from gateway.models import (
    LicenseCheck,
    LicenseMove,
    Subscription,
    Upgrade,
    UpgradeStatus,
    UserLicense,
    UserLicenseState,
)
from gateway.services.abilities import Abilities
from gateway.services.audit import Audit, AuditAction
from gateway.services.branch import sees_upgrade
from gateway.services.caller import Caller
from gateway.services.errors import NoLicensesToMoveError, UpgradeNotFoundError
from gateway.services.events import add_events
from gateway.services.keys import is_row_id
from gateway.services.paging import DEFAULT_LIMIT, Page, checked_limit, page_of, text_cursor

NEED_ATTENTION = (UserLicenseState.LEFT_BEHIND, UserLicenseState.MOVING)


class LicenseSummary(NamedTuple):
    """How the licenses of the users of one upgrade stand."""

    check: LicenseCheck | None
    counts: dict[UserLicenseState, int]
    """Of every state, also those with none."""
    move: LicenseMove | None
    """What is being moved at the moment."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def left_behind(self) -> int:
        return self.counts[UserLicenseState.LEFT_BEHIND]

    @property
    def moving(self) -> int:
        """Those whose licenses are still to be moved by the action under way."""
        return self.counts[UserLicenseState.MOVING]


class LicenseMoves:
    """What one caller sees of the users' licenses, and may have moved."""

    def __init__(self, db: Session, caller: Caller) -> None:
        self._db = db
        self._caller = caller

    def summary(self, upgrade_id: int) -> LicenseSummary:
        """:raises UpgradeNotFoundError: if the upgrade does not exist for the caller"""
        upgrade = self._get_one(upgrade_id)
        query = select(UserLicense.state, func.count()).where(_of(upgrade_id)).group_by(UserLicense.state)
        counts = dict.fromkeys(UserLicenseState, 0)
        for state, number in self._db.execute(query):
            counts[state] = number
        return LicenseSummary(upgrade.license_check, counts, self._db.get(LicenseMove, upgrade_id))

    def list(
        self, upgrade_id: int, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[UserLicense]:
        """Users by their ids.

        :raises UpgradeNotFoundError: if the upgrade does not exist for the caller
        :raises InvalidCursorError, InvalidLimitError: for what does not fit the list
        """
        self._get_one(upgrade_id)
        query = select(UserLicense).where(_of(upgrade_id)).order_by(UserLicense.user_id)
        after = text_cursor(cursor)
        if after is not None:
            query = query.where(UserLicense.user_id > after)
        found = self._db.scalars(query.limit(checked_limit(limit) + 1)).all()
        return page_of(found, limit, lambda user: user.user_id)

    def first(self, upgrade_id: int, most: int) -> Sequence[UserLicense]:
        """Some users of an upgrade that the caller sees, those first who need attention, by name."""
        rank = case((UserLicense.state.in_(NEED_ATTENTION), 0), (UserLicense.result.is_not(None), 1), else_=2)
        query = select(UserLicense).where(_of(upgrade_id))
        query = query.order_by(rank, UserLicense.user_principal_name, UserLicense.user_id)
        return self._db.scalars(query.limit(most)).all()

    def request(self, upgrade_id: int, now: datetime) -> int:
        """Ask for the licenses of those left behind to be moved; how many users that are.

        Asking again while that is under way changes nothing.

        :raises UpgradeNotFoundError: if the upgrade does not exist for the caller
        :raises ForbiddenError: if the caller may not upgrade
        :raises NoLicensesToMoveError: if nobody was left behind, or a newer upgrade has begun
        """
        abilities = Abilities(self._db)
        upgrade = self._get_one(upgrade_id, lock=True)
        abilities.require_upgrade(self._caller, upgrade.application_instance_id)
        if self._db.get(LicenseMove, upgrade_id) is not None:
            return self.summary(upgrade_id).moving
        self._check(upgrade)
        left_behind = _of(upgrade_id) & (UserLicense.state == UserLicenseState.LEFT_BEHIND)
        users = self._db.scalars(
            update(UserLicense)
            .where(left_behind)
            .values(state=UserLicenseState.MOVING, result=None, detail=None, changed_at=now)
            .returning(UserLicense.user_id),
            execution_options={"synchronize_session": False},
        ).all()
        if not users:
            raise NoLicensesToMoveError(f"upgrade {upgrade_id} left no user behind; there is nothing to move")
        self._record(upgrade, len(users), now)
        return len(users)

    def _check(self, upgrade: Upgrade) -> None:
        if upgrade.status is not UpgradeStatus.COMPLETED_WITH_WARNINGS:
            status = upgrade.status.value.replace("_", " ")
            raise NoLicensesToMoveError(
                f"upgrade {upgrade.id} is {status}; expected one that is completed with warnings"
            )
        newest = self._db.scalar(
            select(func.max(Upgrade.id)).where(
                Upgrade.subscription_id == upgrade.subscription_id, Upgrade.status != UpgradeStatus.CANCELED
            )
        )
        if newest != upgrade.id:
            raise NoLicensesToMoveError(
                f"upgrade {newest} of the subscription came after upgrade {upgrade.id}; expected the newest"
            )

    def _record(self, upgrade: Upgrade, number: int, now: datetime) -> None:
        move = LicenseMove(
            upgrade_id=upgrade.id, requested_by=self._caller.name, requested_at=now, due_at=now
        )
        self._db.add(move)
        upgrade.changed_at = now
        users = f"{number} user{'' if number == 1 else 's'}"
        detail = f"Licenses of {users}, asked for by {self._caller.name}"
        add_events(self._db, Upgrade.id == upgrade.id, "licenses_to_be_moved", detail, now)
        Audit(self._db).record(
            AuditAction.LICENSES_MOVED,
            self._caller.actor,
            now,
            account_id=self._db.get_one(Subscription, upgrade.subscription_id).branch_id,
            subject=f"upgrade {upgrade.id}",
            detail=f"Move Licenses of {users} left behind",
        )
        self._db.flush()

    def _get_one(self, upgrade_id: int, *, lock: bool = False) -> Upgrade:
        query = select(Upgrade).where(Upgrade.id == upgrade_id, sees_upgrade(self._caller))
        query = query.with_for_update(of=Upgrade) if lock else query
        upgrade = self._db.scalar(query) if is_row_id(upgrade_id) else None
        if upgrade is None:
            raise UpgradeNotFoundError([upgrade_id])
        return upgrade


def _of(upgrade_id: int) -> ColumnElement[bool]:
    return (UserLicense.upgrade_id == upgrade_id) & (UserLicense.state != UserLicenseState.OTHER)
