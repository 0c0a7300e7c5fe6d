import pytest

from gateway.engine.generation import LATER, best_of, refusal
from gateway.models import UpgradeStatus
from gateway.partner_center import Reason

FOR_GOOD = Reason(None, "subscription_status_not_active", "The subscription is suspended")


class TestARefusalOfMicrosoft:
    @pytest.mark.parametrize("name", ["concurrency_conflicts", "subscription_not_provisioned"])
    def test_that_passes_by_itself_is_waited_for(self, name):
        outcome = refusal((Reason(None, name, "Later"),))

        assert (outcome.finish, outcome.after, outcome.counts) == (None, LATER, False)
        assert outcome.waiting_for == "Microsoft is busy with the subscription: Later"

    def test_of_which_one_reason_does_not_pass_is_the_end(self):
        outcome = refusal((FOR_GOOD, Reason(None, "concurrency_conflicts", "Later")))

        assert (outcome.finish, outcome.reason_code) == (UpgradeStatus.FAILED, FOR_GOOD.name)
        assert outcome.remedy == "Activate the subscription at Microsoft"

    def test_without_a_reason_is_the_end(self):
        outcome = refusal(())

        assert (outcome.finish, outcome.reason_code) == (UpgradeStatus.FAILED, "ineligible_at_microsoft")
        assert outcome.reason == "Microsoft does not allow the upgrade: no reason given"

    def test_that_nobody_knows_is_the_end(self):
        outcome = refusal((Reason(4711, "other", "Something new"),))

        assert (outcome.finish, outcome.reason_code) == (UpgradeStatus.FAILED, "ineligible_at_microsoft")
        assert outcome.reason == "Microsoft does not allow the upgrade: Something new"


class TestTheBestKindOfUpgrade:
    def test_is_the_first_that_is_eligible(self):
        kinds = [("one", False, (FOR_GOOD,)), ("two", True, ()), ("three", True, ())]

        assert best_of(kinds) == "two"

    def test_is_none_where_none_is_and_the_last_one_says_why(self):
        outcome = best_of([("one", False, ()), ("two", False, (FOR_GOOD,))])

        assert not isinstance(outcome, str)
        assert outcome.reason_code == FOR_GOOD.name
