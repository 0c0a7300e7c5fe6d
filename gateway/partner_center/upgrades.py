"""Legacy upgrades: which ones are possible, and the result of one, which comes at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from gateway.partner_center.reading import Record, UnreadableError
from gateway.partner_center.reasons import UPGRADE_REASONS, Reason, read_reasons


class UpgradeType(StrEnum):
    """What else moves with the seats."""

    ONLY = "upgrade_only"
    WITH_LICENSE_TRANSFER = "upgrade_with_license_transfer"


_TYPES = {0: "none", 1: UpgradeType.ONLY.value, 2: UpgradeType.WITH_LICENSE_TRANSFER.value}
_NO_NAMES: Mapping[int, str] = {}


@dataclass(frozen=True)
class LegacyUpgrade:
    """One pair of target offer and upgrade type; pairs that are not eligible are listed too."""

    target_offer_id: str
    target_offer_name: str
    upgrade_type: str
    is_eligible: bool
    quantity: int
    errors: tuple[Reason, ...]
    raw: str = field(repr=False)
    """The entry as Microsoft wrote it (JSON): asking for the upgrade sends it back whole."""


class UserLicenseError(NamedTuple):
    """A person whose licence did not move; the codes of the errors are the API's, their names all `other`."""

    user_id: str
    name: str
    email: str
    errors: tuple[Reason, ...]


class LegacyUpgradeResult(NamedTuple):
    source_subscription_id: str
    target_subscription_id: str
    """The new subscription; empty when nothing was upgraded."""
    upgrade_type: str
    errors: tuple[Reason, ...]
    license_errors: tuple[UserLicenseError, ...]

    @property
    def is_upgraded(self) -> bool:
        return bool(self.target_subscription_id)


def read_upgrade(record: Record) -> LegacyUpgrade:
    target = record.record("targetOffer")
    return LegacyUpgrade(
        target_offer_id=target.text("id"),  # Missing in an entry that says that there is no path at all.
        target_offer_name=target.text("name"),
        upgrade_type=record.word("upgradeType", _TYPES),
        is_eligible=record.flag("isEligible") and target.has("id"),
        quantity=record.count("quantity"),
        errors=read_reasons(record, "upgradeErrors", UPGRADE_REASONS),
        raw=_as_json(record),
    )


def _as_json(record: Record) -> str:
    try:
        return json.dumps(record.raw)
    except RecursionError:
        raise UnreadableError("an entry is nested too deeply") from None


def read_upgrade_result(record: Record) -> LegacyUpgradeResult:
    result = LegacyUpgradeResult(
        source_subscription_id=record.text("sourceSubscriptionId"),
        target_subscription_id=record.text("targetSubscriptionId"),
        upgrade_type=record.word("upgradeType", _TYPES),
        errors=read_reasons(record, "upgradeErrors", UPGRADE_REASONS),
        license_errors=tuple(_read_user_error(entry) for entry in record.records("licenseErrors")),
    )
    if not result.target_subscription_id and not result.errors:
        raise UnreadableError("expected targetSubscriptionId or upgradeErrors, got neither")
    return result


def _read_user_error(record: Record) -> UserLicenseError:
    return UserLicenseError(
        user_id=record.text("userObjectId"),
        name=record.text("name"),
        email=record.text("email"),
        errors=read_reasons(record, "errors", _NO_NAMES),
    )
