from pathlib import Path

import pytest

from gateway.pool.watching import (
    SETTLE_SECONDS,
    UNSTABLE_SECONDS,
    Debounce,
    Settling,
    Snapshot,
    Verdict,
    is_well_formed,
    looks_finished,
    take_snapshot,
)

MAIN, SECOND = Path("Settings.config"), Path("Secrets.config")


def snapshot(main: bytes | None, second: bytes | None = b"<a/>") -> Snapshot:
    return Snapshot(((MAIN, main), (SECOND, second)))


BEFORE = snapshot(b"<before/>")
GOOD = snapshot(b"<after/>")


class TestDebounce:
    def test_nothing_is_due_without_an_event(self):
        assert Debounce().wait(5.0) is None

    def test_it_is_due_when_it_has_been_quiet(self):
        debounce = Debounce(quiet=0.25, cap=2.0)
        debounce.touch(10.0)
        debounce.touch(10.2)

        assert debounce.wait(10.25) == pytest.approx(0.2)
        assert debounce.wait(10.45) == 0.0

    def test_it_is_due_in_the_end_however_busy_it_is(self):
        debounce = Debounce(quiet=0.25, cap=2.0)
        for tenth in range(20):
            debounce.touch(10 + tenth / 10)

        assert debounce.wait(11.95) == pytest.approx(0.05)
        assert debounce.wait(12.0) == 0.0

    def test_it_begins_anew_when_cleared(self):
        debounce = Debounce()
        debounce.touch(10.0)
        debounce.clear()

        assert debounce.wait(20.0) is None

    def test_it_is_quiet_some_time_after_an_event_only(self):
        debounce = Debounce(quiet=0.25, cap=2.0)
        assert not debounce.is_quiet(9.0)
        debounce.touch(10.0)

        assert not debounce.is_quiet(10.2)
        assert debounce.is_quiet(10.25)


class TestSettling:
    def test_two_equal_reads_are_believed(self):
        settling = Settling(BEFORE, 10.0)

        assert settling.observe(GOOD, 10.0) is Verdict.READ_AGAIN
        assert settling.observe(GOOD, 10.1) is Verdict.BELIEVE

    @pytest.mark.parametrize(
        ("last", "verdict"),
        [(GOOD, Verdict.BELIEVE), (BEFORE, Verdict.READ_AGAIN), (None, Verdict.READ_AGAIN)],
    )
    def test_one_read_is_enough_if_it_is_what_was_seen_some_time_ago(self, last, verdict):
        assert Settling(BEFORE, 10.0, last).observe(GOOD, 10.0) is verdict

    def test_a_file_in_motion_is_read_again(self):
        settling = Settling(BEFORE, 10.0)
        settling.observe(snapshot(b"<after>mix</after>"), 10.0)

        assert settling.observe(GOOD, 10.1) is Verdict.READ_AGAIN
        assert settling.observe(GOOD, 10.2) is Verdict.BELIEVE

    @pytest.mark.parametrize("unfinished", [None, b"", b"<configuration>", b"<a></b>"])
    def test_one_that_looks_unfinished_gets_time(self, unfinished):
        settling = Settling(BEFORE, 10.0)
        settling.observe(snapshot(unfinished), 10.0)

        assert settling.observe(snapshot(unfinished), 10.1) is Verdict.READ_AGAIN
        assert settling.observe(snapshot(unfinished), 10.0 + SETTLE_SECONDS) is Verdict.BELIEVE

    def test_one_that_never_rests_is_given_up(self):
        settling = Settling(BEFORE, 10.0)
        for tenth in range(99):
            verdict = settling.observe(snapshot(b"<a>%d</a>" % tenth), 10 + tenth / 10)
            assert verdict is Verdict.READ_AGAIN

        assert settling.observe(GOOD, 10 + UNSTABLE_SECONDS) is Verdict.GIVE_UP


class TestLooksFinished:
    def test_a_second_file_that_never_was_may_be_missing(self):
        assert looks_finished(snapshot(b"<a/>", None), snapshot(b"<b/>", None))

    def test_a_second_file_that_was_there_may_come_back(self):
        assert not looks_finished(snapshot(b"<a/>", None), BEFORE)

    def test_a_second_file_has_to_be_whole(self):
        assert not looks_finished(snapshot(b"<a/>", b"<appSettings>"), BEFORE)


class TestIsWellFormed:
    def test_a_doctype_is_for_the_parser_to_refuse(self):
        assert is_well_formed(b'<!DOCTYPE a [<!ENTITY x "y">]><a>')

    def test_other_encodings_are_read(self):
        assert is_well_formed('<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16"))


def test_a_file_that_cannot_be_read_is_part_of_a_snapshot(tmp_path):
    there, missing = tmp_path / "a", tmp_path / "b"
    there.write_bytes(b"x")

    found = take_snapshot((there, missing))

    assert found.files == ((there, b"x"), (missing, None))
    assert found.content(missing) is None
