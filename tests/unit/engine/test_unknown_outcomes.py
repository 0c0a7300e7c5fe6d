"""What becomes of an upgrade whose answer was lost. Microsoft executes every request that arrives here."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest

from gateway.engine.checking import is_unfinished as is_unfinished_at
from gateway.engine.generation import History
from gateway.engine.pace import look_up_pause
from gateway.engine.steps import advance
from gateway.models import UpgradeStatus
from gateway.partner_center import TransitionRequest
from tests.catalogs import LEGACY_STANDARD, OFFERS, PREMIUM, STANDARD, microsoft_id_of, tenant_of

POST = {"method": "POST", "path": "transitions|upgrades"}
BOTH = pytest.mark.parametrize(
    ("name", "target"), [("one", STANDARD), ("old", LEGACY_STANDARD)], ids=["new", "legacy"]
)

OF_THE_REQUEST = [
    "request_id",
    "correlation_id",
    "intended_at",
    "seen_before",
    "source_microsoft_subscription_id",
    "source_offer_id",
    "source_sku_id",
    "license_check",
    "other_seats",
    "target_offer_id",
    "transition_type",
    "quantity",
]
"""By which people, and later looks, find it at Microsoft."""

LOST_ANSWERS = {
    "cut": {"action": "drop_after"},
    "HTML": {"action": "garbage", "garbage": "html"},
    "truncated": {"action": "garbage", "garbage": "truncated"},
    "empty": {"action": "garbage", "garbage": "empty"},
    "408": {"action": "status_after", "status": 408},
    "500": {"action": "status_after", "status": 500},
    "502 HTML": {"action": "status_after", "status": 502, "body": "<html>Bad Gateway</html>"},
    "503": {"action": "status_after", "status": 503, "retry_after": 5},
    "504": {"action": "status_after", "status": 504},
    "redirect": {"action": "status_after", "status": 302, "headers": {"Location": "/elsewhere"}},
}
NO_TRACE = {
    "cut": {"action": "drop_before"},
    "500": {"action": "status", "status": 500},
    "503": {"action": "status", "status": 503, "retry_after": 5},
    "504": {"action": "status", "status": 504},
}
THROTTLED_BODY = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 57 seconds."}
SURELY_NOT_DONE = {
    "429": {"action": "throttle"},
    "503 that says 429": {"action": "status", "status": 503, "body": THROTTLED_BODY},
    "409": {"action": "customer_busy"},
    "a token that has just expired": {"action": "expire_tokens"},
    "401 with every token": {"action": "status", "status": 401, "times": 2},
}


@BOTH
class TestOneThatWasCarriedOut:
    @pytest.mark.parametrize("fault", LOST_ANSWERS.values(), ids=LOST_ANSWERS.keys())
    def test_it_is_looked_up_and_not_sent_again(self, world, fault, name, target):
        world.control.fault(**fault, match=POST, times=1)
        upgrade_id = world.schedule(name, target)

        upgrade = world.run(world.context(), upgrade_id)

        assert_one_request(world, upgrade)
        assert {"outcome_unknown", "found"} <= set(world.events(upgrade_id))

    def test_the_timeline_names_the_request_and_the_account_is_in_trouble(self, world, name, target):
        world.control.fault("drop_after", match=POST, times=1)
        upgrade_id = world.schedule(name, target)
        ctx = world.context()
        world.claim(ctx)

        advance(upgrade_id, ctx)

        upgrade = world.read(upgrade_id)
        last = upgrade.events[-1]
        assert (last.name, last.request_id) == ("outcome_unknown", str(upgrade.request_id))
        assert ctx.clients.trouble("Office 365") is not None

    @pytest.mark.parametrize("failure", [httpx2.ReadTimeout, httpx2.ReadError, httpx2.RemoteProtocolError])
    def test_a_connection_that_broke_after_it_is_no_reason_to_send_again(self, world, failure, name, target):
        world.transport.breaks = ("after", failure)

        assert_one_request(world, world.run(world.context(), world.schedule(name, target)))

    def test_a_refusal_to_tell_is_no_answer(self, world, name, target):
        world.control.fault("drop_after", match=POST, times=1)
        upgrade_id = world.schedule(name, target)
        ctx = world.context()
        world.claim(ctx)
        world.clock.sleep(advance(upgrade_id, ctx) or 0)
        world.control.fault("status", status=403, match={"method": "GET"}, times=2)

        assert_one_request(world, world.run(ctx, upgrade_id))

    def test_something_on_the_way_that_sends_it_twice_does_no_harm(self, world, name, target):
        world.control.configure(execute_every_post=False, replay_request_ids=False)
        world.transport.breaks = ("twice", None)

        upgrade = world.run(world.context(), world.schedule(name, target))

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(world.control.transitions()) == 1
        assert len(world.control.calls()) == 2


@BOTH
class TestOneThatLeftNoTrace:
    @pytest.mark.parametrize("fault", NO_TRACE.values(), ids=NO_TRACE.keys())
    def test_it_fails_and_is_never_sent_again(self, world, fault, name, target):
        world.control.fault(**fault, match=POST, times=1)
        upgrade_id = world.schedule(name, target)
        started_at = world.clock.now

        upgrade = world.run(world.context(), upgrade_id)

        assert_unknown(world, upgrade)
        assert len(world.control.calls()) == 1
        assert (upgrade.finished_at - started_at).total_seconds() >= 900

    @pytest.mark.parametrize("failure", [httpx2.WriteError, httpx2.WriteTimeout, httpx2.ReadTimeout])
    def test_a_connection_that_broke_half_way_may_have_brought_it_there(self, world, failure, name, target):
        world.transport.breaks = ("before", failure)

        assert_unknown(world, world.run(world.context(), world.schedule(name, target)))
        assert world.control.calls() == []

    def test_an_outage_does_not_use_up_the_patience(self, world, name, target):
        world.control.fault("drop_after", match=POST, times=1)
        world.control.fault("status", status=503, match={"method": "GET"}, after=12, times=60)

        assert_one_request(world, world.run(world.context(), world.schedule(name, target)))

    def test_what_a_person_needs_is_said(self, world, name, target):
        world.control.fault("drop_before", match=POST)

        upgrade = world.run(world.context(), world.schedule(name, target))

        needed = (upgrade.request_id, upgrade.correlation_id, tenant_of(name), microsoft_id_of(name))
        assert all(str(each) in upgrade.remedy for each in needed)


@BOTH
class TestOneThatWasSurelyNotCarriedOut:
    @pytest.mark.parametrize("fault", SURELY_NOT_DONE.values(), ids=SURELY_NOT_DONE.keys())
    def test_it_is_sent_again(self, world, fault, name, target):
        world.control.fault(**{"times": 1, **fault}, match=POST)
        upgrade_id = world.schedule(name, target)

        upgrade = world.run(world.context(), upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(world.control.transitions()) == 1
        assert "outcome_unknown" not in world.events(upgrade_id)

    @pytest.mark.parametrize("failure", [httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout])
    def test_a_connection_that_never_was_brought_nothing_there(self, world, failure, name, target):
        world.transport.breaks = ("before", failure)

        assert_one_request(world, world.run(world.context(), world.schedule(name, target)))

    @pytest.mark.parametrize("answer", ["customer_busy", "throttle"])
    def test_what_microsoft_has_answered_gets_a_new_request_id(self, world, name, target, answer):
        world.control.fault(answer, match=POST, times=1)

        upgrade = world.run(world.context(), world.schedule(name, target))

        first, second = (call["request_id"] for call in world.control.calls())
        assert first != second == str(upgrade.request_id)

    def test_it_is_sent_again_after_a_pause_and_says_what_for(self, world, name, target):
        world.control.fault("customer_busy", match=POST, times=1)
        upgrade_id = world.schedule(name, target)
        ctx = world.context()
        world.claim(ctx)

        assert (advance(upgrade_id, ctx) or 0) > 1

        assert "busy" in world.read(upgrade_id).waiting_for
        assert len(world.control.calls()) == 1

    def test_a_pause_that_the_answer_asks_for_is_made_by_all_of_the_account(self, world, name, target):
        world.control.fault("throttle", retry_after=57, match=POST, times=1)
        upgrade_id = world.schedule(name, target)
        ctx = world.context()
        world.claim(ctx)

        assert 57 <= (advance(upgrade_id, ctx) or 0) < 65

        assert ctx.pauses.blocked_instances(world.clock.now)["office 365"].reason
        assert world.read(upgrade_id).attempts == 0

    def test_a_busy_customer_is_left_alone_as_long_as_the_answer_asks(self, world, name, target):
        world.control.fault("status", status=409, retry_after=77, match=POST, times=1)
        upgrade_id = world.schedule(name, target)
        ctx = world.context()
        world.claim(ctx)

        assert 60 < (advance(upgrade_id, ctx) or 0) < 90

    def test_what_never_arrived_is_a_failed_try_that_names_the_request(self, world, name, target):
        upgrade_id = world.schedule(name, target)
        request_id = str(world.read(upgrade_id).request_id)
        ctx = world.context()
        world.claim(ctx)
        world.transport.breaks = ("before", httpx2.ConnectError)

        advance(upgrade_id, ctx)

        upgrade = world.read(upgrade_id)
        assert upgrade.attempts == 1
        assert (upgrade.events[-1].name, upgrade.events[-1].request_id) == ("retry", request_id)

    def test_a_sign_in_that_is_refused_for_the_request_itself_is_told_to_all(self, world, name, target):
        world.control.fault("status", status=401, match=POST)
        upgrade_id = world.schedule(name, target)
        ctx = world.context()
        world.claim(ctx)

        advance(upgrade_id, ctx)

        assert ctx.pauses.is_down("Office 365")
        assert world.read(upgrade_id).attempts == 0

    def test_what_never_arrived_keeps_its_request_id(self, world, name, target):
        upgrade_id = world.schedule(name, target)
        before = world.read(upgrade_id).request_id
        world.transport.breaks = ("before", httpx2.ConnectError)

        assert world.run(world.context(), upgrade_id).request_id == before

    def test_a_refusal_ends_it(self, world, name, target):
        world.control.fault("status", status=400, code=800002, match=POST)

        upgrade = world.run(world.context(), world.schedule(name, target))

        assert upgrade.reason_code == "refused_by_microsoft"
        assert upgrade.submitted_at is None
        assert len(world.control.calls()) == 1


class TestTriesBeforeItWasSent:
    def test_they_do_not_shorten_the_look_for_its_outcome(self, world):
        world.control.fault("status", status=503, match={"kind": "upgrades"}, after=1, times=3)
        world.control.fault("drop_before", match=POST)

        upgrade = world.run(world.context(), world.schedule("old", LEGACY_STANDARD))

        assert_unknown(world, upgrade)
        [sent_at] = [event.at for event in upgrade.events if event.name == "submitting"]
        assert (upgrade.finished_at - sent_at).total_seconds() >= 15 + 900  # A pause, and then the patience.


class TestATemporaryNoWithinAnAnswer:
    def test_a_legacy_upgrade_is_sent_again_later(self, world):
        world.control.fault("ineligible", code=4, match={"kind": "upgrade"}, times=1)
        upgrade_id = world.schedule("old", LEGACY_STANDARD)

        upgrade = world.run(world.context(), upgrade_id)

        assert upgrade.status is UpgradeStatus.COMPLETED
        assert len(world.control.calls()) == 2
        assert len(world.control.transitions()) == 1


class TestAHistoryThatLags:
    @BOTH
    def test_it_is_waited_for(self, world, name, target):
        world.control.fault("history_lags", seconds=800, times=1)
        world.control.fault("offer_lags", seconds=800, times=1)
        world.control.fault("drop_after", match=POST, times=1)

        assert_one_request(world, world.run(world.context(), world.schedule(name, target)))

    def test_the_new_offer_tells_as_much_as_the_history(self, world):
        world.control.fault("history_lags", seconds=86400, times=1)
        world.control.fault("drop_after", match=POST, times=1)

        assert_one_request(world, world.run(world.context(), world.schedule("one", STANDARD)))

    @BOTH
    def test_a_clock_that_jumps_does_not_shorten_the_wait(self, world, name, target):
        world.control.fault("history_lags", seconds=86400 + 300, times=1)
        world.control.fault("offer_lags", seconds=86400 + 300, times=1)
        world.control.fault("drop_after", match=POST, times=1)
        upgrade_id = world.schedule(name, target)
        ctx = world.context()
        world.claim(ctx)
        advance(upgrade_id, ctx)
        world.clock.sleep(86400)

        assert_one_request(world, world.run(ctx, upgrade_id))

    @BOTH
    def test_a_failed_upgrade_that_shows_up_late_is_found_when_it_is_scheduled_again(
        self, world, name, target
    ):
        world.control.fault("history_lags", seconds=2000, times=1)
        world.control.fault("offer_lags", seconds=2000, times=1)
        world.control.fault("drop_after", match=POST, times=1)
        first = world.run(world.context(), world.schedule(name, target))
        assert_unknown(world, first)
        world.clock.sleep(3600)

        second_id = world.schedule(name, target)
        second = world.run(world.context(), second_id)

        assert_one_request(world, second)
        assert [getattr(second, each) for each in OF_THE_REQUEST] == [
            getattr(first, each) for each in OF_THE_REQUEST
        ]
        assert "found" in world.events(second_id)
        assert second.subscription.service_plan_id == target

    def test_it_is_not_taken_for_an_upgrade_to_another_plan(self, world):
        world.control.fault("history_lags", seconds=2000, times=1)
        world.control.fault("offer_lags", seconds=2000, times=1)
        world.control.fault("drop_after", match=POST, times=1)
        assert_unknown(world, world.run(world.context(), world.schedule("one", STANDARD)))
        world.clock.sleep(3600)

        second = world.run(world.context(), world.schedule("one", PREMIUM))

        assert (second.status, second.reason_code) == (UpgradeStatus.FAILED, "offer_differs_at_microsoft")
        assert len(world.control.calls()) == 1

    def test_one_that_failed_at_microsoft_is_sent_anew_when_it_is_scheduled_again(self, world):
        world.control.fault("transition_fails", code=0, times=1)
        world.control.fault("history_lags", seconds=2000, times=1)
        world.control.fault("drop_after", match=POST, times=1)
        assert_unknown(world, world.run(world.context(), world.schedule("one", STANDARD)))
        world.clock.sleep(3600)

        second = world.run(world.context(), world.schedule("one", STANDARD))

        assert second.status is UpgradeStatus.COMPLETED
        assert [t["outcome"] for t in world.control.transitions()] == ["failed", "completed"]

    @pytest.mark.parametrize(
        ("looks", "pause"), [(0, 15), (1, 22.5), (5, pytest.approx(113.9, abs=0.1)), (6, 120), (20, None)]
    )
    def test_the_pauses_between_two_looks_grow(self, looks, pause):
        assert look_up_pause(15, 900, looks) == pause

    @pytest.mark.parametrize(("first", "patience"), [(15, 900), (0.05, 2), (3600, 900), (15, 1)])
    def test_together_they_are_the_patience(self, first, patience):
        pauses: list[float] = []
        while (pause := look_up_pause(first, patience, len(pauses))) is not None:
            pauses.append(pause)

        assert sum(pauses) == pytest.approx(patience)

    def test_without_patience_there_is_one_look(self, world):
        world.control.fault("drop_before", match=POST)

        assert_unknown(
            world, world.run(world.context(upgrade_look_up_seconds=0), world.schedule("one", STANDARD))
        )


class TestWhatIsAtMicrosoftAlready:
    def test_another_change_that_is_not_over_is_waited_for(self, world):
        by_hand(world, PREMIUM, 4)
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(), upgrade_id)

        assert upgrade.reason_code == "offer_differs_at_microsoft"
        assert len(world.control.calls()) == 1

    @pytest.mark.parametrize(
        ("since", "is_unfinished"),
        [(timedelta(hours=1), True), (timedelta(hours=3), False), (None, True)],
        ids=["an hour", "longer than any is awaited", "nobody knows"],
    )
    def test_a_change_that_got_stuck_long_ago_is_not_waited_for(self, world, since, is_unfinished):
        history = History(("id",), (since and world.clock.now - since,))

        assert is_unfinished_at(history, world.context(upgrade_timeout_hours=2)) is is_unfinished

    def test_an_older_change_to_the_same_offer_is_not_taken_for_this_one(self, world):
        by_hand(world, STANDARD, 1)
        world.clock.sleep(3600)
        world.control.fault("drop_before", match=POST, times=1)
        upgrade_id = world.schedule("one", STANDARD)

        upgrade = world.run(world.context(), upgrade_id)

        assert_unknown(world, upgrade)
        assert "found" not in world.events(upgrade_id)

    def test_a_later_change_to_another_offer_is_not_taken_for_this_one(self, world):
        world.control.fault("drop_before", match=POST, times=1)
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()
        world.claim(ctx)
        advance(upgrade_id, ctx)
        by_hand(world, PREMIUM, 4)

        upgrade = world.run(ctx, upgrade_id)

        assert_unknown(world, upgrade)
        assert "found" not in world.events(upgrade_id)

    def test_another_subscription_of_the_target_is_not_taken_for_the_new_one(self, world):
        world.control.fault("drop_before", match=POST, times=1)
        upgrade_id = world.schedule("older", LEGACY_STANDARD)
        ctx = world.context()
        world.claim(ctx)
        advance(upgrade_id, ctx)
        suspend(world, "older")

        upgrade = world.run(ctx, upgrade_id)

        assert_unknown(world, upgrade)
        assert "found" not in world.events(upgrade_id)

    def test_an_earlier_failure_is_not_taken_for_its_outcome(self, world):
        world.control.fault("transition_fails", code=0, times=1)
        assert world.run(world.context(), world.schedule("one", STANDARD)).status is UpgradeStatus.FAILED
        world.control.fault("drop_before", match=POST, times=1)

        upgrade = world.run(world.context(), world.schedule("one", STANDARD))

        assert_unknown(world, upgrade)


class TestAProcessThatStoodStill:
    def test_it_does_not_send_what_another_one_may_have_given_up(self, world):
        upgrade_id = world.schedule("one", STANDARD)
        ctx = world.context()
        original = ctx.record

        def record(upgrade, outcome):
            written = original(upgrade, outcome)
            if outcome.event == "submitting":
                world.clock.sleep(31)
            return written

        object.__setattr__(ctx, "record", record)
        world.claim(ctx)

        assert advance(upgrade_id, ctx) is None
        assert world.control.calls() == []


def by_hand(world, target, quantity):
    """Somebody starts a transition in Partner Center."""
    client = world.context().clients.for_instance_name("Office 365")
    tenant, source = tenant_of("one"), microsoft_id_of("one")
    offers = client.list_transition_eligibilities(tenant, source)
    offer = next(o for o in offers if o.catalog_item_id.startswith(OFFERS[target]))
    client.create_transition(
        tenant, source, TransitionRequest(offer.catalog_item_id, quantity, "transition_only"), "by-hand"
    )


def suspend(world, name):
    """Somebody suspends a subscription in Partner Center."""
    tenant = world.simulator.world.get_one_customer(tenant_of(name))
    tenant.get_one_subscription(microsoft_id_of(name)).status = "suspended"


def assert_one_request(world, upgrade):
    assert upgrade.status is UpgradeStatus.COMPLETED
    assert len(world.control.calls()) == len(world.control.transitions()) == 1


def assert_unknown(world, upgrade):
    assert (upgrade.status, upgrade.reason_code) == (UpgradeStatus.FAILED, "outcome_unknown")
