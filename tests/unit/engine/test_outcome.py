from uuid import UUID

import pytest

from gateway.engine.outcome import move_on, outcome_unknown, refused
from gateway.models import Upgrade, UpgradeStatus, UpgradeStep
from gateway.partner_center import RefusedError

REQUEST, CORRELATION = UUID(int=1), UUID(int=2)


class TestWhatIsWrittenDown:
    def test_of_a_step_that_was_taken(self):
        outcome = move_on(UpgradeStep.WAITING, "accepted", "Transition t1", target_offer_id="offer")

        assert (outcome.event, outcome.detail) == ("accepted", "Transition t1")
        assert outcome.changes == {"target_offer_id": "offer"}

    @pytest.mark.parametrize(("given", "kept"), [("r1", "r1"), ("", None)])
    def test_of_a_refusal_is_the_call_that_microsofts_support_can_find(self, given, kept):
        outcome = refused(RefusedError("Not allowed", status=403, request_id=given))

        assert (outcome.finish, outcome.reason_code) == (UpgradeStatus.FAILED, "refused_by_microsoft")
        assert outcome.detail == outcome.reason == "Microsoft refused: Not allowed"
        assert outcome.request_id == kept

    def test_of_an_unknown_outcome_is_all_that_a_person_needs_to_look_it_up(self):
        upgrade = Upgrade(
            microsoft_tenant_id="tenant-1",
            source_microsoft_subscription_id="subscription-1",
            target_offer_id="offer-2",
            request_id=REQUEST,
            correlation_id=CORRELATION,
        )

        outcome = outcome_unknown(upgrade, "no answer")

        assert (outcome.finish, outcome.reason_code) == (UpgradeStatus.FAILED, "outcome_unknown")
        assert outcome.request_id == str(REQUEST)
        needed = "subscription-1", "tenant-1", "offer-2", str(REQUEST), str(CORRELATION)
        assert [word for word in needed if word not in (outcome.remedy or "")] == []
