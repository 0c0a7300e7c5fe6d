"""Files that the pool writes: whole or not at all, and for its owner's eyes only."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

REPLACE_TRIES = 10
REPLACE_PAUSE = 0.05


def private_folder(path: Path) -> Path:
    """Make a folder, if it is missing, that only its owner may enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file at one stroke, with mode 0600; a reader sees the old text or the new one.

    :raises OSError: if it cannot be written
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file at one stroke by one of the same mode; a reader sees the old bytes or the new ones.

    :raises OSError: if it cannot be written
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            temporary.chmod(path.stat().st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _replace(source: Path, target: Path) -> None:
    """Rename over; Windows refuses while somebody reads the target, so a few tries are made."""
    for left in reversed(range(REPLACE_TRIES)):
        try:
            source.replace(target)
        except PermissionError:
            if not left:
                raise
            time.sleep(REPLACE_PAUSE)
        else:
            return
