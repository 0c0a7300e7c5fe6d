"""What a worker reads from web.ini: the application, Waitress's adjustments, logging."""

from __future__ import annotations

import base64
import configparser
import importlib
import logging
import logging.config
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from paste.deploy.loadwsgi import APP, ConfigLoader

from gateway.logs import JSONFormatter
from gateway.pool.background import NODE, SETTINGS, VAR
from gateway.pool.protocol import Go


def load_application(go: Go) -> Any:
    """Return the WSGI application; its factory finds what it is handed in its global configuration.

    `loadapp` would give percent signs in it a meaning, the loader under it does not. The settings are packed
    as base64 all the same: they survive whatever is done with a configuration.
    """
    packed = base64.urlsafe_b64encode(go.settings.encode("utf-8")).decode("ascii")
    return ConfigLoader(go.ini).get_app(global_conf={SETTINGS: packed, VAR: go.var, NODE: go.node})


def preload(ini: str) -> None:
    """Import the module of the application's factory, and all modules of the packages in its `PRELOAD`."""
    for name in getattr(_module_of_factory(ini), "PRELOAD", ()):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)


def rehearse(ini: str) -> None:
    """Call `rehearse` of the module of the application's factory, if it has one."""
    getattr(_module_of_factory(ini), "rehearse", lambda: None)()


def _module_of_factory(ini: str) -> ModuleType:
    return sys.modules[ConfigLoader(ini).get_context(APP).object.__module__]


def waitress_adjustments(ini: str) -> dict[str, str]:
    """Return what `[server:main]` says, as texts."""
    return dict(ConfigLoader(ini).server_context().local_conf)


def set_up_logging(ini: str, level: str) -> None:
    """Log as the `[loggers]` section and its like say, with this level for the root; else JSON to stderr."""
    path = Path(ini).absolute()
    here = {"here": str(path.parent), "__file__": str(path)}
    parser = configparser.ConfigParser({key: value.replace("%", "%%") for key, value in here.items()})
    parser.read_string(path.read_text(encoding="utf-8"), str(path))
    if parser.has_section("loggers"):
        logging.config.fileConfig(parser, disable_existing_loggers=False)
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(JSONFormatter())
        logging.basicConfig(handlers=[handler], force=True)
    logging.getLogger().setLevel(level)
