"""What an import did."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gateway.services.catalog.tables import Change


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the entries of one collection."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    """Subscriptions in an upgrade, whose plan, resources and Microsoft id stay as they are."""

    @classmethod
    def of(cls, change: Change) -> Counts:
        return cls(len(change.created), len(change.updated), change.unchanged)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.created + other.created,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.skipped + other.skipped,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    application_instances: Counts
    accounts: Counts
    service_templates: Counts
    service_plans: Counts
    subscriptions: Counts

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Counts by collection, then by `created`, `updated`, `unchanged` and `skipped`."""
        return {each.name: _counts(getattr(self, each.name)) for each in fields(self)}

    @property
    def changed_nothing(self) -> bool:
        return not any(counts["created"] or counts["updated"] for counts in self.as_dict().values())


def _counts(counts: Counts) -> dict[str, int]:
    return {each.name: getattr(counts, each.name) for each in fields(counts)}
