"""What becomes of one upgrade, whatever Microsoft answers and whenever the worker dies."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from gateway.engine.claims import Claims
from gateway.engine.entries import LeaseLostError
from gateway.engine.outcome import again, move_on
from gateway.engine.steps import DATABASE_PAUSE, advance
from gateway.models import ResourceType, Subscription, SubscriptionStatus, UpgradeStatus, UpgradeStep
from gateway.simulator import Simulator
from tests.catalogs import BASIC, LEGACY_STANDARD, PREMIUM, STANDARD, microsoft_id_of, tenant_of
from tests.unit.engine.conftest import LATENCY

THE_INTENT = 3
"""The number of the commit that says that a request is about to leave."""

AFTER_THE_INTENT = ("after", THE_INTENT)
"""Nobody can know that the worker died before the request left."""

NEW = ["started", "checked", "licenses_noted", "submitting", "accepted", "converted", "completed"]


class TestAnUpgradeThatGoesWell:
    def test_it_moves_the_subscription_to_its_new_plan(self, world):
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()

        upgrade = world.run(ctx, upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert world.events(upgrade_id) == NEW
        assert upgrade.finished_at - upgrade.started_at >= timedelta(seconds=LATENCY)
        assert (upgrade.lease_owner, upgrade.due_at, upgrade.reason) == (None, None, None)
        after = upgrade.subscription
        assert (after.service_plan_id, after.microsoft_subscription_id) == (STANDARD, microsoft_id_of("one"))
        assert [(r.resource_type.key, r.limit, r.usage) for r in after.licenses] == [(STANDARD, 4, 2)]

    def test_one_request_reaches_microsoft_with_the_ids_that_are_kept(self, world):
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(), upgrade_id)

        [call] = world.control.calls()
        assert call["request_id"] == str(upgrade.request_id)
        assert call["correlation_id"] == str(upgrade.correlation_id)
        [transition] = world.control.transitions()
        assert (transition["subscription_id"], transition["quantity"]) == (microsoft_id_of("one"), 4)
        assert upgrade.operation_id == transition["operation_id"]
        [submitting] = [event for event in upgrade.events if event.name == "submitting"]
        assert submitting.request_id == str(upgrade.request_id)

    def test_the_offer_tells_when_the_history_of_microsoft_lags(self, world):
        world.control.fault("history_lags", seconds=7200, times=1)
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(), upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert upgrade.finished_at - upgrade.started_at < timedelta(minutes=10)
        [converted] = [event for event in upgrade.events if event.name == "converted"]
        assert converted.at - upgrade.started_at >= timedelta(seconds=LATENCY * 0.8)

    def test_it_is_over_when_the_subscription_shows_the_new_offer(self, world):
        world.control.fault("offer_lags", seconds=600, times=1)
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(), upgrade_id)

        at = {event.name: event.at for event in upgrade.events}
        assert at["converted"] - upgrade.started_at < timedelta(seconds=600)
        assert at["completed"] - upgrade.started_at >= timedelta(seconds=600)
        assert upgrade.status is UpgradeStatus.COMPLETED

    def test_the_end_says_what_microsoft_has_now(self, world):
        world.control.fault("license_errors", users=1, times=1)
        ids = [world.schedule(name, STANDARD) for name in ("one", "two")]
        ctx = world.context()

        warned, plain = (world.run(ctx, upgrade_id) for upgrade_id in ids)

        seats = f"4 seats of {plain.target_offer_id}"
        assert plain.events[-1].detail == f"{seats}; licenses of 2 users moved"
        assert warned.events[-1].detail.startswith(f"{seats}; The seats moved, but not all licenses")

    def test_the_seats_are_those_that_microsoft_has_in_the_end(self, world):
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        advance(upgrade_id, ctx)
        customer = world.simulator.world.get_one_customer(tenant_of("one"))
        customer.get_one_subscription(microsoft_id_of("one")).quantity = 7  # Bought in Partner Center.

        upgrade = world.run(ctx, upgrade_id)

        assert upgrade.quantity == 7
        assert [r.limit for r in upgrade.subscription.licenses if r.limit] == [7]

    def test_a_legacy_one_moves_to_the_subscription_that_microsoft_made(self, world):
        upgrade_id = world.schedule("old", LEGACY_STANDARD)

        upgrade = world.run(world.context(), upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        [transition] = world.control.transitions()
        assert upgrade.subscription.microsoft_subscription_id == transition["target_subscription_id"]
        assert upgrade.subscription.microsoft_subscription_id != microsoft_id_of("old")
        assert upgrade.subscription.service_plan_id == LEGACY_STANDARD


class TestWhatIsCheckedAgainAtTheStart:
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            pytest.param({"status": SubscriptionStatus.SUSPENDED}, "subscription_not_active", id="suspended"),
            pytest.param({"service_plan_id": STANDARD}, "plan_changed", id="another plan"),
            pytest.param({"microsoft_subscription_id": None}, "not_provisioned", id="not at Microsoft"),
        ],
    )
    def test_a_change_in_between_fails_it_before_anything_is_sent(self, world, change, code):
        upgrade_id = world.schedule("one", STANDARD)
        with world.database.write() as db:
            for column, value in change.items():
                setattr(db.get_one(Subscription, "one"), column, value)

        upgrade = world.run(world.context(), upgrade_id)

        assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, code)
        assert upgrade.reason
        assert upgrade.remedy
        assert world.control.calls() == []

    def test_an_offer_that_differs_at_microsoft_is_not_upgraded(self, world):
        first = world.run(world.context(), world.schedule("one", STANDARD))
        with world.database.write() as db:
            db.get_one(Subscription, "one").service_plan_id = BASIC
            db.get_one(Subscription, "one").resources[0].resource_type_id = license_of(db, BASIC)
        again_id = world.schedule("one", PREMIUM)

        upgrade = world.run(world.context(), again_id)

        assert first.status is UpgradeStatus.COMPLETED
        assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, "offer_differs_at_microsoft")
        assert len(world.control.calls()) == 1

    def test_one_that_somebody_has_upgraded_at_microsoft_is_not_upgraded_again(self, world):
        world.run(world.context(), world.schedule("one", STANDARD))
        with world.database.write() as db:
            db.get_one(Subscription, "one").service_plan_id = BASIC
            db.get_one(Subscription, "one").resources[0].resource_type_id = license_of(db, BASIC)

        upgrade = world.run(world.context(), world.schedule("one", STANDARD))

        assert (upgrade.status, upgrade.reason_code) == (
            UpgradeStatus.FAILED,
            "already_upgraded_at_microsoft",
        )
        assert len(world.control.calls()) == 1

    @pytest.mark.parametrize(
        ("name", "target"), [("one", STANDARD), ("old", LEGACY_STANDARD)], ids=["new", "legacy"]
    )
    def test_an_offer_without_a_path_fails(self, world, name, target):
        upgrade_id = world.schedule(name, target)
        world.control.fault("ineligible", omit=True)

        upgrade = world.run(world.context(), upgrade_id)

        assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, "no_upgrade_path")
        assert world.control.calls() == []

    def test_a_legacy_one_that_microsoft_has_stopped_to_offer_when_it_is_sent_fails(self, world):
        upgrade_id = world.schedule("old", LEGACY_STANDARD)
        world.control.fault("ineligible", omit=True, match={"kind": "upgrades"}, after=1)

        upgrade = world.run(world.context(), upgrade_id)

        assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, "changed_at_microsoft")
        assert "checked" in world.events(upgrade_id)
        assert world.control.calls() == []

    def test_microsofts_reason_becomes_the_code_with_a_remedy(self, world):
        upgrade_id = world.schedule("one", STANDARD)
        world.control.fault("ineligible", code=3)

        upgrade = world.run(world.context(), upgrade_id)

        assert upgrade.reason_code == "conflicting_service_types"
        assert "Remove" in upgrade.remedy


class TestAWorkerThatDies:
    """Whatever the last commit was, the next worker goes on from there, and nothing is bought twice."""

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("commit", range(1, 8))
    @pytest.mark.parametrize(
        ("name", "target"), [("one", STANDARD), ("old", LEGACY_STANDARD)], ids=["new", "legacy"]
    )
    def test_another_one_finishes_it_with_one_request(self, world, moment, commit, name, target):
        upgrade_id = world.schedule(name, target)
        dying = world.context("node:dying")
        fail_at(dying, moment, commit, Killed())
        with contextlib.suppress(Killed):
            world.run(dying, upgrade_id)

        world.clock.sleep(31)
        heir = world.context("node:heir")
        Claims(world.database, heir.owner, heir.lease, world.clock).adopt()
        upgrade = world.run(heir, upgrade_id)

        if (moment, commit) == AFTER_THE_INTENT:
            assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, "outcome_unknown")
            assert world.control.calls() == []
            upgrade = world.run(heir, world.schedule(name, target))
        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(world.control.calls()) == len(world.control.transitions()) == 1

    def test_one_that_comes_back_to_life_must_not_touch_it(self, world):
        upgrade_id = world.schedule("one", STANDARD)
        stalled = world.context("node:stalled")
        world.claim(stalled)
        world.clock.sleep(31)
        heir = world.context("node:heir")
        Claims(world.database, heir.owner, heir.lease, world.clock).adopt()

        assert advance(upgrade_id, stalled) is None
        with pytest.raises(LeaseLostError):
            stalled.record(upgrade_id, again(5, "still here"))
        assert world.control.calls() == []

    def test_one_that_stood_still_before_it_sent_sends_only_with_a_new_lease(self, world):
        upgrade_id = world.schedule("one", STANDARD)
        stalled = world.context("node:stalled")
        world.claim(stalled)
        stand_still_after_the_intent(stalled, world.clock)

        assert advance(upgrade_id, stalled) is None
        assert world.control.calls() == []
        Claims(world.database, stalled.owner, stalled.lease, world.clock).adopt()
        upgrade = world.run(stalled, upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(world.control.calls()) == 1


class TestADatabaseThatGoesAway:
    """A full disk, a lost connection: this worker goes on when the database is back."""

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("commit", range(1, 8))
    @pytest.mark.parametrize(
        ("name", "target"), [("one", STANDARD), ("old", LEGACY_STANDARD)], ids=["new", "legacy"]
    )
    def test_the_upgrade_goes_on_with_one_request(self, world, moment, commit, name, target):
        upgrade_id = world.schedule(name, target)
        ctx = world.context()
        fail_at(ctx, moment, commit, OperationalError("COMMIT", {}, Exception("disk is full")))

        upgrade = world.run(ctx, upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(world.control.calls()) == len(world.control.transitions()) == 1

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_nothing_is_sent_while_nobody_knows_whether_the_intent_was_written(self, world, moment):
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        fail_at(ctx, moment, THE_INTENT, OperationalError("COMMIT", {}, Exception("disk is full")))

        assert advance(upgrade_id, ctx) == DATABASE_PAUSE

        assert (world.read(upgrade_id).intended_at is None) is (moment == "before")
        assert world.control.calls() == []


class TestTrouble:
    def test_a_pause_that_microsoft_asks_for_is_made_by_all_of_the_account(self, world):
        world.control.fault("throttle", retry_after=57, times=1, match={"method": "GET"})
        first, second = world.schedule("one", STANDARD), world.schedule("two", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        calls = len(world.control.calls("GET"))

        assert 50 < (advance(first, ctx) or 0) < 65
        assert 50 < (advance(second, ctx) or 0) < 65
        assert len(world.control.calls("GET")) == calls + 1
        assert "pause" in world.read(second).waiting_for
        assert world.run(ctx, first).status is UpgradeStatus.COMPLETED

    def test_a_pause_keeps_what_is_pending_pending(self, world):
        world.control.fault("throttle", retry_after=57, times=1, match={"method": "GET"})
        first, second = world.schedule("one", STANDARD), world.schedule("three", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        advance(first, ctx)

        assert world.claim(ctx) == []
        assert world.read(second).status is UpgradeStatus.PENDING
        assert ctx.clients.pauses.blocked_instances(world.clock.now)["office 365"].reason
        assert world.run(ctx, first).status is UpgradeStatus.COMPLETED
        assert world.read(second).status is UpgradeStatus.IN_PROGRESS  # Claimed with the end of the first.

    def test_a_long_outage_fails_nothing_and_everything_goes_on_after_it(self, world):
        world.control.fault("status", status=503, times=40)
        upgrade_id = world.schedule("one", STANDARD)
        started_at = world.clock.now

        upgrade = world.run(world.context(), upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert upgrade.finished_at - started_at > timedelta(hours=2)

    def test_a_sign_in_that_fails_stops_the_claims_until_it_works_again(self, world):
        world.control.fault("status", status=401, match={"method": "GET"})
        first, second = world.schedule("one", STANDARD), world.schedule("three", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        for _ in range(20):
            world.clock.sleep(advance(first, ctx) or 0)
            assert world.claim(ctx) == []
        assert world.read(second).status is UpgradeStatus.PENDING
        assert (world.events(first)[-1], world.read(first).attempts) == ("sign_in_failed", 0)

        world.control.clear_faults()

        assert world.run(ctx, first).status is UpgradeStatus.COMPLETED
        assert world.read(second).status is UpgradeStatus.IN_PROGRESS

    def test_a_customer_that_microsoft_is_busy_with_is_tried_later(self, world):
        world.control.fault("customer_busy", times=1)
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(), upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(world.control.transitions()) == 1

    def test_each_step_has_its_tries_and_going_back_uses_one_up(self, world):
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()
        world.claim(ctx)

        ctx.record(upgrade_id, replace(again(5, "no answer"), counts=True))
        ctx.record(upgrade_id, replace(again(5, "no answer"), counts=True))
        assert world.read(upgrade_id).attempts == 2
        ctx.record(upgrade_id, move_on(UpgradeStep.SUBMITTING, "checked"))
        assert world.read(upgrade_id).attempts == 0
        ctx.record(upgrade_id, replace(again(5, "no answer"), counts=True))
        ctx.record(upgrade_id, replace(move_on(UpgradeStep.CHECKING, "retry"), after=5, counts=True))
        assert world.read(upgrade_id).attempts == 2

    def test_an_outage_is_tried_a_few_times_then_it_fails_unsent(self, world):
        world.control.fault("status", status=503)
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(upgrade_max_attempts=3), upgrade_id)

        assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, "partner_center_unavailable")
        assert world.events(upgrade_id) == ["started", "retry", "retry", "failed"]

    def test_an_outage_while_microsoft_works_is_sat_out(self, world):
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        world.clock.sleep(advance(upgrade_id, ctx) or 0)
        assert world.read(upgrade_id).step is UpgradeStep.WAITING
        world.control.fault("status", status=503, times=20)

        upgrade = world.run(ctx, upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED

    @pytest.mark.parametrize("status", [403, 404])
    def test_a_refusal_to_tell_while_microsoft_works_is_no_end(self, world, status):
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        world.clock.sleep(advance(upgrade_id, ctx) or 0)
        assert world.read(upgrade_id).step is UpgradeStep.WAITING
        world.control.fault("status", status=status, match={"method": "GET"}, times=3)

        upgrade = world.run(ctx, upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(world.control.calls()) == 1

    def test_a_refusal_before_anything_was_sent_ends_it(self, world):
        world.control.fault("status", status=403, match={"kind": "eligibilities"})

        upgrade = world.run(world.context(), world.schedule("one", STANDARD))

        assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, "refused_by_microsoft")
        assert world.control.calls() == []

    def test_a_question_that_microsoft_is_too_busy_for_is_asked_later(self, world):
        world.control.fault("customer_busy", match={"kind": "eligibilities"}, times=1)
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()
        world.claim(ctx)

        assert (advance(upgrade_id, ctx) or 0) > 1
        assert (world.events(upgrade_id)[-1], world.read(upgrade_id).attempts) == ("busy", 0)
        assert world.run(ctx, upgrade_id).status is UpgradeStatus.COMPLETED

    def test_a_token_that_expires_in_between_does_no_harm(self, world):
        world.control.fault("expire_tokens", every=3)
        upgrade_id = world.schedule("one", STANDARD)

        assert world.run(world.context(), upgrade_id).status is UpgradeStatus.COMPLETED

    def test_a_transition_that_fails_fails_the_upgrade_with_microsofts_reason(self, world):
        world.control.fault("transition_fails", code=4)
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(upgrade_timeout_hours=1), upgrade_id)

        assert upgrade.status is UpgradeStatus.FAILED
        assert upgrade.subscription.service_plan_id == BASIC

    def test_one_that_never_ends_is_given_up_with_what_to_do(self, world):
        world.control.fault("never_finishes")
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(upgrade_timeout_hours=2), upgrade_id)

        assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, "outcome_unknown")
        assert microsoft_id_of("one") in upgrade.remedy
        assert upgrade.finished_at - upgrade.started_at <= timedelta(hours=2)

    @pytest.mark.parametrize(("name", "target"), [("one", STANDARD), ("old", LEGACY_STANDARD)])
    def test_licenses_that_did_not_move_are_a_warning(self, world, name, target):
        world.control.fault("license_errors", users=1)
        upgrade_id = world.schedule(name, target)

        upgrade = world.run(world.context(), upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        assert upgrade.reason_code == "licenses_not_moved"
        assert upgrade.remedy
        assert upgrade.subscription.service_plan_id == target

    def test_an_instance_that_is_not_in_the_settings_fails_it(self, world):
        world.settings = world.settings.model_copy(update={"application_instances": ()})
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(), upgrade_id)

        assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, "instance_not_configured")

    def test_a_mistake_of_ours_ends_one_upgrade_and_no_more(self, world, monkeypatch):
        monkeypatch.setattr(Simulator, "__call__", broken)
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(upgrade_max_attempts=2), upgrade_id)

        assert upgrade.status is UpgradeStatus.FAILED


class TestAnEngineThatStops:
    def test_it_stops_between_two_steps(self, world):
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        ctx.stopping.set()

        assert advance(upgrade_id, ctx) == 0
        assert world.read(upgrade_id).step is UpgradeStep.CHECKING


def license_of(db, key):
    return db.scalars(select(ResourceType.id).where(ResourceType.key == key)).one()


class Killed(BaseException):
    """The process is gone: nothing of ours may catch it."""


def fail_at(ctx, moment, commit, failure):
    """Raise the failure right before or after the commit of this number."""
    left = [commit]
    original = ctx.record

    def record(upgrade_id, outcome):
        left[0] -= 1
        if not left[0] and moment == "before":
            raise failure
        written = original(upgrade_id, outcome)
        if not left[0]:
            raise failure
        return written

    object.__setattr__(ctx, "record", record)


def stand_still_after_the_intent(ctx, clock):
    """Let a whole lease pass between the commit of the intent and the request."""
    original = ctx.record

    def record(upgrade_id, outcome):
        written = original(upgrade_id, outcome)
        if outcome.event == "submitting":
            object.__setattr__(ctx, "record", original)
            clock.sleep(31)
        return written

    object.__setattr__(ctx, "record", record)


def broken(*_arguments):
    raise KeyError("a mistake")
