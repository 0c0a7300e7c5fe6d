"""How supervisor and worker talk: JSON objects, one a line, over the worker's stdin and stdout."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

CHUNK = 65536


class Go(NamedTuple):
    """The first line: everything a worker needs, so that it reads no settings file itself."""

    settings: str
    """What `dump_settings` made of the values to run with."""
    ini: str
    listener: dict[str, Any]
    """What `listener.lend` returned."""
    pool: str
    """Name of the pool."""
    var: str
    """Data folder of the pool."""
    number: int
    """Which of the workers that serve at the same time it is, from 1 on."""
    node: str
    """Name of this worker among all that share a database, the same for each that has this number here."""
    probe_secret: str
    status: dict[str, Any]
    """Status of the pool, as in a `pool` command."""

    @classmethod
    def from_command(cls, command: dict[str, Any]) -> Go:
        return cls(**{key: value for key, value in command.items() if key != "cmd"})


class Warm(NamedTuple):
    """What a spare worker is told before anything else: import what this file's application needs."""

    ini: str
    is_urgent: bool
    """Whether it is about to be needed; else there is time for more than that, and to let others go first."""


def to_line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, default=str).encode("utf-8") + b"\n"


def from_line(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line, None if it is none."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def read_lines(fd: int) -> Iterator[dict[str, Any]]:
    """Yield what comes from a descriptor until its other end is closed.

    It is read past Python's buffered streams, whose locks cannot be taken at interpreter shutdown.
    """
    pending = b""
    while chunk := _read(fd):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if (content := from_line(line)) is not None:
                yield content
            elif line.strip():
                log.warning("Line not understood: length=%s", len(line))


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, CHUNK)
    except OSError:
        return b""
