"""The upgrades that a request speaks of: some by their ids, or all of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from gateway.models import Upgrade, UpgradeBatch
from gateway.services.branch import sees_batch, sees_upgrade
from gateway.services.caller import Caller
from gateway.services.errors import (
    InvalidSelectionError,
    UpgradeBatchNotFoundError,
    UpgradeNotFoundError,
)
from gateway.services.keys import chunks, is_row_id

MOST_UPGRADES = 100_000
"""In one request."""


class Selection:
    """Upgrades that the caller sees, as conditions of statements: a batch may be too large to list."""

    def __init__(
        self, db: Session, caller: Caller, upgrade_ids: Sequence[int] | None, batch_id: int | None
    ) -> None:
        """:raises InvalidSelectionError: unless there is either at least one id, or a batch
        :raises NotFoundError: if something does not exist for the caller
        """
        if (upgrade_ids is None) == (batch_id is None):
            raise InvalidSelectionError("expected either upgrade_ids or batch_id")
        self._db = db
        self._caller = caller
        self._batch_id = batch_id
        self._ids: list[int] = []
        if upgrade_ids is not None:
            self._ids = self._checked_ids(upgrade_ids)
        elif batch_id is not None:
            self._check_batch(batch_id)

    @property
    def is_batch(self) -> bool:
        return self._batch_id is not None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Conditions on `Upgrade` that together mean every one once, by rising ids."""
        if self.is_batch:
            yield (Upgrade.batch_id == self._batch_id) & sees_upgrade(self._caller)
        for chunk in chunks(self._ids):
            yield Upgrade.id.in_(chunk)

    def instance_ids(self) -> set[str]:
        """The application instances that they belong to."""
        found: set[str] = set()
        for which in self.conditions():
            found |= set(self._db.scalars(select(Upgrade.application_instance_id).where(which).distinct()))
        return found

    def _checked_ids(self, upgrade_ids: Sequence[int]) -> list[int]:
        wanted = sorted(set(upgrade_ids))
        if not 0 < len(wanted) <= MOST_UPGRADES:
            raise InvalidSelectionError(f"{len(wanted)} upgrade_ids; expected 1 to {MOST_UPGRADES}")
        found: set[int] = set()
        for chunk in chunks([key for key in wanted if is_row_id(key)]):
            visible = select(Upgrade.id).where(Upgrade.id.in_(chunk), sees_upgrade(self._caller))
            found |= set(self._db.scalars(visible))
        if len(found) < len(wanted):
            raise UpgradeNotFoundError([key for key in wanted if key not in found])
        return wanted

    def _check_batch(self, batch_id: int) -> None:
        visible = select(UpgradeBatch.id).where(UpgradeBatch.id == batch_id, sees_batch(self._caller))
        if not is_row_id(batch_id) or self._db.scalar(visible) is None:
            raise UpgradeBatchNotFoundError([batch_id])
