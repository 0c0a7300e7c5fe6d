"""What an import did."""

from __future__ import annotations

from typing import NamedTuple

from gateway.services.catalog.tables import Change


class Counts(NamedTuple):
    """What became of the entries of one collection."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    """Subscriptions in an upgrade, whose plan, resources and Microsoft id stay as they are."""

    @classmethod
    def of(cls, change: Change) -> Counts:
        return cls(len(change.created), len(change.updated), change.unchanged)

    def plus(self, other: Counts) -> Counts:
        return Counts(
            self.created + other.created,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.skipped + other.skipped,
        )


class ImportSummary(NamedTuple):
    application_instances: Counts
    accounts: Counts
    service_templates: Counts
    service_plans: Counts
    subscriptions: Counts

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Counts by collection, then by `created`, `updated`, `unchanged` and `skipped`."""
        return {name: counts._asdict() for name, counts in self._asdict().items()}

    @property
    def changed_nothing(self) -> bool:
        return not any(counts["created"] or counts["updated"] for counts in self.as_dict().values())
