"""The watcher with a real folder; how long it waits is tested without a clock in test_watching."""

import queue
import shutil
import threading
import time

import pytest

from gateway.pool import watcher as watcher_module
from gateway.pool.messages import SettingsRead
from gateway.pool.watcher import SettingsWatcher, current_files
from gateway.pool.watching import CAP_SECONDS, take_snapshot

ADD = '<add key="UPGRADE_MAX_ATTEMPTS" value="{value}"/>'
TEXT = f"<configuration><appSettings{{file}}>{ADD}</appSettings></configuration>"
SECOND = f"<appSettings>{ADD}</appSettings>"


class Inbox(queue.SimpleQueue[SettingsRead]):
    """What is certain; what was foreseen is kept aside."""

    def __init__(self):
        super().__init__()
        self.foreseen = []

    def post(self, message):
        if isinstance(message, SettingsRead):
            self.put(message)
        else:
            self.foreseen.append(message.settings.app.upgrade_max_attempts)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "Settings.config"
    path.write_text(TEXT.format(file="", value=5))
    return path


@pytest.fixture
def watch(path):
    """Start a watcher of the file; return the queue of what it reports."""
    started = []

    def start():
        inbox = Inbox()
        known = take_snapshot(current_files(path))
        watcher = SettingsWatcher(path, known, inbox.post)
        watcher.start()
        started.append(watcher)
        return inbox

    yield start
    for watcher in started:
        watcher.stop()


def attempts(message):
    return message.settings.app.upgrade_max_attempts


def replace(path, text):
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)


def test_every_way_of_saving_is_seen(path, watch):
    inbox = watch()

    path.write_text(TEXT.format(file="", value=6))
    assert attempts(inbox.get(timeout=10)) == 6
    replace(path, TEXT.format(file="", value=7))
    assert attempts(inbox.get(timeout=10)) == 7
    path.unlink()
    path.write_text(TEXT.format(file="", value=8))
    assert attempts(inbox.get(timeout=10)) == 8


def test_valid_settings_are_foreseen_before_they_are_certain(path, watch):
    inbox = watch()

    replace(path, TEXT.format(file="", value="many"))
    assert inbox.get(timeout=10).settings is None
    assert inbox.foreseen == []

    replace(path, TEXT.format(file="", value=6))
    assert attempts(inbox.get(timeout=10)) == 6
    assert inbox.foreseen == [6]


def test_a_file_gone_for_good_is_reported_once(path, watch):
    inbox = watch()

    path.unlink()

    message = inbox.get(timeout=10)
    assert message.settings is None
    assert "missing" in message.error
    path.write_text(TEXT.format(file="", value=5))
    assert attempts(inbox.get(timeout=10)) == 5


def test_the_second_file_is_watched_too(path, watch):
    path.write_text(TEXT.format(file=' file="Secrets.config"', value=5))
    inbox = watch()

    path.with_name("Secrets.config").write_text(SECOND.format(value=9))

    assert attempts(inbox.get(timeout=10)) == 9


def test_a_swapped_link_is_seen(tmp_path, watch, path):
    """As container orchestrators publish a new version of a mounted file."""
    path.unlink()
    for name, value in (("v1", 5), ("v2", 6)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Settings.config").write_text(TEXT.format(file="", value=value))
    (tmp_path / "data").symlink_to("v1")
    path.symlink_to("data/Settings.config")
    inbox = watch()

    (tmp_path / "data_new").symlink_to("v2")
    (tmp_path / "data_new").replace(tmp_path / "data")

    assert attempts(inbox.get(timeout=10)) == 6


def test_without_events_it_reads_now_and_then(path, watch, monkeypatch):
    class Blind:
        def schedule(self, *_, **__):
            raise OSError("inotify watch limit reached")

    monkeypatch.setattr(watcher_module, "Observer", Blind)
    inbox = watch()

    path.write_text(TEXT.format(file="", value=6))

    assert attempts(inbox.get(timeout=10)) == 6


def test_a_folder_renamed_away_and_back_is_seen(tmp_path, path, watch):
    folder = tmp_path / "conf"
    folder.mkdir()
    inner = folder / "Settings.config"
    shutil.copy(path, inner)
    inbox = Inbox()
    watcher = SettingsWatcher(inner, take_snapshot((inner,)), inbox.post)
    watcher.start()
    try:
        folder.rename(tmp_path / "away")
        (tmp_path / "away" / "Settings.config").write_text(TEXT.format(file="", value=6))
        (tmp_path / "away").rename(folder)

        assert attempts(inbox.get(timeout=10)) == 6
    finally:
        watcher.stop()


def test_other_files_that_change_all_the_time_do_not_delay_it(path, watch):
    told = watch()
    ended = threading.Event()

    def make_noise():
        while not ended.wait(0.005):
            (path.parent / "gateway.db-wal").write_text("x")

    noise = threading.Thread(target=make_noise)
    noise.start()
    try:
        replace(path, TEXT.format(file="", value=6))
        began = time.monotonic()
        message = told.get(timeout=10)
        waited = time.monotonic() - began
    finally:
        ended.set()
        noise.join()

    assert attempts(message) == 6
    assert waited < CAP_SECONDS - 0.2
