"""Locks of a data folder, which the system takes back when their holder dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gateway.pool.errors import PoolRunningError

if sys.platform == "win32":
    import msvcrt

    # A locked byte cannot be read by others there, so the byte lies behind the process id.
    LOCKED_BYTE = 1 << 30

    def _try_lock(fd: int) -> None:
        os.lseek(fd, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)

else:
    import fcntl

    def _try_lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Held by one process at a time; its content, the holder's process id, is for messages only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def try_acquire(self) -> bool:
        """Return whether this process holds it now."""
        if self._fd is not None:
            return True
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _try_lock(fd)
        except OSError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.write(fd, str(os.getpid()).encode("ascii"))
        self._fd = fd
        return True

    def holder(self) -> str:
        """Return the process id that the last holder wrote."""
        return self.path.read_text(encoding="ascii", errors="replace").strip()[:20] or "unknown"

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def hold_pool_lock(var: Path) -> FileLock:
    """Return the lock of a data folder, held.

    :raises PoolRunningError: if another pool holds it
    """
    lock = FileLock(var / "pool.lock")
    if not lock.try_acquire():
        raise PoolRunningError(
            f"another pool keeps {var}: process {lock.holder()}; stop it or choose another --var"
        )
    return lock


def work_lock(var: Path, number: int) -> FileLock:
    """Return the lock that a worker of this number holds while background work may be in flight.

    So work of a worker and of its successor never overlaps, also when one was orphaned, or did not hand over
    in time.
    """
    return FileLock(var / ("work.lock" if number == 1 else f"work-{number}.lock"))
