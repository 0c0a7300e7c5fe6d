"""The small parts: files, lock, last good values, events, timers, back-off, addresses, protocol, table."""

import json
import os
import stat
from datetime import UTC, datetime

import pytest

from gateway.pool.background import find_registry
from gateway.pool.backoff import GOOD_RUN_SECONDS, RestartPolicy
from gateway.pool.errors import AddressError, AddressTakenError, PoolRunningError
from gateway.pool.event_kinds import CONFIG_GOOD_AGAIN, CONFIG_REFUSED, PING_FAILED, RECYCLES
from gateway.pool.events import LARGEST_FILE, OLD_FILES, EventLog, event_line, read_events
from gateway.pool.files import write_private
from gateway.pool.hosting import waitress_adjustments
from gateway.pool.last_good import LastGoodSettings
from gateway.pool.listener import Address, bind, bound_address, configured_address, parse_address
from gateway.pool.lock import hold_pool_lock, work_lock
from gateway.pool.protocol import Go, read_lines, to_line
from gateway.pool.reasons import Reason
from gateway.pool.table import table
from gateway.pool.timers import Timers
from tests.functional.pool.helpers import ROOT
from tests.unit.pool.helpers import Clock, settings


class TestWritePrivate:
    def test_a_file_is_replaced_whole_and_for_its_owner(self, tmp_path):
        path = tmp_path / "a.json"
        path.write_text("old")

        write_private(path, "new")

        assert path.read_text() == "new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [each.name for each in tmp_path.iterdir()] == ["a.json"]

    def test_nothing_is_left_of_a_write_that_failed(self, tmp_path):
        target = tmp_path / "folder"
        (target / "inner").mkdir(parents=True)

        with pytest.raises(OSError):
            write_private(target, "new")

        assert [each.name for each in tmp_path.iterdir()] == ["folder"]


class TestLocks:
    def test_one_pool_at_a_time(self, tmp_path):
        lock = hold_pool_lock(tmp_path)

        with pytest.raises(PoolRunningError, match=f"process {os.getpid()}"):
            hold_pool_lock(tmp_path)

        lock.release()
        hold_pool_lock(tmp_path).release()

    def test_a_file_that_was_left_behind_is_no_obstacle(self, tmp_path):
        (tmp_path / "pool.lock").write_text("12345678901")

        hold_pool_lock(tmp_path).release()

        assert (tmp_path / "pool.lock").read_text() == str(os.getpid())

    def test_a_holder_may_ask_again(self, tmp_path):
        first, second = work_lock(tmp_path, 1), work_lock(tmp_path, 1)

        assert first.try_acquire()
        assert first.try_acquire()
        assert not second.try_acquire()

        first.release()
        assert second.try_acquire()
        second.release()

    def test_workers_that_serve_side_by_side_work_side_by_side(self, tmp_path):
        first, second = work_lock(tmp_path, 1), work_lock(tmp_path, 2)

        assert first.try_acquire()
        assert second.try_acquire()

        first.release()
        second.release()


class TestLastGoodSettings:
    def test_what_was_saved_is_loaded(self, tmp_path):
        kept = LastGoodSettings(tmp_path / "last-good.json")

        kept.save(settings(tmp_path, limit=33))

        loaded = kept.load()
        assert loaded is not None
        assert loaded.revision == settings(tmp_path, limit=33).revision

    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"settings": "{}x"}', '{"settings": "{\\"a\\": 1}"}']
    )
    def test_what_cannot_be_understood_is_none(self, tmp_path, content):
        path = tmp_path / "last-good.json"
        path.write_text(content)

        assert LastGoodSettings(path).load() is None

    def test_there_may_be_none(self, tmp_path):
        assert LastGoodSettings(tmp_path / "last-good.json").load() is None

    def test_a_disk_that_refuses_does_not_stop_the_pool(self, tmp_path):
        LastGoodSettings(tmp_path / "missing" / "last-good.json").save(settings(tmp_path))

        assert not (tmp_path / "missing").exists()


