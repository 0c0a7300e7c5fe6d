import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.pace import LONGEST_POLL, LONGEST_RETRY, poll_pause, retry_pause


class TestPollPause:
    @pytest.mark.parametrize(
        ("first", "waited", "expected"),
        [
            (15, 0, 15),
            (15, 60, 15),
            (15, 240, 30),
            (15, 3600, 300),
            (15, 86400, 300),
            (3600, 0, 3600),
            (0.1, 0, 0.1),
        ],
    )
    def test_it_grows_with_the_time_already_waited(self, first, waited, expected):
        assert poll_pause(first, waited) == pytest.approx(expected, rel=0.1)

    @given(first=st.floats(0.05, 3600), waited=st.floats(0, 1e7))
    def test_it_is_never_below_the_first_nor_above_the_longest(self, first, waited):
        assert first * 0.9 <= poll_pause(first, waited) <= max(first, LONGEST_POLL) * 1.1


class TestRetryPause:
    def test_it_doubles_up_to_a_bound(self):
        longest = [max(retry_pause(15, n) for _ in range(200)) for n in range(12)]

        assert longest[:4] == pytest.approx([5, 10, 20, 40], rel=0.1)
        assert longest[-1] == pytest.approx(LONGEST_RETRY, rel=0.1)

    @given(first=st.floats(0.05, 3600), attempts=st.integers(0, 10_000))
    def test_it_is_bounded_and_never_zero(self, first, attempts):
        assert 0 < retry_pause(first, attempts) <= LONGEST_RETRY

    def test_two_are_not_alike_so_that_a_crowd_does_not_come_back_at_once(self):
        assert len({retry_pause(15, 3) for _ in range(20)}) > 10
