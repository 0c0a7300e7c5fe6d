"""Whose license has moved with an upgrade, person by person, and what moves those that were left behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.engine.claims import Claims
from gateway.engine.mover import LicenseMover
from gateway.engine.steps import advance
from gateway.models import (
    AccountType,
    LicenseCheck,
    LicenseMove,
    MoveResult,
    Role,
    UpgradeStatus,
    UpgradeStep,
    UserLicense,
    UserLicenseState,
)
from gateway.partner_center import PartnerCenterClient
from gateway.services.caller import Caller
from gateway.services.license_moves import LicenseMoves
from gateway.settings import InstanceSettings
from tests.catalogs import BASIC, LEGACY_STANDARD, SKUS, STANDARD, tenant_of

TEAMS = "57ff2da0-773e-42df-b2af-ffb7a2317929"
TEAM = 6
PROVIDER = Caller(
    account_id="provider",
    account_type=AccountType.PROVIDER,
    role=Role.OPERATOR,
    name="user anna",
    vendor_ids=None,
)


class TestVerification:
    def test_everybody_is_noted_before_and_seen_to_have_moved_after(self, world):
        upgrade = world.run(world.context(), world.schedule("team", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert (upgrade.license_check, upgrade.source_sku_id) == (LicenseCheck.PEOPLE, SKUS[BASIC].upper())
        users = people(world, upgrade)
        assert len(users) == TEAM
        assert {(each.state, each.holds_old, each.holds_new) for each in users} == {
            (UserLicenseState.MOVED, False, True)
        }
        assert "licenses of 6 users moved" in upgrade.events[-1].detail

    def test_those_who_did_not_have_the_old_license_are_not_kept(self, world):
        ctx = world.context()
        microsoft = ctx.clients.for_instance_name("Office 365")
        first, *_ = microsoft.list_users(tenant_of("team"))
        microsoft.update_licenses(tenant_of("team"), first.id, [], [SKUS[BASIC]], "taken away")

        upgrade = world.run(ctx, world.schedule("team", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED
        users = people(world, upgrade)
        assert len(users) == TEAM - 1
        assert first.id not in {each.user_id for each in users}

    @pytest.mark.parametrize("name", ["team", "old"])
    def test_those_left_behind_are_named_and_nobody_else(self, world, name):
        is_legacy = name == "old"
        world.control.fault("users_left_behind", share=0.5)
        users = 1 if is_legacy else 3

        upgrade = world.run(world.context(), world.schedule(name, LEGACY_STANDARD if is_legacy else STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        assert upgrade.reason_code == "licenses_not_moved"
        left = in_state(world, upgrade, UserLicenseState.LEFT_BEHIND)
        assert names(left) == who_hold(world, name, SKUS[BASIC])
        assert len(left) == len(in_state(world, upgrade, UserLicenseState.MOVED)) == users
        assert all(each.user_principal_name in upgrade.reason for each in left)
        assert "Move Licenses" in upgrade.remedy

    def test_microsoft_is_given_time_to_move_them(self, world):
        world.control.fault("licenses_lag", seconds=200)

        upgrade = world.run(world.context(), world.schedule("team", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert upgrade.finished_at - upgrade.submitted_at >= timedelta(seconds=200)

    def test_the_time_is_up_when_the_settings_say_so(self, world):
        world.control.fault("licenses_lag", seconds=600)
        ctx = world.context(license_patience_minutes=4)

        upgrade = world.run(ctx, world.schedule("team", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        assert len(in_state(world, upgrade, UserLicenseState.LEFT_BEHIND)) == TEAM
        assert upgrade.finished_at - upgrade.submitted_at < timedelta(minutes=7)

    def test_nobody_waits_for_what_microsoft_has_given_up(self, world):
        world.control.fault("license_errors", users=2)

        upgrade = world.run(world.context(), world.schedule("team", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        assert "Licences of 2 users could not be moved" in upgrade.reason
        assert len(in_state(world, upgrade, UserLicenseState.LEFT_BEHIND)) == 2
        assert upgrade.finished_at - upgrade.submitted_at < timedelta(minutes=2)

    @pytest.mark.parametrize(("name", "target"), [("rich", STANDARD), ("older", LEGACY_STANDARD)])
    def test_nobody_waits_where_microsoft_moves_the_seats_only(self, world, name, target):
        upgrade = world.run(world.context(), world.schedule(name, target))

        assert upgrade.transition_type.endswith("_only")
        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        assert len(in_state(world, upgrade, UserLicenseState.LEFT_BEHIND)) == 2
        assert upgrade.finished_at - upgrade.submitted_at < timedelta(minutes=2)

    def test_those_for_whom_another_subscription_has_seats_keep_the_old_license(self, world):
        world.control.fault("users_left_behind", share=0.5)

        upgrade = world.run(world.context(license_patience_minutes=0), world.schedule("one", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert upgrade.other_seats == 4
        states = [each.state for each in people(world, upgrade)]
        assert sorted(state.value for state in states) == ["kept", "kept", "moved", "moved"]

    def test_what_microsoft_reports_is_said_also_where_all_who_are_left_may_keep_the_old_license(self, world):
        world.control.fault("license_errors", users=2)

        upgrade = world.run(world.context(license_patience_minutes=0), world.schedule("one", STANDARD))

        assert len(in_state(world, upgrade, UserLicenseState.KEPT)) == 2
        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        assert "Licences of 2 users could not be moved" in upgrade.reason

    def test_somebody_who_was_deleted_meanwhile_is_not_left_behind(self, world):
        world.control.fault("users_left_behind", share=1.0)
        world.control.fault(
            "status", status=404, code=60002, match={"kind": "licenses"}, after=TEAM + 2, times=1
        )

        upgrade = world.run(world.context(license_patience_minutes=0), world.schedule("team", STANDARD))

        assert len(in_state(world, upgrade, UserLicenseState.GONE)) == 1
        assert len(in_state(world, upgrade, UserLicenseState.LEFT_BEHIND)) == TEAM - 1

    def test_a_gateway_that_signs_in_without_a_user_asks_for_nobody(self, world):
        world.settings = world.settings.model_copy(update={"application_instances": (app_only(),)})
        world.control.fault("users_left_behind", share=0.5)

        upgrade = world.run(world.context(), world.schedule("team", STANDARD))

        assert (upgrade.status, upgrade.license_check) == (UpgradeStatus.COMPLETED, None)
        assert asked(world, "users", "licenses", "subscribed_skus") == []

    def test_one_with_more_users_than_the_settings_allow_is_verified_by_numbers(self, world):
        world.control.fault("users_left_behind", share=0.5)
        ctx = world.context(license_check_max_users=TEAM - 1)

        upgrade = world.run(ctx, world.schedule("team", STANDARD))

        assert upgrade.license_check is LicenseCheck.COUNTS
        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        assert upgrade.reason.startswith("3 users still have the old license")
        assert asked(world, "users", "licenses") == []
        assert people(world, upgrade) == []

    def test_no_more_users_are_read_where_microsoft_does_not_tell_how_many_there_are(
        self, world, monkeypatch
    ):
        monkeypatch.setattr("gateway.engine.noting.find_sku", lambda _work, _sku_id: None)

        upgrade = world.run(world.context(license_check_max_users=TEAM - 1), world.schedule("team", STANDARD))

        assert upgrade.license_check is LicenseCheck.COUNTS
        assert len(asked(world, "licenses")) == TEAM - 1
        assert people(world, upgrade) == []

    def test_microsoft_is_given_time_to_move_them_where_only_numbers_are_compared(self, world):
        world.control.fault("licenses_lag", seconds=200)

        upgrade = world.run(world.context(license_check_max_users=0), world.schedule("team", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert upgrade.finished_at - upgrade.submitted_at >= timedelta(seconds=200)


class TestWhatGoesWrongMeanwhile:
    @pytest.mark.parametrize("status", [403, 503])
    def test_users_that_cannot_be_read_keep_no_upgrade(self, world, status):
        world.control.fault("status", status=status, code=900308, match={"kind": "users"})

        upgrade = world.run(world.context(), world.schedule("team", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        assert upgrade.reason_code == "licenses_not_verified"
        assert "licenses_not_noted" in [each.name for each in upgrade.events]
        assert upgrade.subscription.service_plan_id == STANDARD

    def test_of_users_who_could_not_all_be_read_nobody_is_kept(self, world):
        world.control.fault("status", status=403, code=900308, match={"kind": "licenses"}, after=3, times=1)

        upgrade = world.run(world.context(), world.schedule("team", STANDARD))

        assert upgrade.license_check is LicenseCheck.FAILED
        assert people(world, upgrade) == []

    def test_an_engine_that_stops_does_not_give_microsoft_more_time(self, world, monkeypatch):
        world.control.fault("users_left_behind", share=1.0)
        upgrade_id = world.schedule("team", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        stop_after(monkeypatch, ctx, TEAM + 2)

        while not ctx.stopping.is_set():
            world.clock.sleep(advance(upgrade_id, ctx) or 0)

        upgrade = world.read(upgrade_id)
        assert upgrade.step is UpgradeStep.VERIFYING
        assert upgrade.licenses_awaited_until > world.clock.now
        assert upgrade.target_sku_id is not None

    def test_users_that_cannot_be_read_any_more_after_it_fail_no_upgrade(self, world):
        world.control.fault("status", status=403, code=900308, match={"kind": "licenses"}, after=TEAM)

        upgrade = world.run(world.context(), world.schedule("team", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        assert upgrade.reason_code == "licenses_not_verified"

    def test_what_was_read_before_a_pause_is_not_read_again(self, world):
        world.control.fault("throttle", retry_after=60, match={"kind": "licenses"}, after=3, times=1)

        upgrade = world.run(world.context(), world.schedule("team", STANDARD))

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(people(world, upgrade)) == TEAM
        assert len(asked(world, "licenses")) == TEAM + 1 + TEAM

    def test_what_was_read_before_the_engine_stopped_is_not_read_again(self, world, monkeypatch):
        upgrade_id = world.schedule("team", STANDARD)
        stopping = world.context("node:stopping")
        world.claim(stopping)
        stop_after(monkeypatch, stopping, 3)
        assert advance(upgrade_id, stopping) == 0
        monkeypatch.undo()
        assert len(asked(world, "licenses")) == 3

        world.clock.sleep(31)
        heir = world.context("node:heir")
        Claims(world.database, heir.owner, heir.lease, world.clock).adopt()
        upgrade = world.run(heir, upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(people(world, upgrade)) == TEAM
        assert len(asked(world, "licenses")) == TEAM + TEAM


class TestMoveLicenses:
    def test_it_moves_exactly_those_left_behind_and_completes_the_upgrade(self, world, left_behind):
        before = held_by_all(world, "team")

        move(world, left_behind)

        upgrade = world.read(left_behind.id)
        assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.COMPLETED, None)
        moved = [each for each in people(world, upgrade) if each.result]
        assert {each.result for each in moved} == {MoveResult.MOVED}
        assert sorted(call["path"].split("/")[-2] for call in updates(world)) == sorted(
            each.user_id for each in moved
        )
        after = held_by_all(world, "team")
        assert {sku for skus in after.values() for sku in skus} == {SKUS[STANDARD]}
        assert {u for u in after if before[u] != after[u]} == {each.user_id for each in moved}
        assert [each.name for each in upgrade.events][-2:] == ["licenses_to_be_moved", "licenses_moved"]
        assert upgrade.events[-1].detail == "3 moved"

    def test_other_licenses_and_services_that_are_off_stay_as_they_are(self, world, left_behind):
        user = in_state(world, left_behind, UserLicenseState.LEFT_BEHIND)[0]
        ctx = world.context()
        microsoft = ctx.clients.for_instance_name("Office 365")
        tenant_id = tenant_of("team")
        microsoft.update_licenses(
            tenant_id, user.user_id, [SKUS[BASIC]], [], "switch off", excluded_plan_ids=[TEAMS]
        )

        move(world, left_behind, ctx)

        [held] = microsoft.list_licenses(tenant_id, user.user_id)
        assert (held.sku_id, held.disabled_plan_ids) == (SKUS[STANDARD], {TEAMS})

    def test_one_who_has_it_already_is_left_alone(self, world, left_behind):
        user = in_state(world, left_behind, UserLicenseState.LEFT_BEHIND)[0]
        ctx = world.context()
        microsoft = ctx.clients.for_instance_name("Office 365")
        microsoft.update_licenses(tenant_of("team"), user.user_id, [SKUS[STANDARD]], [SKUS[BASIC]], "by hand")

        move(world, left_behind, ctx)

        results = {each.user_id: each.result for each in people(world, left_behind)}
        assert results[user.user_id] is MoveResult.ALREADY_MOVED
        assert len(updates(world)) == 3  # One of them by hand.

    def test_without_free_seats_everybody_is_told_so_and_the_warning_stays(self, world, left_behind):
        customer = world.simulator.world.get_one_customer(tenant_of("team"))
        [subscription] = customer.subscriptions.values()
        subscription.quantity = 4

        move(world, left_behind)

        upgrade = world.read(left_behind.id)
        assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
        results = [each for each in people(world, upgrade) if each.result]
        assert sorted(each.result.value for each in results) == ["moved", "no_seats", "no_seats"]
        assert all("60012" in each.detail for each in results if each.result is MoveResult.NO_SEATS)
        assert upgrade.reason.startswith("2 of 6 users do not have the new license")

    def test_a_refusal_concerns_one_user_only(self, world, left_behind):
        world.control.fault(
            "status", status=400, code=60002, description="No usage location", times=1, match=UPDATE
        )

        move(world, left_behind)

        failed = [each for each in people(world, left_behind) if each.result is MoveResult.FAILED]
        assert [each.detail.startswith("60002: No usage location") for each in failed] == [True]
        assert len(in_state(world, left_behind, UserLicenseState.MOVED)) == TEAM - 1

    @pytest.mark.parametrize("action", ["drop_before", "drop_after", "throttle", "customer_busy"])
    def test_trouble_delays_it_and_doubles_nothing(self, world, left_behind, action):
        world.control.fault(action, times=1, match=UPDATE)

        move(world, left_behind)

        assert world.read(left_behind.id).status is UpgradeStatus.COMPLETED
        assert len([call for call in updates(world) if call["executed"]]) == 3

    def test_one_user_for_whom_microsoft_never_answers_does_not_keep_the_others(self, world, left_behind):
        first = in_state(world, left_behind, UserLicenseState.LEFT_BEHIND)[0]
        world.control.fault("status", status=500, match={"path": f"{first.user_id}/licenseupdates"})

        move(world, left_behind, world.context(upgrade_max_attempts=2))

        [failed] = in_state(world, left_behind, UserLicenseState.LEFT_BEHIND)
        assert (failed.user_id, failed.result) == (first.user_id, MoveResult.FAILED)

    def test_a_worker_that_dies_is_followed_by_one_that_goes_on(self, world, left_behind, monkeypatch):
        request(world, left_behind)
        dying = LicenseMover(world.context("node:dying"))
        monkeypatch.setattr(type(dying._queue), "report", die)
        with pytest.raises(KeyboardInterrupt):
            dying.work()
        monkeypatch.undo()

        heir = LicenseMover(world.context("node:heir"))
        assert not heir.work()  # The lease of the dead.
        world.clock.sleep(31)
        run(world, heir)

        assert world.read(left_behind.id).status is UpgradeStatus.COMPLETED
        assert len(updates(world)) == 3

    def test_one_whose_lease_is_lost_writes_nothing(self, world, left_behind, monkeypatch):
        request(world, left_behind)
        slow = LicenseMover(world.context("node:slow"))
        quick = LicenseMover(world.context("node:quick"))
        upgrade_id = slow._queue.take() or 0
        world.clock.sleep(31)
        run(world, quick)
        written = people(world, left_behind)

        slow.go_on(upgrade_id)

        assert [each.result for each in people(world, left_behind)] == [each.result for each in written]
        assert world.events(left_behind.id).count("licenses_moved") == 1

    def test_it_stops_between_two_users_and_gives_the_rest_back(self, world, left_behind, monkeypatch):
        request(world, left_behind)
        ctx = world.context()
        stop_after(monkeypatch, ctx, 1)
        LicenseMover(ctx).work()
        monkeypatch.undo()

        assert len(in_state(world, left_behind, UserLicenseState.MOVING)) == 2
        run(world, LicenseMover(world.context("node:next")))
        assert world.read(left_behind.id).status is UpgradeStatus.COMPLETED

    def test_a_pause_that_microsoft_asks_for_is_made(self, world, left_behind):
        request(world, left_behind)
        world.control.fault("throttle", retry_after=120, times=1, match=UPDATE)

        LicenseMover(world.context()).work()

        with world.database.read() as db:
            assert db.scalars(select(LicenseMove)).one().due_at >= world.clock.now + timedelta(seconds=119)

    def test_without_a_user_to_sign_in_as_nothing_is_tried(self, world, left_behind):
        request(world, left_behind)
        world.settings = world.settings.model_copy(update={"application_instances": (app_only(),)})

        run(world, LicenseMover(world.context()))

        assert updates(world) == []
        failed = in_state(world, left_behind, UserLicenseState.LEFT_BEHIND)
        assert ["has no refreshToken" in each.detail for each in failed] == [True] * 3

    def test_one_that_came_before_a_newer_upgrade_is_left_alone(self, world, left_behind):
        request(world, left_behind)
        world.schedule("team", STANDARD)

        run(world, LicenseMover(world.context()))

        assert updates(world) == []
        failed = in_state(world, left_behind, UserLicenseState.LEFT_BEHIND)
        assert {each.result for each in failed} == {MoveResult.FAILED}


UPDATE = {"kind": "license_update"}


@pytest.fixture
def left_behind(world):
    """An upgrade that left three of six users behind."""
    world.control.fault("users_left_behind", share=0.5)
    upgrade = world.run(world.context(license_patience_minutes=0), world.schedule("team", STANDARD))
    world.control.clear_faults()
    assert upgrade.status is UpgradeStatus.COMPLETED_WITH_WARNINGS
    return upgrade


def request(world, upgrade):
    with world.database.write() as db:
        return LicenseMoves(db, PROVIDER).request(upgrade.id, world.clock.now)


def run(world, mover):
    """Let it work until nothing is left to be moved, passing the time that it waits for."""
    for _ in range(50):
        mover.work()
        with world.database.read() as db:
            move = db.scalar(select(LicenseMove))
        if move is None:
            return
        world.clock.now = max(world.clock.now, move.due_at)
    raise AssertionError("it does not come to an end")


def move(world, upgrade, ctx=None):
    assert request(world, upgrade) == 3
    run(world, LicenseMover(ctx or world.context()))


def people(world, upgrade):
    with world.database.read() as db:
        query = select(UserLicense).where(UserLicense.upgrade_id == upgrade.id)
        return list(db.scalars(query.order_by(UserLicense.user_principal_name)))


def in_state(world, upgrade, state):
    return [each for each in people(world, upgrade) if each.state is state]


def names(users):
    return {each.user_principal_name for each in users}


def held_by_all(world, name):
    """The licenses of each user as Microsoft has them."""
    microsoft = world.context().clients.for_instance_name("Office 365")
    users = list(microsoft.list_users(tenant_of(name)))
    return {
        user.id: [each.sku_id for each in microsoft.list_licenses(tenant_of(name), user.id)] for user in users
    }


def who_hold(world, name, sku_id):
    microsoft = world.context().clients.for_instance_name("Office 365")
    held = held_by_all(world, name)
    return {
        user.user_principal_name for user in microsoft.list_users(tenant_of(name)) if sku_id in held[user.id]
    }


def asked(world, *kinds):
    return [call for call in world.control.calls("GET") if call["kind"] in kinds]


def updates(world):
    return [call for call in world.control.calls() if call["kind"] == "license_update"]


def app_only():
    return InstanceSettings(
        name="Office 365",
        partner_center_url="http://127.0.0.1:1",
        authority_url="http://127.0.0.1:1",
        tenant_id="partner.example",
        client_id="simulated-client",
        client_secret="simulated-secret",
    )


def stop_after(monkeypatch, ctx, reads):
    """Let the engine begin to stop while the licenses of this many users are read."""
    original, left = PartnerCenterClient.list_licenses, [reads]

    def list_licenses(self, *args):
        left[0] -= 1
        if left[0] == 0:
            ctx.stopping.set()
        return original(self, *args)

    monkeypatch.setattr(PartnerCenterClient, "list_licenses", list_licenses)


def die(*_args):
    raise KeyboardInterrupt
