"""One pool for one data folder: a lock that the system takes back when its holder dies."""

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


class PoolLock:
    """Holds `pool.lock`; its content, the holder's process id, is for the message only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """:raises PoolRunningError: if another process holds it"""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _try_lock(fd)
        except OSError as exc:
            holder = os.read(fd, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise PoolRunningError(
                f"another pool keeps {self._path.parent}: process {holder}; stop it or choose another --var"
            ) from exc
        os.ftruncate(fd, 0)
        os.write(fd, str(os.getpid()).encode("ascii"))
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
