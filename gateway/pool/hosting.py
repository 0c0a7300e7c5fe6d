"""What a worker reads from web.ini: the application, Waitress's adjustments, logging."""

from __future__ import annotations

import configparser
import logging
import logging.config
from pathlib import Path
from typing import Any

from paste.deploy import loadapp
from paste.deploy.loadwsgi import SERVER, loadcontext

from gateway.logs import JSONFormatter
from gateway.pool.background import SETTINGS


def load_application(ini: str, settings: str) -> Any:
    """Return the WSGI application; its factory finds the packed settings in its global configuration."""
    return loadapp(f"config:{ini}", global_conf={SETTINGS: settings})


def waitress_adjustments(ini: str) -> dict[str, str]:
    """Return what `[server:main]` says, as texts."""
    return dict(loadcontext(SERVER, f"config:{ini}").local_conf)


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
