import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.logs import REQUEST_ID, ConsoleFormatter, JSONFormatter, mask_secrets, utc_text


def record(message, *args, exc_info=None, **extra):
    made = logging.getLogger("test").makeRecord(
        "gateway.x", logging.INFO, __file__, 1, message, args, exc_info, extra=extra
    )
    made.created = datetime(2026, 11, 23, 6, 1, 2, 345_000, tzinfo=UTC).timestamp()
    return made


class TestJSONFormatter:
    def test_a_line_is_one_object(self):
        line = JSONFormatter().format(record("Upgrade requested: upgrade=%s target=%s", 7, "a\nb"))

        assert "\n" not in line
        found = json.loads(line)
        assert found["time"] == "2026-11-23T06:01:02.345Z"
        assert found["level"] == "INFO"
        assert found["logger"] == "gateway.x"
        assert found["event"] == "Upgrade requested"
        assert found["message"] == "Upgrade requested: upgrade=7 target=a\nb"

    def test_extra_values_are_fields(self):
        found = json.loads(JSONFormatter().format(record("Request", correlation_id="abc", seconds=1.5)))

        assert (found["correlation_id"], found["seconds"]) == ("abc", 1.5)

    def test_it_names_the_request_that_the_thread_answers(self):
        token = REQUEST_ID.set("abc")
        try:
            found = json.loads(JSONFormatter().format(record("Upgrades scheduled: batch=%s", 1)))
        finally:
            REQUEST_ID.reset(token)

        assert found["request_id"] == "abc"
        assert "request_id" not in json.loads(JSONFormatter().format(record("Other")))

    def test_what_json_cannot_hold_is_text(self):
        found = json.loads(JSONFormatter().format(record("Request", since=datetime(2026, 1, 1, tzinfo=UTC))))

        assert found["since"] == "2026-01-01 00:00:00+00:00"

    def test_an_exception_is_a_field(self):
        error = ValueError("client_secret=hush")

        line = JSONFormatter().format(record("Failed", exc_info=(ValueError, error, None)))

        found = json.loads(line)
        assert "ValueError" in found["exception"]
        assert "hush" not in line

    def test_a_secret_among_the_arguments_is_masked(self):
        line = JSONFormatter().format(record("Header: value=%s", "Bearer eyJ0.abc", token="Bearer eyJ0.def"))

        assert "eyJ0" not in line


class TestConsoleFormatter:
    def test_a_line_is_for_a_person(self):
        text = ConsoleFormatter().format(record("Worker serves: pid=%s", 7))

        assert text.endswith("INFO    Worker serves: pid=7")


class TestMaskSecrets:
    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("Authorization: Bearer abc.def-ghi x", "Authorization: Bearer *** x"),
            ("grant=1&client_secret=s3cr3t&scope=x", "grant=1&client_secret=***&scope=x"),
            ('{"refresh_token": "0.AAA", "a": 1}', '{"refresh_token": "***", "a": 1}'),
            ('clientSecret="abc"', 'clientSecret="***"'),
            ("password: hunter2", "password: ***"),
            ("a bearer of news is no secret keeper", "a bearer *** news is no secret keeper"),
            ("nothing here", "nothing here"),
        ],
    )
    def test_values_of_secrets_are_hidden(self, text, masked):
        assert mask_secrets(text) == masked


def test_times_are_told_in_utc():
    at = datetime(2026, 11, 23, 8, 0, tzinfo=timezone(timedelta(hours=2)))

    assert utc_text(at) == "2026-11-23T06:00:00.000Z"
