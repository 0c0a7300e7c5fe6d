import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.services.errors import InvalidCursorError, InvalidLimitError
from gateway.services.keys import chunks, is_row_id, is_text_id
from gateway.services.paging import Page, checked_limit, encode_cursor, page_of, row_cursor, text_cursor


def wrapped(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class TestCursors:
    @settings(deadline=None)
    @given(st.text(min_size=1, max_size=100).filter(is_text_id))
    def test_a_text_comes_back(self, key):
        assert text_cursor(encode_cursor(key)) == key

    @settings(deadline=None)
    @given(st.integers(1, 2**31 - 1))
    def test_a_row_number_comes_back(self, key):
        assert row_cursor(encode_cursor(key)) == key

    def test_no_cursor_is_the_beginning(self):
        assert text_cursor(None) is None
        assert row_cursor(None) is None

    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "!",
            "é",
            "abc",
            "W10",
            wrapped([]),
            wrapped([[1]]),
            wrapped([1, 2]),
            wrapped([1.5]),
            wrapped([None]),
            wrapped({"0": "a"}),
            wrapped("a"),
            wrapped(["a\x00b"]),
            wrapped(["\ud800"]),
            wrapped(["a" * 101]),
            wrapped([""]),
            wrapped([True]),
            wrapped([0]),
            wrapped([-1]),
            wrapped([2**31]),
            wrapped([10**30]),
            encode_cursor("a") + "=",
            encode_cursor("a") + "AAAA",
            base64.urlsafe_b64encode(b"[" * 100_000).decode(),
            base64.urlsafe_b64encode(b'["\xff"]').decode(),
        ],
    )
    def test_a_tampered_one_is_refused(self, cursor):
        for read in (text_cursor, row_cursor):
            with pytest.raises(InvalidCursorError, match="is not one that this list gave out") as caught:
                read(cursor)
            assert caught.value.code == "invalid_cursor"

    def test_that_of_another_list_is_refused(self):
        with pytest.raises(InvalidCursorError):
            text_cursor(encode_cursor(7))
        with pytest.raises(InvalidCursorError):
            row_cursor(encode_cursor("7"))


class TestPageOf:
    def test_a_page_with_more_behind_it_has_a_cursor(self):
        page = page_of([3, 2, 1], 2, lambda item: item)

        assert page == Page([3, 2], encode_cursor(2))

    @pytest.mark.parametrize("found", [[], [3], [3, 2]])
    def test_the_last_page_has_none(self, found):
        assert page_of(found, 2, lambda item: item) == Page(found, None)


class TestCheckedLimit:
    @pytest.mark.parametrize("limit", [1, 50, 500])
    def test_it_may_be_1_to_500(self, limit):
        assert checked_limit(limit) == limit

    @pytest.mark.parametrize("limit", [0, -1, 501])
    def test_others_are_refused(self, limit):
        with pytest.raises(InvalidLimitError, match=f"limit {limit} is out of range"):
            checked_limit(limit)


class TestKeys:
    @pytest.mark.parametrize("key", ["", "a" * 101, "a\x00", "\udfff"])
    def test_what_no_database_takes_is_no_id(self, key):
        assert not is_text_id(key)

    @pytest.mark.parametrize("key", [0, -1, 2**31, True])
    def test_what_numbers_no_row_is_no_id(self, key):
        assert not is_row_id(key)

    def test_chunks_keep_all_in_order(self):
        assert [list(chunk) for chunk in chunks(range(5), 2)] == [[0, 1], [2, 3], [4]]
