"""The listening socket: bound by the supervisor, kept for its whole life, lent to workers."""

from __future__ import annotations

import base64
import configparser
import errno
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from gateway.pool.errors import AddressError, AddressTakenError

DEFAULT_LISTEN = "127.0.0.1:8365"
BACKLOG = 1024
RETRY_SECONDS = 0.1


class Address(NamedTuple):
    """Where the pool listens; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self}"


def parse_address(text: str) -> Address:
    """Return the address in `HOST:PORT`, `[IPV6]:PORT` or `*:PORT`.

    :raises AddressError: if it is none of these
    """
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if (
        not colon
        or not host
        or not port.isdecimal()
        or int(port) > 65535
        or (":" in host and "[" not in text)
    ):
        raise AddressError(f"listen: {text!r} is no address, expected HOST:PORT such as {DEFAULT_LISTEN}")
    return Address("0.0.0.0" if host == "*" else host, int(port))  # noqa: S104 -- a star asks for just that.


def configured_address(ini: Path) -> Address:
    """Return the address that `[server:main] listen` of a PasteDeploy file names.

    :raises AddressError: if the file cannot be read or names no single address
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(ini.read_text(encoding="utf-8"), str(ini))
    except (OSError, UnicodeDecodeError, configparser.Error) as exc:
        raise AddressError(f"{ini}: cannot be read: {exc}") from exc
    return parse_address(parser.get("server:main", "listen", fallback=DEFAULT_LISTEN))


def bind(address: Address, patience: float = 0.0) -> socket.socket:
    """Return a listening socket.

    `patience`: seconds to wait for the port; workers of a pool that was killed need a moment to let go of it.

    :raises AddressTakenError: if the address is taken or not of this machine
    """
    give_up_at = time.monotonic() + patience
    while True:
        try:
            return _listen(address)
        except OSError as exc:
            taken = exc.errno in (errno.EADDRINUSE, errno.EACCES) and address.port >= 1024
            if not (taken and time.monotonic() < give_up_at):
                raise AddressTakenError(f"cannot listen on {address}: {exc.strerror or exc}") from exc
        time.sleep(RETRY_SECONDS)


def _listen(address: Address) -> socket.socket:
    family, kind, proto, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, proto)
    try:
        if sys.platform == "win32":
            # SO_REUSEADDR would let a stranger bind the same port there.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(target)
        listener.listen(BACKLOG)
        # Workers share the file description and make it non-blocking, so it is so from the start.
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def bound_address(listener: socket.socket) -> Address:
    """Return where a socket listens, with the port the system chose."""
    host, port = listener.getsockname()[:2]
    return Address(host, port)


def inheritable_fds(listener: socket.socket) -> tuple[int, ...]:
    """Return what `Popen(pass_fds=…)` needs for a child to inherit the socket; nothing on Windows."""
    return () if sys.platform == "win32" else (listener.fileno(),)


def lend(listener: socket.socket, pid: int) -> dict[str, Any]:
    """Return what a running child needs to open the socket, as JSON."""
    if sys.platform == "win32":
        return {"share": base64.b64encode(listener.share(pid)).decode("ascii")}
    return {"fd": listener.fileno()}


def borrow(lent: dict[str, Any]) -> socket.socket:
    """Return, in the child, the socket that `lend` described."""
    if sys.platform == "win32":
        return socket.fromshare(base64.b64decode(lent["share"]))
    os.set_inheritable(lent["fd"], False)
    return socket.socket(fileno=lent["fd"])
