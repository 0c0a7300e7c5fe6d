"""The control channel as the supervisor sees it: requests in, answers out."""

from __future__ import annotations

import json
import logging
import os
import queue
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

from gateway.pool.control import ENDED, FAMILY, MAX_MESSAGE, ControlFiles
from gateway.pool.files import write_private
from gateway.pool.messages import ControlRequest

log = logging.getLogger(__name__)

LONGEST_SOCKET_PATH = 100
"""The system allows 108 bytes, or 104 on some."""


class ControlServer:
    """Accepts connections, each in a thread of its own, and posts what they ask for.

    Who may read the key file may give commands; the socket lies in a folder that only its owner may enter.
    """

    def __init__(self, var: Path, about: dict[str, Any], post: Callable[[ControlRequest], None]) -> None:
        self._files = ControlFiles(var)
        self._post = post
        self._key = secrets.token_hex(32)
        self._folder: Path | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._unanswered: dict[threading.Thread, queue.SimpleQueue[dict[str, Any]]] = {}
        address = self._address(var)
        write_private(self._files.key, self._key)
        self._listener = Listener(address, FAMILY, backlog=16)
        write_private(self._files.pool, json.dumps({**about, "pid": os.getpid(), "control": address}))
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Accept no more, and take back what was put on the disk."""
        if self._ended:
            return
        self._ended = True
        self._files.pool.unlink(missing_ok=True)
        try:
            # The accepting thread sleeps in the system; a connection wakes it.
            Client(self._listener.address, FAMILY).close()
        except OSError as exc:
            log.debug("Control channel was closed already: error=%s", exc)
        self._thread.join(timeout=2)
        self._listener.close()
        with self._lock:
            unanswered = dict(self._unanswered)
        for thread, answers in unanswered.items():
            answers.put({"ok": False, "problem": ENDED})
            thread.join(timeout=1)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _address(self, var: Path) -> str:
        if FAMILY == "AF_PIPE":
            return rf"\\.\pipe\gateway-pool-{secrets.token_hex(8)}"
        path = self._files.socket.absolute()
        if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
            self._folder = Path(tempfile.mkdtemp(prefix="gateway-pool-"))
            path = self._folder / "control.sock"
        # The lock of the folder is held, so this can only be left over from a pool that was killed.
        path.unlink(missing_ok=True)
        return str(path)

    def _accept(self) -> None:
        while not self._ended:
            try:
                connection = self._listener.accept()
            except OSError as exc:
                log.debug("Control connection not accepted: error=%s", exc)
                continue
            threading.Thread(
                target=self._serve, args=(connection,), name="control-request", daemon=True
            ).start()

    def _serve(self, connection: Connection) -> None:
        with connection:
            try:
                key = self._key.encode("ascii")
                deliver_challenge(connection, key)
                answer_challenge(connection, key)
                content = json.loads(connection.recv_bytes(MAX_MESSAGE))
                answers = self._expect_answer()
                self._post(ControlRequest(content["command"], content.get("arguments", {}), answers.put))
                connection.send_bytes(json.dumps(answers.get(), default=str).encode("utf-8"))
            except (OSError, EOFError, AuthenticationError, ValueError, KeyError, TypeError) as exc:
                log.debug("Control request not answered: error=%s", exc)
            finally:
                with self._lock:
                    self._unanswered.pop(threading.current_thread(), None)

    def _expect_answer(self) -> queue.SimpleQueue[dict[str, Any]]:
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._unanswered[threading.current_thread()] = answers
        return answers
