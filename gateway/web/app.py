"""Makes the WSGI application out of settings: a list of what belongs to it."""

from __future__ import annotations

import base64
import platform
from collections.abc import Mapping
from pathlib import Path

from pyramid.config import Configurator
from pyramid.router import Router

from gateway.db import Database
from gateway.engine import Engine, PartnerCenterClients
from gateway.settings import (
    GatewaySettings,
    load_settings,
    parse_settings,
    restore_settings,
    with_data_folder,
)
from gateway.web.api.openapi import document_bytes
from gateway.web.pool_start import record_start
from gateway.web.registry import (
    BACKGROUND,
    CLIENTS,
    DATABASE,
    METHODS,
    NODE,
    POOL_DESK,
    POOL_STATUS,
    SERVING,
    SETTINGS,
    SIMULATOR_CATALOG,
    Background,
)

PRELOAD = ("gateway.web",)
"""Packages that a spare worker imports while it waits, to serve the sooner."""

SETTINGS_FILE = "Settings.config"
SIMULATOR_FOLDER = Path("simulator", "catalog")
"""Where in its data folder the pool's simulator looks for catalogs."""


def main(global_config: Mapping[str, str], **ini_settings: str) -> Router:
    """What PasteDeploy calls.

    Started by the pool, the settings come in `global_config["gateway_settings"]`: base64 of what
    `dump_settings` wrote. Otherwise they are read from the file that `gateway.settings` of the ini names, or
    from the Settings.config beside the ini. `gateway_var` is the data folder, `gateway_node` this machine.
    """
    var = Path(global_config.get("gateway_var") or Path(global_config.get("here", "."), "var"))
    settings = with_data_folder(_settings(global_config, ini_settings), var)
    return make_app(settings, var=var, node=global_config.get("gateway_node") or platform.node())


def make_app(
    settings: GatewaySettings,
    *,
    database: Database | None = None,
    var: Path | None = None,
    node: str = "node",
    background: Background | None = None,
    clients: PartnerCenterClients | None = None,
) -> Router:
    """Return the application; what it has is found in its registry.

    :param var: data folder of the pool
    :param node: name of this machine, the same after each start
    :param background: instead of the engine, which is made and not started; the worker does that
    :param clients: instead of those of Partner Center
    """
    database = database or Database(settings.database_url)
    clients = clients or PartnerCenterClients(settings)
    config = Configurator(settings={}, introspection=False)  # Nobody asks what was configured.
    config.registry.update(
        {
            SETTINGS: settings,
            DATABASE: database,
            CLIENTS: clients,
            BACKGROUND: background or Engine(database, settings, clients, node=node),
            NODE: node,
            POOL_STATUS: {},
            POOL_DESK: None,
            METHODS: {},
            SIMULATOR_CATALOG: var / SIMULATOR_FOLDER if var else None,
        }
    )
    registry = config.registry
    registry[SERVING] = lambda: record_start(database, registry[POOL_STATUS], node)
    config.include("gateway.web.observing")
    config.include("gateway.web.transactions")
    config.include("gateway.web.security")
    config.include("gateway.web.errors")
    config.include("gateway.web.views")
    config.include("gateway.web.pages")
    config.include("gateway.web.monitoring")
    config.include("gateway.web.api")
    config.include("gateway.web.panels")
    return config.make_wsgi_app()


def rehearse() -> None:
    """Make an application and throw it away: the next one in this process takes half of the time.

    Validators are made then, and what is imported late is there. Nothing is opened and nothing is sent.
    """
    document_bytes()
    settings = parse_settings(b"<configuration />", Path(SETTINGS_FILE))
    registry = make_app(settings).registry
    for name in (BACKGROUND, CLIENTS, DATABASE):
        registry[name].close()


def _settings(global_config: Mapping[str, str], ini_settings: Mapping[str, str]) -> GatewaySettings:
    packed = global_config.get("gateway_settings")
    if packed:
        return restore_settings(base64.urlsafe_b64decode(packed).decode())
    here = Path(global_config.get("here", "."))
    return load_settings(here / ini_settings.get("gateway.settings", SETTINGS_FILE))
