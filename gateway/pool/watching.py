"""When a changed file may be believed: pure rules, which are told the time and what was read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from xml.parsers import expat

QUIET_SECONDS = 0.15
CAP_SECONDS = 2.0
SETTLE_SECONDS = 2.0
REREAD_SECONDS = 0.1
UNSTABLE_SECONDS = 10.0


class Debounce:
    """A trailing debounce with a cap: due when it has been quiet for a while, or has gone on for too long."""

    def __init__(self, quiet: float = QUIET_SECONDS, cap: float = CAP_SECONDS) -> None:
        self._quiet = quiet
        self._cap = cap
        self._first: float | None = None
        self._last = 0.0

    def touch(self, now: float) -> None:
        """Something happened."""
        self._first = now if self._first is None else self._first
        self._last = now

    def wait(self, now: float) -> float | None:
        """Return the seconds until it is due, 0 if it is, None if nothing happened."""
        if self._first is None:
            return None
        return max(0.0, min(self._last + self._quiet, self._first + self._cap) - now)

    def is_quiet(self, now: float) -> bool:
        """Return whether something happened, and has not for a while."""
        return self._first is not None and now - self._last >= self._quiet

    def clear(self) -> None:
        self._first = None


@dataclass(frozen=True)
class Snapshot:
    """What the settings files held when they were read; None stands for a file that could not be read."""

    files: tuple[tuple[Path, bytes | None], ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path, _ in self.files)

    def content(self, path: Path) -> bytes | None:
        return dict(self.files).get(path)


def take_snapshot(paths: tuple[Path, ...]) -> Snapshot:
    return Snapshot(tuple((path, _read(path)) for path in paths))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        # Missing in the middle of a save, or locked by the editor: who asks decides how long to wait.
        return None


class Verdict(Enum):
    """What to do after a read."""

    READ_AGAIN = "read again"
    BELIEVE = "believe"
    GIVE_UP = "give up"


class Settling:
    """Decides after each read whether the files are at rest.

    Two equal reads in a row are needed, for a writer in place shows mixtures that parse well.
    Files that look unfinished are given `SETTLE_SECONDS` before they are believed.
    """

    def __init__(self, before: Snapshot, now: float, last: Snapshot | None = None) -> None:
        """`last`: what was read some time ago, if nothing has been reported since."""
        self._before = before
        self._started = now
        self._last = last

    def observe(self, snapshot: Snapshot, now: float) -> Verdict:
        stable = snapshot == self._last
        self._last = snapshot
        waited = now - self._started
        if not stable:
            return Verdict.GIVE_UP if waited >= UNSTABLE_SECONDS else Verdict.READ_AGAIN
        if waited >= SETTLE_SECONDS or looks_finished(snapshot, self._before):
            return Verdict.BELIEVE
        return Verdict.READ_AGAIN


def looks_finished(snapshot: Snapshot, before: Snapshot) -> bool:
    """Return whether every file is well-formed; one that was missing before may be missing still."""
    first = snapshot.paths[0]
    for path, content in snapshot.files:
        if content is None:
            if path == first or before.content(path) is not None:
                return False
        elif not is_well_formed(content):
            return False
    return True


class _DoctypeFoundError(Exception):
    pass


def is_well_formed(content: bytes) -> bool:
    """Return whether it is an XML document; one with a DOCTYPE counts, and is refused for that later."""
    parser = expat.ParserCreate()

    def stop(*_: object) -> None:
        raise _DoctypeFoundError

    parser.StartDoctypeDeclHandler = stop
    try:
        parser.Parse(content, True)
    except _DoctypeFoundError:
        return True
    except expat.ExpatError:
        return False
    return True
