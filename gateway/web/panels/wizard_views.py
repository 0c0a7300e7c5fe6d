"""Upgrade Subscriptions: the target plan, a preview of every subscription, Finish.

The steps before Finish only read, and their addresses hold everything that was chosen: Back and Forward work,
and an address can be kept.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy.orm import Session

from gateway.errors import GatewayError
from gateway.models import ServicePlan
from gateway.services.catalog_queries import CatalogQueries
from gateway.services.eligibility import SubscriptionFacts, Violation, ViolationCode
from gateway.services.errors import NotEligibleError
from gateway.services.idempotency import Idempotency
from gateway.services.prices import PriceChange, compare_prices
from gateway.services.scheduling import MOST_SUBSCRIPTIONS, Assessment, Scheduled, UpgradeScheduling
from gateway.services.subscription_queries import SubscriptionQueries, SubscriptionRow
from gateway.web.api.catalog_views import upgrade_paths
from gateway.web.panels.licenses import note_before
from gateway.web.panels.places import Crumb, Places
from gateway.web.panels.rendering import Message, page, see_other
from gateway.web.panels.selecting import Chosen, chosen, find_plan
from gateway.web.panels.words import REASONS, counted
from gateway.web.registry import DATABASE, SETTINGS

ROWS = 100
STEP = "Upgrade Subscriptions"
ELIGIBLE = "eligible"
CHECKED_AT_ONCE = 250
"""Of a larger selection the preview checks these first, and all of it when that is asked for."""


class PreviewRow(NamedTuple):
    """One selected subscription and what would become of it."""

    row: SubscriptionRow
    violations: Sequence[Violation]
    price: PriceChange | None
    """For the shortest period; None where it is not eligible or the plans share no period."""


class Preview(NamedTuple):
    """What Finish would do, as far as one page shows it."""

    assessment: Assessment
    reasons: list[tuple[ViolationCode, str, int]]
    """Code, words and how many subscriptions it keeps."""
    prices: list[PriceChange]
    digest: str
    is_whole: bool
    """Whether everything that was selected has been checked; only then it can be finished."""

    @property
    def total(self) -> int:
        return len(self.assessment.eligible) + len(self.assessment.refused)


def choose_target(request: Request) -> Response:
    places = Places(request)
    plan = find_plan(request)
    asked = chosen(request, plan)
    selected = asked.count(SubscriptionQueries(request.db, request.caller))
    if not selected:
        message = Message("failed", "Select the subscriptions to upgrade")
        return see_other(request, places.plan(plan, query=asked.filter_query()), message)
    targets = CatalogQueries(request.db, request.caller).upgrade_targets(
        plan.id, upgrade_paths(request, request.db), request.now
    )
    return page(
        request,
        "wizard_target.jinja2",
        trail=[*places.plan_trail(plan), Crumb(STEP, request.path_qs)],
        plan=plan,
        asked=asked,
        selected=selected,
        targets=targets,
        available=[target for target in targets if target.available],
        current=request.GET.get("target"),
    )


def show_preview(request: Request) -> Response:
    places = Places(request)
    plan = find_plan(request)
    asked = chosen(request, plan)
    target_id = request.GET.get("target", "")
    if not target_id:
        message = Message("failed", "Select the target service plan")
        return see_other(request, places.plan(plan, "target", asked.query()), message)
    target = CatalogQueries(request.db, request.caller).service_plan(target_id).plan
    is_checked = request.GET.get("check") == "all"
    queries = SubscriptionQueries(request.db, request.caller)
    ids = asked.subscription_ids(queries, MOST_SUBSCRIPTIONS + 1 if is_checked else CHECKED_AT_ONCE + 1)
    is_whole = is_checked or len(ids) <= CHECKED_AT_ONCE
    ids = ids if is_whole else ids[:CHECKED_AT_ONCE]
    preview = _preview(plan, target, _assess(request, request.db, ids, target_id), is_whole)
    shown, number, pages = _part(preview, request.GET.get("show", ""), request.GET.get("page", "1"))
    return page(
        request,
        "wizard_preview.jinja2",
        trail=[
            *places.plan_trail(plan),
            Crumb(STEP, places.plan(plan, "target", [*asked.query(), ("target", target_id)])),
            Crumb(target.name, request.path_qs),
        ],
        plan=plan,
        asked=asked,
        target=target,
        preview=preview,
        once=secrets.token_urlsafe(16),
        shown=_rows(request, preview, shown, plan, target),
        query=[*asked.query(), ("target", target_id), *([("check", "all")] if is_checked else [])],
        show=request.GET.get("show", ""),
        number=number,
        pages=pages,
        only_eligible=bool(request.GET.get("only_eligible")) and bool(preview.assessment.eligible),
        license_note=note_before(request, target.service_template.application_instance.name),
        help_url=request.registry[SETTINGS].app.eligibility_help_url,
    )


def finish(request: Request) -> Response:
    """Schedule exactly what the preview showed, or nothing; once, however often the button is pressed."""
    places = Places(request)
    plan = find_plan(request)
    asked = chosen(request, plan)
    target_id = str(request.POST.get("target", ""))
    _ask_microsoft_first(request, asked, target_id)
    idempotency = Idempotency(request.db)
    before = idempotency.begin(request.caller.name, *_once(request), request.now)
    if before is not None and before.location is not None:
        return see_other(request, before.location, Message("done", before.body or ""))
    scheduled = _schedule(request, asked, target_id)
    if scheduled is None:
        request.tm.doom()
        again = places.plan(plan, "preview", [*asked.query(), ("target", target_id)])
        text = "Nothing was scheduled: the subscriptions have changed since the preview"
        return see_other(request, again, Message("failed", text))
    request.wake_engine_after_commit()
    left_out = f"; {counted(len(scheduled.refused), 'subscription')} left out" if scheduled.refused else ""
    text = f"{counted(len(scheduled.upgrades), 'upgrade')} scheduled{left_out}"
    batch_url = places.url("batch", batch_id=scheduled.batch.id)
    idempotency.complete(int(HTTPStatus.SEE_OTHER), batch_url, text)
    return see_other(request, batch_url, Message("done", text))


def _once(request: Request) -> tuple[str, str]:
    """What tells this preview from every other one, and a hash of what it showed."""
    once = str(request.POST.get("once") or secrets.token_urlsafe(16))
    shown = f"{request.path}\n{request.POST.get('digest', '')}"
    return f"finish-{once}", hashlib.sha256(shown.encode()).hexdigest()


def _schedule(request: Request, asked: Chosen, target_id: str) -> Scheduled | None:
    """None if it is not what the preview showed."""
    scheduling = UpgradeScheduling(request.db, request.caller, upgrade_paths(request, request.db))
    ids = asked.subscription_ids(SubscriptionQueries(request.db, request.caller))
    only_eligible = bool(request.POST.get("only_eligible"))
    try:
        scheduled = scheduling.schedule(ids, target_id, only_eligible=only_eligible, now=request.now)
    except NotEligibleError:
        return None
    digest = _digest([key for _, key in scheduled.upgrades], target_id)
    return scheduled if digest == request.POST.get("digest") else None


def _ask_microsoft_first(request: Request, asked: Chosen, target_id: str) -> None:
    """Upgrade paths are asked for before the transaction begins that keeps others from writing."""
    with request.registry[DATABASE].read() as db, suppress(GatewayError):
        scheduling = UpgradeScheduling(db, request.caller, upgrade_paths(request, db))
        ids = asked.subscription_ids(SubscriptionQueries(db, request.caller))
        scheduling.look_up_paths(ids, target_id, request.now)


def _assess(request: Request, db: Session, ids: Sequence[str], target_id: str) -> Assessment:
    return UpgradeScheduling(db, request.caller, upgrade_paths(request, db)).assess(
        ids, target_id, request.now
    )


def _preview(source: ServicePlan, target: ServicePlan, assessment: Assessment, is_whole: bool) -> Preview:
    kept = Counter(code for each in assessment.refused for code in {v.code for v in each.violations})
    return Preview(
        assessment,
        [(code, REASONS[code], number) for code, number in kept.most_common()],
        compare_prices(source, target, [_seats(facts) for facts in assessment.eligible.values()]),
        _digest(list(assessment.eligible), target.id),
        is_whole,
    )


def _part(preview: Preview, show: str, number: str) -> tuple[list[str], int, int]:
    """The ids on one page of what is shown, the page's number, and how many pages there are.

    Those that cannot be upgraded come first.
    """
    eligible = list(preview.assessment.eligible)
    refused = [
        refusal.subscription_id
        for refusal in preview.assessment.refused
        if show in ("", "refused") or show in {violation.code for violation in refusal.violations}
    ]
    ids = eligible if show == ELIGIBLE else refused if show else [*refused, *eligible]
    pages = max(1, -(-len(ids) // ROWS))
    wanted = min(max(1, int(number)), pages) if number.isdecimal() and len(number) < 9 else 1
    return ids[(wanted - 1) * ROWS : wanted * ROWS], wanted, pages


def _rows(
    request: Request, preview: Preview, ids: Sequence[str], source: ServicePlan, target: ServicePlan
) -> list[PreviewRow]:
    violations = {each.subscription_id: each.violations for each in preview.assessment.refused}
    eligible = preview.assessment.eligible
    rows = []
    for row in SubscriptionQueries(request.db, request.caller).by_ids(ids):
        key = row.subscription.id
        prices = compare_prices(source, target, [_seats(eligible[key])]) if key in eligible else []
        rows.append(PreviewRow(row, violations.get(key, ()), prices[0] if prices else None))
    return rows


def _seats(facts: SubscriptionFacts) -> int:
    return facts.license.limit if facts.license else 0


def _digest(ids: Sequence[str], target_id: str) -> str:
    """Tells one set of upgrades from another."""
    return hashlib.sha256("\n".join([target_id, *sorted(ids)]).encode()).hexdigest()
