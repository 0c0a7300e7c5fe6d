"""Reading of JSON as Microsoft writes it, which is not always as it is documented."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.partner_center.reading import (
    Record,
    UnreadableError,
    items,
    parse_json,
    parse_moment,
    parse_record,
    snake,
)


@pytest.mark.parametrize("body", [b'{"a": 1}', b'\xef\xbb\xbf{"a": 1}', '{"a": 1}'.encode("utf-16")])
def test_a_body_may_begin_with_a_byte_order_mark(body):
    assert parse_record(body).number("A") == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b"\xff\xfe\xfd",
        b"NaN",
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_anything_else_than_json_is_unreadable(body):
    with pytest.raises(UnreadableError):
        parse_json(body)


def test_names_are_read_in_any_case_and_the_exact_one_first():
    record = Record({"ITEMS": 1, "Items": 2, "items": 3})

    assert record.value("items") == 3
    assert record.value("iTEMS") == 1
    assert Record({"Events": 1}).value("events") == 1
    assert Record({}).value("events") is None


@pytest.mark.parametrize("value", [15, "15", " 15 ", 15.0])
def test_numbers_may_be_text(value):
    assert Record({"n": value}).number("n") == 15


@pytest.mark.parametrize("value", [None, ""])
def test_no_number_is_none(value):
    assert Record({"n": value}).number("n") is None


@pytest.mark.parametrize("value", ["many", True, 1.5, [1], {}, 10**30, -(10**30), "9" * 30, 1e300])
def test_a_number_that_is_none_misleads_nobody(value):
    with pytest.raises(UnreadableError):
        Record({"n": value}).number("n")


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (True, True),
        (False, False),
        ("True", True),
        ("false ", False),
        (1, True),
        ("0", False),
        ([], False),
        ("?", False),
    ],
)
def test_flags_may_be_text(value, flag):
    assert Record({"f": value}).flag("f") is flag


@pytest.mark.parametrize(
    ("value", "text"),
    [("x ", "x"), (5, "5"), (True, ""), (None, ""), ([], ""), ("a\0b", "ab"), ("\ud800", "?")],
)
def test_texts_are_clean(value, text):
    assert Record({"t": value}).text("t") == text


@pytest.mark.parametrize(
    "written",
    ["UpgradeWithLicenseTransfer", "upgrade_with_license_transfer", " Upgrade with license transfer "],
)
def test_enumerations_have_one_spelling(written):
    assert snake(written) == "upgrade_with_license_transfer"


def test_enumerations_may_be_numbers():
    assert Record({"e": 1}).word("e", {1: "one"}) == "one"
    assert Record({"e": "1"}).word("e", {1: "one"}) == "one"
    assert Record({"e": 7}).word("e", {1: "one"}) == "7"


@pytest.mark.parametrize("digits", range(10))
def test_times_have_any_number_of_fraction_digits(digits):
    fraction = "." + "1234567890"[:digits] if digits else ""

    moment = parse_moment(f"2026-01-08T18:01:14{fraction}Z")

    micro = int("123456"[:digits].ljust(6, "0"))
    assert moment == datetime(2026, 1, 8, 18, 1, 14, micro, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-01-08T18:00:00", datetime(2026, 1, 8, 18, tzinfo=UTC)),
        ("2026-01-08T18:00:00+02:00", datetime(2026, 1, 8, 16, tzinfo=UTC)),
        ("9999-12-31T23:59:59-12:00", None),
        ("soon", None),
        ("", None),
    ],
)
def test_times_are_utc(text, moment):
    assert parse_moment(text) == moment


@given(st.text())
def test_no_text_breaks_the_reading_of_times(text):
    moment = parse_moment(text)

    assert moment is None or moment.tzinfo is UTC


class TestCollections:
    def test_its_key_may_differ(self):
        assert len(items(Record({"transition": [{}]}), "items", "transition")) == 1

    def test_an_empty_one_may_lack_its_list(self):
        assert items(Record({"totalCount": 0})) == []

    @pytest.mark.parametrize("raw", [{}, {"items": None}, {"items": {}}, {"items": [1]}, {"totalCount": 3}])
    def test_garbage_is_not_taken_for_nothing(self, raw):
        with pytest.raises(UnreadableError):
            items(Record(raw))

    @pytest.mark.parametrize("value", [{}, "x", [1], [None]])
    def test_a_list_of_texts_holds_texts(self, value):
        with pytest.raises(UnreadableError):
            Record({"t": value}).texts("t")
