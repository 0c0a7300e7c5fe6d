"""From a command line to a running supervisor."""

from __future__ import annotations

import logging
from pathlib import Path

from gateway.logs import ConsoleFormatter
from gateway.pool.control import was_left_behind
from gateway.pool.errors import PoolRefusedError
from gateway.pool.files import private_folder
from gateway.pool.listener import bind, configured_address, parse_address
from gateway.pool.lock import hold_pool_lock
from gateway.pool.service_manager import ServiceManager
from gateway.pool.supervisor import Options, Supervisor
from gateway.pool.watcher import current_files
from gateway.pool.watching import take_snapshot
from gateway.settings import SettingsError, load_settings

LET_GO_SECONDS = 10.0
"""How long a new pool waits for the port while workers of one that was killed are leaving."""


def run_pool(config: Path, var: Path, ini: Path, listen: str | None) -> int:
    """Run the pool until it is told to end; return the exit code.

    :raises PoolRefusedError: if the settings or the address are not valid
    :raises PoolError: if the folder or the address is taken
    """
    # Read before the settings, so that a change in between is seen.
    known = take_snapshot(current_files(config.absolute()))  # As the watcher names them.
    try:
        settings = load_settings(config)
    except SettingsError as exc:
        raise PoolRefusedError(str(exc)) from exc
    address = parse_address(listen) if listen else configured_address(ini)
    set_up_logging(settings.app.log_level)
    options = Options(config=config.absolute(), ini=ini.absolute(), var=private_folder(var))
    lock = hold_pool_lock(options.var)
    try:
        listener = bind(address, patience=LET_GO_SECONDS if was_left_behind(options.var) else 0.0)
        return Supervisor(options, listener, settings, known, ServiceManager.of_environment()).run()
    finally:
        lock.release()


def set_up_logging(level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(ConsoleFormatter())
    logging.basicConfig(handlers=[handler], level=level)
    # It complains about events that come while it stops; whether it lives is looked at by the watcher.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