class TestEventLog:
    def test_an_event_is_kept_and_written(self, tmp_path):
        events = EventLog(tmp_path / "e.jsonl", now=lambda: datetime(2026, 1, 2, tzinfo=UTC))

        events.add(PING_FAILED, pid=7, reason=None)

        expected = {
            "at": "2026-01-02T00:00:00.000Z",
            "id": 5010,
            "level": "WARNING",
            "event": "Worker did not answer a ping",
            "pid": 7,
        }
        assert events.recent(10) == [expected]
        assert json.loads((tmp_path / "e.jsonl").read_text()) == expected

    def test_a_large_file_is_put_aside(self, tmp_path):
        path = tmp_path / "e.jsonl"
        path.write_bytes(b"x" * (LARGEST_FILE + 1))

        EventLog(path).add(CONFIG_GOOD_AGAIN)

        assert len(path.read_text().splitlines()) == 1
        assert (tmp_path / "e.jsonl.1").stat().st_size == LARGEST_FILE + 1

    def test_only_so_many_old_files_are_kept(self, tmp_path):
        path = tmp_path / "e.jsonl"
        for _ in range(OLD_FILES + 2):
            EventLog(path).add(CONFIG_GOOD_AGAIN)
            path.write_bytes(path.read_bytes() + b" " * (LARGEST_FILE + 1) + b"\n")
        EventLog(path).add(CONFIG_GOOD_AGAIN)

        assert len(list(tmp_path.iterdir())) == OLD_FILES + 1

    def test_events_are_read_over_files_and_without_what_a_crash_cut_off(self, tmp_path):
        path = tmp_path / "e.jsonl"
        path.with_name("e.jsonl.1").write_text('{"id": 1}\n{"id": 2}\n')
        path.write_text('{"id": 3}\n{"id": 4}\n{"id": ')

        assert [event["id"] for event in read_events(path, 3)] == [2, 3, 4]
        assert read_events(tmp_path / "none.jsonl", 3) == []

    def test_a_change_is_told_from_to_and_a_secret_is_not(self, tmp_path):
        events = EventLog(tmp_path / "e.jsonl")

        events.add(RECYCLES[Reason.CONFIG_CHANGE], changes=[{"key": "A", "old": "1", "new": "2"}])
        events.add(CONFIG_REFUSED, error="clientSecret=topsecret is wrong")

        change, refused = events.recent(2)
        assert event_line(change).endswith(
            "5080 INFO    Recycle: the configuration changed: changes=A: 1 -> 2"
        )
        assert "topsecret" not in (tmp_path / "e.jsonl").read_text() + str(refused)


class TestTimers:
    def test_what_is_due_runs_in_order(self):
        clock = Clock()
        timers, done = Timers(clock), []
        timers.after(2, lambda: done.append("second"))
        timers.after(1, lambda: done.append("first"))
        timers.after(1.5, lambda: done.append("never")).cancel()
        timers.after(9, lambda: done.append("later"))

        clock.now += 2
        timers.run_due()

        assert done == ["first", "second"]
        assert timers.seconds_to_next(60) == 7

    def test_the_wait_is_bounded(self):
        timers = Timers(Clock())
        assert timers.seconds_to_next(0.5) == 0.5

        timers.after(3, lambda: None)
        assert timers.seconds_to_next(0.5) == 0.5


