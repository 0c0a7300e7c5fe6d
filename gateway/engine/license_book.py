"""Who of one upgrade holds which license: what the engine writes down, in portions that survive its end."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select, update

from gateway.engine.context import EngineContext
from gateway.engine.entries import LeaseLostError
from gateway.models import Upgrade, UpgradeStatus, UserLicense, UserLicenseState
from gateway.partner_center import License, PartnerCenterClient, RefusedError
from gateway.services.upsert import insert_into

_COLUMNS = tuple(column.key for column in UserLicense.__table__.columns)
_KEY = ("upgrade_id", "user_id")


class LicenseBook:
    """The users of one upgrade that this worker has in hand."""

    def __init__(self, ctx: EngineContext, upgrade_id: int) -> None:
        self._ctx = ctx
        self._upgrade_id = upgrade_id

    def users(self) -> list[UserLicense]:
        """Everybody written down so far, by name."""
        query = select(UserLicense).where(UserLicense.upgrade_id == self._upgrade_id)
        with self._ctx.database.read() as db:
            found = list(db.scalars(query.order_by(UserLicense.user_principal_name, UserLicense.user_id)))
            db.expunge_all()
        return found

    def write(self, users: Iterable[UserLicense]) -> None:
        """Write them down, new or changed.

        :raises LeaseLostError: if another worker has taken the upgrade over; nothing is written then
        """
        now = self._ctx.clock()
        rows = [self._values(user) | {"changed_at": now} for user in users]
        if not rows:
            return
        with self._ctx.database.write() as db:
            held = select(Upgrade.id).where(
                Upgrade.id == self._upgrade_id,
                Upgrade.status == UpgradeStatus.IN_PROGRESS,
                Upgrade.lease_owner == self._ctx.owner,
            )
            if db.scalar(held.with_for_update()) is None:
                raise LeaseLostError(f"upgrade {self._upgrade_id} is worked on by somebody else")
            insert = insert_into(db, UserLicense)
            changed = {name: insert.excluded[name] for name in _COLUMNS if name not in _KEY}
            db.execute(insert.on_conflict_do_update(index_elements=_KEY, set_=changed), rows)

    def forget(self, *states: UserLicenseState) -> None:
        """Strike out those of these states; everybody when there is none."""
        which = [UserLicense.upgrade_id == self._upgrade_id]
        if states:
            which.append(UserLicense.state.in_(states))
        with self._ctx.database.write() as db:
            db.execute(delete(UserLicense).where(*which))

    def take_over(self, earlier_upgrade_id: int) -> None:
        """Go on with what an earlier upgrade wrote down, whose request to Microsoft this one took over."""
        of_earlier = UserLicense.upgrade_id == earlier_upgrade_id
        with self._ctx.database.write() as db:
            db.execute(update(UserLicense).where(of_earlier).values(upgrade_id=self._upgrade_id))

    def _values(self, user: UserLicense) -> dict[str, object]:
        return {name: getattr(user, name) for name in _COLUMNS} | {"upgrade_id": self._upgrade_id}


def read_licenses(microsoft: PartnerCenterClient, tenant_id: str, user_id: str) -> dict[str, License] | None:
    """What the user holds now, by the ids of the licenses in lower case; None for one who is gone."""
    try:
        return {each.sku_id.casefold(): each for each in microsoft.list_licenses(tenant_id, user_id)}
    except RefusedError as exc:
        if exc.is_not_found:
            return None
        raise
