"""The control channel as a command line sees it: verbs to the running pool of the same user."""

from __future__ import annotations

import json
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

from gateway.pool.errors import PoolError, PoolNotRunningError

MAX_MESSAGE = 1 << 20
ENDED = "the pool ended before it answered"
FAMILY = "AF_PIPE" if sys.platform == "win32" else "AF_UNIX"


class ControlFiles:
    """Where a data folder keeps what a command line needs to find its pool."""

    def __init__(self, var: Path) -> None:
        self.pool = var / "pool.json"
        self.key = var / "control.key"
        self.socket = var / "control.sock"


def ask(var: Path, command: str, **arguments: Any) -> dict[str, Any]:
    """Return the answer of the pool that keeps this data folder.

    :raises PoolNotRunningError: if there is none
    :raises PoolError: if it ends before it answers
    """
    answer = ask_briefly(var, command, None, **arguments)
    assert answer is not None
    return answer


def ask_briefly(var: Path, command: str, seconds: float | None, **arguments: Any) -> dict[str, Any] | None:
    """Return the answer, or None if it has not come after so many seconds; the pool goes on all the same.

    :raises PoolError: as `ask` does
    """
    try:
        address = json.loads(ControlFiles(var).pool.read_text(encoding="utf-8"))["control"]
        connection = Client(address, FAMILY, authkey=control_key(var).encode("ascii"))
    except PermissionError as exc:
        raise PoolError(f"{var}: only the user who runs the pool may command it") from exc
    except (OSError, ValueError, KeyError, EOFError, AuthenticationError) as exc:
        raise PoolNotRunningError(f"no pool runs with the data folder {var}") from exc
    with connection:
        try:
            connection.send_bytes(json.dumps({"command": command, "arguments": arguments}).encode("utf-8"))
            if not connection.poll(seconds):
                return None
            answer: dict[str, Any] = json.loads(connection.recv_bytes(MAX_MESSAGE))
        except (OSError, EOFError, ValueError) as exc:
            raise PoolError(ENDED) from exc
    return answer


def control_key(var: Path) -> str:
    """Return the secret of the pool that runs: another one after each start of the supervisor.

    :raises OSError: if it cannot be read, which only the user of the pool can
    """
    return ControlFiles(var).key.read_text(encoding="utf-8")


def was_left_behind(var: Path) -> bool:
    """Return whether a pool ended here without cleaning up: its workers may need a moment to follow."""
    return ControlFiles(var).pool.exists()
