"""The calls about upgrades."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus

from pyramid.request import Request

from gateway.errors import GatewayError
from gateway.services.cancellation import UpgradeCancellation
from gateway.services.errors import NotEligibleError, UpgradeBatchNotFoundError, UpgradeNotFoundError
from gateway.services.license_moves import LicenseMoves
from gateway.services.refresh import StatusRefresh
from gateway.services.scheduling import Assessment, UpgradeScheduling
from gateway.services.upgrade_queries import UpgradeQueries
from gateway.web.api.call import PREFIX, Answer, answer
from gateway.web.api.catalog_views import upgrade_paths
from gateway.web.api.idempotency import once
from gateway.web.api.kinds import PageQuery, read_row_id
from gateway.web.api.presenting_upgrades import (
    present_assessment,
    present_batch,
    present_batch_with_pace,
    present_cancellation,
    present_refresh,
    present_refusals,
    present_scheduled,
    present_upgrade,
    present_upgrade_with_events,
    present_user_license,
)
from gateway.web.api.schemas_upgrade import (
    MoveLicensesAnswer,
    UpgradeBatchList,
    UpgradeBatchRequest,
    UpgradeList,
    UpgradeQuery,
    UpgradeSelection,
    UserLicenseList,
)
from gateway.web.problems import problem_body
from gateway.web.registry import DATABASE


def create_upgrade_batch(request: Request, asked: UpgradeBatchRequest) -> Answer:
    """Schedule upgrades, or say what would be scheduled.

    Microsoft may have to be asked for upgrade paths, which takes time. That is done before the transaction
    begins that writes and keeps others waiting; it finds the answers remembered.
    """
    if asked.dry_run:
        return once(request, asked, lambda: answer(present_assessment(_assess(request, asked))))
    with suppress(GatewayError):  # What is wrong is said by the schedule itself.
        _look_up_paths(request, asked)
    return once(request, asked, lambda: _schedule(request, asked))


def _assess(request: Request, asked: UpgradeBatchRequest) -> Assessment:
    with request.registry[DATABASE].read() as db:
        scheduling = UpgradeScheduling(db, request.caller, upgrade_paths(request, db))
        return scheduling.assess(asked.subscription_ids, asked.target_service_plan_id, request.now)


def _look_up_paths(request: Request, asked: UpgradeBatchRequest) -> None:
    with request.registry[DATABASE].read() as db:
        scheduling = UpgradeScheduling(db, request.caller, upgrade_paths(request, db))
        scheduling.look_up_paths(asked.subscription_ids, asked.target_service_plan_id, request.now)


def _schedule(request: Request, asked: UpgradeBatchRequest) -> Answer:
    scheduling = UpgradeScheduling(request.db, request.caller, upgrade_paths(request, request.db))
    try:
        scheduled = scheduling.schedule(
            asked.subscription_ids,
            asked.target_service_plan_id,
            only_eligible=asked.only_eligible,
            now=request.now,
        )
    except NotEligibleError as exc:
        return _refused(request, exc)
    request.wake_engine_after_commit()
    location = f"{PREFIX}/upgrade-batches/{scheduled.batch.id}"
    return answer(present_scheduled(scheduled), HTTPStatus.ACCEPTED, location)


def _refused(request: Request, error: NotEligibleError) -> Answer:
    """Returned, not raised, so that the answer is kept for a repetition of the request."""
    violations = [each.model_dump() for each in present_refusals(error.refusals)]
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return Answer(problem_body(request, status, error.code, str(error), violations=violations), status)


def list_upgrade_batches(request: Request, asked: PageQuery) -> Answer:
    page = UpgradeQueries(request.db, request.caller).list_batches(cursor=asked.cursor, limit=asked.limit)
    return answer(UpgradeBatchList(items=[present_batch(row) for row in page.items], next=page.next_cursor))


def get_upgrade_batch(request: Request, _asked: None) -> Answer:
    try:
        batch_id = read_row_id(request.matchdict["upgrade_batch_id"])
    except ValueError:
        raise UpgradeBatchNotFoundError([request.matchdict["upgrade_batch_id"]]) from None
    return answer(present_batch_with_pace(UpgradeQueries(request.db, request.caller).batch(batch_id)))


def list_upgrades(request: Request, asked: UpgradeQuery) -> Answer:
    page = UpgradeQueries(request.db, request.caller).list(
        batch_id=asked.batch_id,
        status=asked.upgrade_status,
        subscription_id=asked.subscription_id,
        cursor=asked.cursor,
        limit=asked.limit,
    )
    return answer(UpgradeList(items=[present_upgrade(row) for row in page.items], next=page.next_cursor))


def get_upgrade(request: Request, _asked: None) -> Answer:
    queries = UpgradeQueries(request.db, request.caller)
    return answer(present_upgrade_with_events(queries.get(_upgrade_id(request))))


def list_user_licenses(request: Request, asked: PageQuery) -> Answer:
    moves = LicenseMoves(request.db, request.caller)
    page = moves.list(_upgrade_id(request), cursor=asked.cursor, limit=asked.limit)
    users = [present_user_license(each) for each in page.items]
    return answer(UserLicenseList(items=users, next=page.next_cursor))


def move_licenses(request: Request, _asked: None) -> Answer:
    upgrade_id = _upgrade_id(request)
    users = LicenseMoves(request.db, request.caller).request(upgrade_id, request.now)
    request.wake_engine_after_commit()
    location = f"{PREFIX}/upgrades/{upgrade_id}/user-licenses"
    return answer(MoveLicensesAnswer(upgrade_id=upgrade_id, users=users), HTTPStatus.ACCEPTED, location)


def _upgrade_id(request: Request) -> int:
    """:raises UpgradeNotFoundError: if the address cannot mean one"""
    try:
        return read_row_id(request.matchdict["upgrade_id"])
    except ValueError:
        raise UpgradeNotFoundError([request.matchdict["upgrade_id"]]) from None


def cancel_upgrades(request: Request, asked: UpgradeSelection) -> Answer:
    cancellation = UpgradeCancellation(request.db, request.caller)
    result = cancellation.cancel(upgrade_ids=asked.upgrade_ids, batch_id=asked.batch_id, now=request.now)
    return answer(present_cancellation(result))


def refresh_upgrades(request: Request, asked: UpgradeSelection) -> Answer:
    refresh = StatusRefresh(request.db, request.caller)
    result = refresh.refresh(upgrade_ids=asked.upgrade_ids, batch_id=asked.batch_id, now=request.now)
    request.wake_engine_after_commit()
    return answer(present_refresh(result))
