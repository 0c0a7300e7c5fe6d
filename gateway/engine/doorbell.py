"""Wakes the engines of other processes of this machine that share a SQLite file.

Each engine listens on a port of the loopback and leaves a file named `PORT-WORD` beside the database; whoever
has changed something sends the word to every port it finds there. Nothing else is said, and nothing is lost
with a word that is: every engine also looks around by itself, only less often.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
STALE = 86_400.0
"""Seconds after which a file counts as left by a process that died."""


class Doorbell:
    """The bells of one SQLite file. One may ring without listening."""

    def __init__(self, database: Path) -> None:
        self._folder = database.with_name(f"{database.name}-bells")
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sender.setblocking(False)
        self._own: Path | None = None
        self._receiver: socket.socket | None = None
        self._closing = threading.Event()

    @property
    def is_heard(self) -> bool:
        return self._receiver is not None

    def listen(self, on_ring: Callable[[], None]) -> None:
        """Call `on_ring`, from a thread of its own, whenever somebody else rings."""
        if self._receiver is not None:
            return
        word = secrets.token_hex(8)
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            receiver.bind((HOST, 0))
            self._folder.mkdir(exist_ok=True)
            self._forget_the_dead()
            self._own = self._folder / f"{receiver.getsockname()[1]}-{word}"
            self._own.touch()
        except OSError as exc:
            receiver.close()
            log.warning("Engine has no doorbell and looks around more often: error=%s", exc)
            return
        self._receiver = receiver
        threading.Thread(
            target=self._hear, args=(receiver, word.encode(), on_ring), name="engine-doorbell", daemon=True
        ).start()

    def keep(self) -> None:
        """Say that this process is alive, for those who clear up."""
        if self._own is not None:
            self._own.touch()

    def ring(self) -> None:
        """Wake all others; those that do not exist any more do not mind."""
        try:
            bells = [path.name for path in self._folder.iterdir() if path != self._own]
        except OSError:
            return  # Nobody has ever listened.
        for name in bells:
            port, _, word = name.partition("-")
            try:
                self._sender.sendto(word.encode(), (HOST, int(port)))
            except (OSError, ValueError):
                log.debug("Nobody hears this bell: name=%s", name)

    def close(self) -> None:
        if self._own is not None:
            self._own.unlink(missing_ok=True)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            self._closing.set()
            self._sender.sendto(b"", receiver.getsockname())  # It ends the wait of the thread.
        self._sender.close()

    def _forget_the_dead(self) -> None:
        for path in self._folder.iterdir():
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink(missing_ok=True)

    def _hear(self, receiver: socket.socket, word: bytes, on_ring: Callable[[], None]) -> None:
        with receiver:
            while not self._closing.is_set():
                if receiver.recv(64) == word:
                    on_ring()
