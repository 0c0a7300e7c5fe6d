from datetime import UTC, datetime, timedelta

import pytest

from gateway.engine.pauses import (
    OPEN_AFTER,
    PROBE_TIME,
    SIGN_IN_PAUSE,
    Pauses,
    narrowed,
    outage_pause,
    widened,
)
from gateway.partner_center import BusyError, RefusedError, SignInError, ThrottledError, UnavailableError

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NAME = "Office 365"
AWAY = UnavailableError("away", status=500)
OVERLOADED = UnavailableError("overloaded", status=503)
ASKS_FOR_A_PAUSE = UnavailableError("overloaded", status=503, retry_after=1)


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def seconds_left(pauses, now=NOW, name=NAME):
    pause = pauses.wait(name, now)
    return (pause.until - now).total_seconds() if pause else 0


@pytest.fixture
def pauses():
    return Pauses(limit=10)


class TestAPauseThatMicrosoftAskedFor:
    def test_it_is_of_one_account(self, pauses):
        pauses.note(NAME, ThrottledError(retry_after=30), NOW)

        assert seconds_left(pauses, name="OFFICE 365") == 30
        assert seconds_left(pauses, name="Other") == 0
        assert list(pauses.blocked_instances(NOW)) == ["office 365"]

    def test_a_shorter_one_does_not_shorten_a_longer_one(self, pauses):
        pauses.note(NAME, ThrottledError(retry_after=30), NOW)
        pauses.note(NAME, ThrottledError(retry_after=5), NOW)

        assert seconds_left(pauses) == 30

    def test_an_answer_that_was_under_way_does_not_end_it(self, pauses):
        pauses.note(NAME, ThrottledError(retry_after=30), NOW)
        pauses.note(NAME, None, NOW)

        assert seconds_left(pauses) == 30

    def test_it_ends(self, pauses):
        pauses.note(NAME, ThrottledError(retry_after=30), NOW)

        assert seconds_left(pauses, later(30)) == 0
        assert pauses.blocked_instances(later(30)) == {}


class TestAnOutage:
    def test_a_few_failures_are_none(self, pauses):
        for _ in range(OPEN_AFTER - 1):
            pauses.note(NAME, AWAY, NOW)

        assert seconds_left(pauses) == 0
        assert not pauses.is_down(NAME)

    @pytest.mark.parametrize("answer", [None, RefusedError("no"), BusyError("busy")])
    def test_any_answer_starts_the_count_anew(self, pauses, answer):
        for trouble in [*[AWAY] * (OPEN_AFTER - 1), answer, AWAY]:
            pauses.note(NAME, trouble, NOW)

        assert not pauses.is_down(NAME)

    def test_after_it_one_call_tries_and_the_others_wait_for_its_answer(self, pauses):
        for _ in range(OPEN_AFTER):
            pauses.note(NAME, AWAY, NOW)
        over = later(seconds_left(pauses))

        assert pauses.rooms(over) == {"office 365": 1}
        assert seconds_left(pauses, over) == 0
        assert seconds_left(pauses, over) == PROBE_TIME
        assert pauses.rooms(over) == {"office 365": 0}

    def test_a_try_that_fails_makes_the_pause_longer(self, pauses):
        for _ in range(OPEN_AFTER):
            pauses.note(NAME, AWAY, NOW)
        over = later(seconds_left(pauses))
        assert pauses.wait(NAME, over) is None

        pauses.note(NAME, AWAY, over)

        assert seconds_left(pauses, over) == outage_pause(OPEN_AFTER + 1) == 2 * outage_pause(OPEN_AFTER)

    def test_calls_under_way_when_it_began_do_not_make_the_pause_longer(self, pauses):
        for _ in range(OPEN_AFTER + 40):
            pauses.note(NAME, AWAY, NOW)

        assert seconds_left(pauses) == outage_pause(OPEN_AFTER)

    def test_one_that_fails_after_a_try_has_failed_does_not_either(self, pauses):
        for _ in range(OPEN_AFTER):
            pauses.note(NAME, AWAY, NOW)
        over = later(seconds_left(pauses))
        pauses.wait(NAME, over)

        for _ in range(3):
            pauses.note(NAME, AWAY, over)

        assert seconds_left(pauses, over) == outage_pause(OPEN_AFTER + 1)

    def test_a_failure_after_the_pause_is_a_new_one_though_nobody_asked_before(self, pauses):
        for _ in range(OPEN_AFTER):
            pauses.note(NAME, AWAY, NOW)
        over = later(seconds_left(pauses))

        pauses.note(NAME, AWAY, over)

        assert seconds_left(pauses, over) == outage_pause(OPEN_AFTER + 1)

    def test_a_call_that_many_waited_for_is_one_failure(self, pauses):
        shared = UnavailableError("no token", status=503)
        shared.is_shared = True
        for trouble in [AWAY, *[shared] * 20]:
            pauses.note(NAME, trouble, NOW)

        assert not pauses.is_down(NAME)
        assert pauses.rooms(NOW) == {}

    def test_a_failure_does_not_shorten_the_pause_for_a_refused_sign_in(self, pauses):
        for trouble in (SignInError("expired"), AWAY):
            pauses.note(NAME, trouble, NOW)

        assert seconds_left(pauses) == SIGN_IN_PAUSE

    def test_a_try_that_succeeds_ends_it(self, pauses):
        for _ in range(OPEN_AFTER):
            pauses.note(NAME, AWAY, NOW)
        pauses.note(NAME, None, NOW)

        assert seconds_left(pauses) == 0
        assert pauses.rooms(NOW) == {}

    def test_a_pause_that_microsoft_asks_for_meanwhile_is_kept(self, pauses):
        for _ in range(OPEN_AFTER):
            pauses.note(NAME, UnavailableError("overloaded", status=503, retry_after=120), NOW)

        assert seconds_left(pauses) == 120 > outage_pause(OPEN_AFTER)

    def test_its_pauses_have_an_upper_limit(self):
        assert outage_pause(10_000) == 300