class TestRestartPolicy:
    def test_pauses_grow_up_to_the_longest(self, tmp_path):
        policy = RestartPolicy(random=lambda: 0.5)
        unprotected = settings(tmp_path, failure='rapidFailProtection="false"')

        pauses = [policy.failed(0, unprotected) for _ in range(11)]

        assert pauses == [0, 0.1, 0.5, 1, 2, 4, 8, 15, 30, 30, 30]

    def test_a_pause_varies(self, tmp_path):
        found = []
        for chance in (0.0, 1.0):
            policy = RestartPolicy(random=iter([chance] * 2).__next__)
            policy.failed(0, settings(tmp_path))
            found.append(policy.failed(0, settings(tmp_path)))

        assert found == pytest.approx([0.08, 0.12])

    def test_a_good_run_is_forgiven(self, tmp_path):
        policy = RestartPolicy(random=lambda: 0.5)
        for _ in range(3):
            policy.failed(0, settings(tmp_path))
        policy.served(1)

        assert policy.failed(1 + GOOD_RUN_SECONDS, settings(tmp_path)) == 0

    def test_a_short_run_is_not(self, tmp_path):
        policy = RestartPolicy(random=lambda: 0.5)
        policy.failed(0, settings(tmp_path))
        policy.served(1)

        assert policy.failed(2, settings(tmp_path)) == 0.1

    def test_the_window_moves_on(self, tmp_path):
        policy = RestartPolicy(random=lambda: 0.5)
        rule = settings(
            tmp_path, failure='rapidFailProtectionInterval="00:01:00" rapidFailProtectionMaxCrashes="3"'
        )

        assert policy.failed(0, rule) is not None
        assert policy.failed(30, rule) is not None
        assert policy.failed(61, rule) is not None
        assert policy.failed(80, rule) is None
        policy.reset()
        assert policy.failed(81, rule) == 0


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [
            ("127.0.0.1:8365", "127.0.0.1", 8365),
            ("localhost:0", "localhost", 0),
            ("[::1]:80", "::1", 80),
            ("*:80", "0.0.0.0", 80),
        ],
    )
    def test_it_is_read(self, text, host, port):
        assert parse_address(text) == Address(host, port)

    @pytest.mark.parametrize(
        "text", ["", "8365", ":8365", "host:", "host:x", "host:99999", "::1:80", "a:1 b:2"]
    )
    def test_what_is_none_is_refused(self, text):
        with pytest.raises(AddressError):
            parse_address(text)

    def test_an_ipv6_one_is_written_in_brackets(self):
        assert Address("::1", 80).url == "http://[::1]:80"

    def test_the_ini_file_names_it(self):
        assert configured_address(ROOT / "web.ini") == Address("127.0.0.1", 8365)

    def test_an_ini_file_that_cannot_be_read_is_named(self, tmp_path):
        with pytest.raises(AddressError, match=r"no\.ini"):
            configured_address(tmp_path / "no.ini")

    def test_a_taken_one_is_told(self):
        with (
            bind(Address("127.0.0.1", 0)) as listener,
            pytest.raises(AddressTakenError, match="cannot listen on"),
        ):
            bind(bound_address(listener))


class TestProtocol:
    def test_lines_come_whole_however_they_are_cut(self):
        reader, writer = os.pipe()
        try:
            for piece in (b'{"a"', b': 1}\n{"b": 2}\nnot json\n[1]\n', b'{"c": 3}\n'):
                os.write(writer, piece)
            os.close(writer)

            assert list(read_lines(reader)) == [{"a": 1}, {"b": 2}, {"c": 3}]
        finally:
            os.close(reader)

    def test_go_survives_the_way(self):
        go = Go("{}", "web.ini", {"fd": 3}, "Pool", "var", 1, "node", "secret", {"state": "Starting"})

        command = json.loads(to_line({"cmd": "go", **go._asdict()}))

        assert Go.from_command(command) == go


class TestFindRegistry:
    def test_it_is_found_behind_middleware(self):
        class Application:
            def __init__(self):
                self.registry = {"a": 1}

        class Middleware:
            def __init__(self, app):
                self.app = app

        assert find_registry(Middleware(Middleware(Application()))) == {"a": 1}

    def test_an_application_may_have_none(self):
        assert find_registry(lambda environ, start_response: []) == {}


def test_the_ini_file_adjusts_waitress():
    assert waitress_adjustments(str(ROOT / "web.ini"))["threads"] == "8"


def test_the_table_leaves_out_what_is_empty():
    text = table(
        {
            "state": "Started",
            "limit": 10,
            "config_error": "line 1\nline 2",
            "leaving_pids": [],
            "uptime_seconds": 3725.5,
            "last_recycle": {
                "at": "T",
                "reason": "on demand",
                "seconds": 0.5,
                "changes": [{"key": "K", "old": "1", "new": "2"}],
            },
        }
    )

    assert "Leaving" not in text
    lines = text.splitlines()
    assert any(line.split() == ["State", "Started"] for line in lines)
    assert any(line.endswith("1:02:05") for line in lines)
    assert any(line.endswith("K: 1 -> 2") for line in lines)
