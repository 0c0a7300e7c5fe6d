"""Single entries of the catalog, written by the rules of its import.

Whoever edits a template, a plan, an account or a subscription has one catalog entry imported: what an import
would refuse is refused here in the same words, and is nowhere written twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.errors import GatewayError
from gateway.models import Account, ServicePlan, ServiceTemplate, Subscription
from gateway.services.catalog.entries import Catalog
from gateway.services.catalog.errors import CatalogError, CatalogProblem
from gateway.services.catalog.importing import wait_for_other_imports, write_catalog
from gateway.services.catalog.reading import read_document
from gateway.services.errors import InvalidRequestError
from gateway.services.keys import LONGEST_TEXT_ID

Entry = dict[str, Any]
"""An entry of a collection as a catalog has it; see `gateway.services.catalog.entries`."""

Model = type[Account] | type[ServicePlan] | type[ServiceTemplate] | type[Subscription]

COLLECTIONS: dict[Model, str] = {
    Account: "accounts",
    ServiceTemplate: "service_templates",
    ServicePlan: "service_plans",
    Subscription: "subscriptions",
}
LONGEST_SLUG = LONGEST_TEXT_ID - 10
"""Leaves room for a number behind it."""


class InvalidEntryError(InvalidRequestError):
    """Values that the catalog does not take, each with its path within the entry."""

    code = "invalid_entry"

    def __init__(self, problems: Iterable[CatalogProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(each) for each in self.problems))


class ChangedMeanwhileError(GatewayError):
    """Somebody else has saved the thing since it was read."""

    code = "changed_meanwhile"


class CatalogEditing:
    """One edit of the catalog; while it lives, no other edit or import writes."""

    def __init__(self, db: Session) -> None:
        self._db = db
        db.flush()
        wait_for_other_imports(db.connection())
        db.expire_all()  # What was read before the wait may have changed in it.

    def new_id(self, model: Model, name: str) -> str:
        """An id made of a name, with a number behind it where something has it already."""
        base = slug(name) or model.__tablename__
        used = set(self._db.scalars(select(model.id).where(model.id.startswith(base, autoescape=True))))
        return free_key(base, used)

    def save(self, model: Model, *entries: Entry, now: datetime) -> None:
        """Create what has a new id and change what has not.

        :raises InvalidEntryError: with paths within the entry, or with the number of the entry before them
            where there are several; nothing was written
        """
        catalog = _read(model, entries)
        try:
            write_catalog(self._db, catalog, now=now)
        except CatalogError as exc:
            raise _within(model, entries, exc) from exc


def check_form(model: Model, entry: Entry) -> None:
    """Check whether every value of an entry has the right form, without a look at the database.

    :raises InvalidEntryError: with the paths of those that have not
    """
    _read(model, [entry])


def _read(model: Model, entries: Sequence[Entry]) -> Catalog:
    try:
        return read_document({COLLECTIONS[model]: list(entries)}, lambda _what, _done, _total: None)
    except CatalogError as exc:
        raise _within(model, entries, exc) from exc


def _within(model: Model, entries: Sequence[Entry], error: CatalogError) -> InvalidEntryError:
    lead = f"{COLLECTIONS[model]}[0]." if len(entries) == 1 else COLLECTIONS[model]
    return InvalidEntryError(each._replace(path=each.path.removeprefix(lead)) for each in error.problems)


def require_unchanged(what: str, seen: datetime | None, updated_at: datetime) -> None:
    """
    :param seen: when it had last been changed as far as the one knew who edits it
    :raises ChangedMeanwhileError: if that is not when it was last changed
    """
    if seen != updated_at:
        raise ChangedMeanwhileError(
            f"{what} was changed at {updated_at:%Y-%m-%d %H:%M:%S} UTC, after you opened it;"
            " expected it as you saw it. Nothing was saved"
        )


def slug(name: str) -> str:
    """Small letters, digits and hyphens, as an id that people read; nothing where the name has none."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_SLUG].strip("-")


def free_key(base: str, used: set[str] | Sequence[str]) -> str:
    """The first of `base`, `base-2`, `base-3` and so on that is not used."""
    key, number = base, 1
    while key in used:
        number += 1
        key = f"{base}-{number}"
    return key