class TestASignInThatFails:
    def test_it_stops_the_instance_at_once_and_is_tried_again(self, pauses):
        pauses.note(NAME, SignInError("expired"), NOW)

        assert seconds_left(pauses) == SIGN_IN_PAUSE
        assert pauses.rooms(later(SIGN_IN_PAUSE)) == {"office 365": 1}
        assert seconds_left(pauses, later(SIGN_IN_PAUSE)) == 0

    def test_one_that_is_accepted_ends_it(self, pauses):
        pauses.note(NAME, SignInError("expired"), NOW)
        pauses.note(NAME, None, NOW)

        assert not pauses.is_down(NAME)
        assert pauses.rooms(NOW) == {}


class TestTheWidth:
    @pytest.mark.parametrize("trouble", [ThrottledError(retry_after=1), ASKS_FOR_A_PAUSE])
    def test_overload_halves_it_and_success_widens_it_again(self, pauses, trouble):
        pauses.note(NAME, trouble, NOW)
        narrow = pauses.rooms(later(2))["office 365"]
        for _ in range(200):
            pauses.note(NAME, None, NOW)

        assert narrow == 5
        assert pauses.rooms(later(2)) == {}

    def test_several_503_of_few_calls_halve_it(self, pauses):
        for trouble in [OVERLOADED, *[None] * 3] * 3:
            pauses.note(NAME, trouble, NOW)

        assert pauses.rooms(NOW) == {"office 365": 5}

    def test_a_503_now_and_then_leaves_it_as_it_is(self, pauses):
        for trouble in [OVERLOADED, *[None] * 30] * 20:
            pauses.note(NAME, trouble, NOW)

        assert pauses.rooms(NOW) == {}

    def test_calls_under_way_at_the_same_time_halve_it_once(self, pauses):
        for _ in range(8):
            pauses.note(NAME, ThrottledError(retry_after=10), NOW)

        assert pauses.rooms(later(11)) == {"office 365": 5}

    def test_overload_within_a_pause_does_not_halve_it_again(self, pauses):
        for trouble in (ThrottledError(retry_after=10), OVERLOADED, OVERLOADED):
            pauses.note(NAME, trouble, NOW)

        assert pauses.rooms(later(11)) == {"office 365": 5}

    def test_it_never_grows_beyond_the_limit(self, pauses):
        for _ in range(50):
            pauses.note(NAME, None, NOW)
        pauses.note(NAME, ThrottledError(retry_after=1), NOW)

        assert pauses.rooms(later(2)) == {"office 365": 5}

    def test_one_is_always_left(self):
        assert narrowed(1.0) == 1.0

    def test_it_grows_by_one_in_a_round(self):
        assert widened(4.0) == 4.25
