"""Watches the settings files and reports what they say, once they are at rest."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from gateway.pool.messages import SettingsForeseen, SettingsRead
from gateway.pool.watching import (
    REREAD_SECONDS,
    Debounce,
    Settling,
    Snapshot,
    Verdict,
    looks_finished,
    take_snapshot,
)
from gateway.settings import SettingsError, parse_settings, settings_files

log = logging.getLogger(__name__)

Post = Callable[[SettingsRead | SettingsForeseen], None]

CHECK_SECONDS = 2.0
"""The files are compared so often whatever is reported: events get lost, and network folders send none."""

CHECK_SECONDS_WITHOUT_EVENTS = 0.5

NOISE_SECONDS = 0.02
"""So long events are collected before the files are looked at again."""

OUR_OWN_READING = frozenset({"opened", "closed_no_write"})


def current_files(path: Path, otherwise: tuple[Path, ...] = ()) -> tuple[Path, ...]:
    """Return the settings files; those known before while the first one cannot be read."""
    try:
        return settings_files(path)
    except (SettingsError, OSError):
        return otherwise or (path,)


class _MarkDirty(FileSystemEventHandler):
    def __init__(self, mark: Callable[[], None]) -> None:
        self._mark = mark

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in OUR_OWN_READING:
            self._mark()


class SettingsWatcher:
    """A thread that posts one `SettingsRead` for each new content of the settings files.

    Before it, and perhaps in vain, comes a `SettingsForeseen` as soon as the files are valid.
    `known`: what the pool was started with; only something else is reported.
    """

    def __init__(self, path: Path, known: Snapshot, post: Post) -> None:
        self._path = path
        self._known = known
        self._post = post
        self._seen = known
        self._dirty = threading.Event()
        self._ended = threading.Event()
        self._debounce = Debounce()
        self._observer: BaseObserver | None = None
        self._watched: frozenset[Path] = frozenset()
        self._reported_blind = False
        self._must_report = False
        self._thread = threading.Thread(target=self._run, name="settings-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def report_anyway(self) -> None:
        """Report the content soon even if it is the known one: somebody else read it and acted on it."""
        self._must_report = True
        self._dirty.set()

    def stop(self) -> None:
        self._ended.set()
        self._dirty.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        self._watch_folders()
        next_check = time.monotonic()
        while not self._ended.is_set():
            self._wait(next_check)
            now = time.monotonic()
            if self._debounce.wait(now) == 0.0 or now >= next_check:
                last = self._seen if self._debounce.is_quiet(now) else None
                self._debounce.clear()
                self._check(last)
                self._watch_folders()
                next_check = time.monotonic() + self._check_seconds()
        self._stop_observer()

    def _wait(self, next_check: float) -> None:
        now = time.monotonic()
        due = self._debounce.wait(now)
        wait = next_check - now
        if self._dirty.wait(timeout=max(0.0, wait if due is None else min(due, wait))):
            self._dirty.clear()
            self._look()
            # A log or a database in the same folder may change all the time.
            self._ended.wait(NOISE_SECONDS)

    def _look(self) -> None:
        """Something changed in a folder: only what the files hold can keep them from being at rest."""
        seen = take_snapshot(self._known.paths)
        if seen != self._seen or self._must_report:
            self._seen = seen
            self._debounce.touch(time.monotonic())
            self._foretell(seen)

    def _foretell(self, seen: Snapshot) -> None:
        if seen == self._known or not looks_finished(seen, self._known):
            return
        settings = self._parse(seen).settings
        if settings is not None:
            self._post(SettingsForeseen(settings))

    def _check_seconds(self) -> float:
        return CHECK_SECONDS if self._observer is not None else CHECK_SECONDS_WITHOUT_EVENTS

    def _snapshot(self) -> Snapshot:
        return take_snapshot(current_files(self._path, self._known.paths))

    def _check(self, last: Snapshot | None) -> None:
        if self._snapshot() == self._known and not self._must_report:
            return
        settling = Settling(self._known, time.monotonic(), last)
        while not self._ended.is_set():
            snapshot = self._snapshot()
            verdict = settling.observe(snapshot, time.monotonic())
            if verdict is Verdict.BELIEVE:
                self._report(snapshot)
            if verdict is not Verdict.READ_AGAIN:
                return
            self._ended.wait(REREAD_SECONDS)

    def _report(self, snapshot: Snapshot) -> None:
        is_new = snapshot != self._known
        if not is_new and not self._must_report:
            return
        self._must_report = False
        message = self._parse(snapshot)
        if self._snapshot() != snapshot:
            # It moved while further files were read; this round proves nothing.
            self._dirty.set()
            return
        self._known = snapshot
        self._post(message._replace(is_new=is_new))

    def _parse(self, snapshot: Snapshot) -> SettingsRead:
        content = snapshot.files[0][1]
        if content is None:
            return SettingsRead(None, f"{self._path}: the file is missing or cannot be read")
        try:
            return SettingsRead(parse_settings(content, self._path), None)
        except SettingsError as exc:
            return SettingsRead(None, str(exc))
        except OSError as exc:
            return SettingsRead(None, f"{self._path}: {exc}")

    def _watch_folders(self) -> None:
        """Watch every folder that holds a settings file, or that one is linked from."""
        if self._observer is not None and not self._observer.is_alive():
            self._stop_observer()
        paths = current_files(self._path, self._known.paths)
        wanted = frozenset(folder for p in paths for folder in (p.absolute().parent, p.resolve().parent))
        if self._observer is not None and wanted == self._watched:
            return
        self._stop_observer()
        self._watched = wanted
        self._start_observer(wanted)

    def _start_observer(self, folders: frozenset[Path]) -> None:
        observer = Observer()
        handler = _MarkDirty(self._dirty.set)
        try:
            for folder in sorted(folders):
                observer.schedule(handler, str(folder), recursive=False)
            observer.start()
        except (OSError, RuntimeError) as exc:
            if not self._reported_blind:
                log.warning("Folder not watched, reading it now and then instead: error=%s", exc)
            self._reported_blind = True
            return
        self._reported_blind = False
        self._observer = observer

    def _stop_observer(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            if self._observer.is_alive():
                self._observer.join(timeout=2)
            self._observer = None
