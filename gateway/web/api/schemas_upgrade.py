"""What the calls about upgrades take and answer."""

from typing import Annotated

from pydantic import Field, StrictBool

from gateway.models import LicenseCheck, MoveResult, UpgradeStatus, UpgradeStep, UserLicenseState
from gateway.web.api.kinds import APIModel, Cursor, PageQuery, RowId, TextId, Timestamp
from gateway.web.api.schemas_problem import Violation


class UpgradeBatchRequest(APIModel):
    """Which subscriptions shall go to which plan."""

    subscription_ids: list[TextId] = Field(
        description="Each once; they may be of several plans", examples=[["1000017", "1000018"]]
    )
    target_service_plan_id: TextId = Field(examples=["m365-business-premium"])
    dry_run: StrictBool = Field(default=False, description="Only say what would happen")
    only_eligible: StrictBool = Field(
        default=False, description="Leave out subscriptions that cannot go, instead of refusing all"
    )


class ScheduledUpgrade(APIModel):
    id: RowId | None = Field(description="null in a dry run")
    subscription_id: str
    upgrade_status: UpgradeStatus | None = Field(description="null in a dry run")


class ScheduledBatch(APIModel):
    """What one request scheduled, or in a dry run would schedule."""

    id: RowId | None = Field(description="The batch; null in a dry run")
    upgrades: list[ScheduledUpgrade] = Field(description="In the order of the request")
    refused: list[Violation] = Field(
        description="Why subscriptions were left out: an entry for each rule that each of them breaks"
    )


class UpgradeCounts(APIModel):
    """How many upgrades have each status."""

    pending: int
    in_progress: int
    completed: int
    completed_with_warnings: int
    failed: int
    canceled: int


class UpgradeBatch(APIModel):
    """What one request scheduled, and how far it is."""

    id: RowId
    account_id: str = Field(description="The vendor who asked for it")
    requested_by: str
    target_service_plan_id: str
    created_at: Timestamp
    total: int
    counts: UpgradeCounts
    progress: float = Field(description="The share that has ended, from 0 to 1", ge=0, le=1)


class UpgradeBatchWithPace(UpgradeBatch):
    """A batch, and when it will have ended."""

    throughput_per_minute: float | None = Field(
        description="null before the first upgrade has run to its end"
    )
    estimated_end_at: Timestamp | None = Field(description="null when it cannot be told or nothing is left")


class UpgradeBatchList(APIModel):
    items: list[UpgradeBatch]
    next: Cursor


class Upgrade(APIModel):
    """One upgrade operation."""

    id: RowId
    batch_id: RowId
    subscription_id: str
    account_id: str
    source_service_plan_id: str
    target_service_plan_id: str
    upgrade_status: UpgradeStatus
    step: UpgradeStep | None = Field(description="How far it has come; null before it begins")
    attempts: int = Field(description="Tries of the present step that failed")
    due_at: Timestamp | None = Field(description="When it is looked at next")
    waiting_for: str | None = Field(description="Why nothing happens until then")
    license_check: LicenseCheck | None = Field(
        description=(
            "How it is verified whether the users' licenses move: people one by one, only their counts, or "
            "not (failed) since users could not be read; null before that is decided, and where the "
            "application instance has no refreshToken (app-only)"
        )
    )
    reason_code: str | None = Field(description="Why it failed or ended with warnings; stable")
    reason: str | None
    remedy: str | None = Field(description="What to do about it")
    request_id: str = Field(description="Sent to Microsoft as MS-RequestId with the request to upgrade")
    correlation_id: str = Field(description="Sent to Microsoft as MS-CorrelationId with every request")
    scheduled_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    changed_at: Timestamp


class UpgradeList(APIModel):
    items: list[Upgrade]
    next: Cursor


class UpgradeEvent(APIModel):
    """Something that happened to an upgrade."""

    at: Timestamp
    name: str = Field(examples=["scheduled"])
    detail: str | None
    attempt: int
    request_id: str | None = Field(description="Microsoft's MS-RequestId of the call that it speaks of")
    correlation_id: str | None


class UpgradeWithEvents(Upgrade):
    """One upgrade operation with everything that happened."""

    events: list[UpgradeEvent]


class UpgradeQuery(PageQuery):
    batch_id: Annotated[RowId | None, Field(description="Only upgrades of this batch")] = None
    upgrade_status: Annotated[UpgradeStatus | None, Field(description="Only those with this status")] = None
    subscription_id: Annotated[TextId | None, Field(description="Only those of this subscription")] = None


class UpgradeSelection(APIModel):
    """Upgrades by their ids, or all of a batch: one of the two."""

    upgrade_ids: list[RowId] | None = Field(default=None, examples=[["17", "18"]])
    batch_id: RowId | None = None


class NotCanceled(APIModel):
    upgrade_id: RowId
    upgrade_status: UpgradeStatus
    detail: str = Field(description="Why it was not canceled")


class CancelAnswer(APIModel):
    """What became of each upgrade."""

    canceled: list[RowId]
    not_canceled: list[NotCanceled]
    finished: int = Field(description="How many had ended before; of a batch those are not listed")


class UserLicense(APIModel):
    """A user who held the old license when the upgrade began."""

    user_id: str = Field(description="In the customer's directory")
    user_principal_name: str
    state: UserLicenseState
    holds_old: bool | None = Field(
        description="Whether the user had the old license when that was looked at last; null before"
    )
    holds_new: bool | None
    result: MoveResult | None = Field(description="Of the newest attempt to move the license of this user")
    detail: str | None = Field(description="What Microsoft said to that")
    changed_at: Timestamp


class UserLicenseList(APIModel):
    items: list[UserLicense]
    next: Cursor


class MoveLicensesAnswer(APIModel):
    """Whose licenses are moved now."""

    upgrade_id: RowId
    users: int = Field(description="How many users' licenses are to be moved")


class NotRefreshed(APIModel):
    upgrade_id: RowId
    upgrade_status: UpgradeStatus
    detail: str = Field(description="Why there is nothing to read from Microsoft")


class RefreshAnswer(APIModel):
    """Which statuses are read from Microsoft now."""

    refreshed: list[RowId] = Field(description="Those whose status is read from Microsoft now")
    not_refreshed: list[NotRefreshed]
    others: int = Field(description="Of a batch: how many are pending or have ended, which are not listed")
