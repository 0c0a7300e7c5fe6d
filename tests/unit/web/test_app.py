from __future__ import annotations

import base64
import threading

import pytest
from paste.deploy import loadapp
from webtest import TestApp

from gateway.engine import Engine
from gateway.pool.hosting import rehearse
from gateway.settings import dump_settings
from gateway.web.api.openapi import document_bytes
from tests.unit.web.helpers import make_settings

INI = """
[app:main]
use = egg:office365-gateway
"""

SETTINGS = """<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <appSettings><add key="MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES" value="3" /></appSettings>
</configuration>
"""


@pytest.fixture
def ini(tmp_path):
    path = tmp_path / "web.ini"
    path.write_text(INI, encoding="utf-8")
    return path


@pytest.fixture
def load(ini):
    loaded = []

    def load(**global_config):
        loaded.append(loadapp(f"config:{ini}", global_conf=global_config))
        return loaded[-1].registry

    yield load
    for application in loaded:
        application.registry["gateway.background"].close()
        application.registry["gateway.clients"].close()
        application.registry["gateway.database"].close()


def test_settings_come_from_the_pool(load, tmp_path, sqlite_database_url):
    text = dump_settings(make_settings(database_url=sqlite_database_url))
    packed = base64.urlsafe_b64encode(text.encode()).decode()

    registry = load(gateway_settings=packed, gateway_var=str(tmp_path / "data"), gateway_node="node-7")

    assert registry["gateway.settings"].database_url == sqlite_database_url
    assert registry["gateway.node"] == "node-7"
    assert isinstance(registry["gateway.background"], Engine)
    assert registry["gateway.background"].status()["started"] is False
    assert registry["gateway.readiness"]() == []
    assert registry["gateway.pool_status"] == {}


def test_without_a_pool_they_come_from_the_file_beside_the_ini(load, tmp_path):
    (tmp_path / "Settings.config").write_text(SETTINGS, encoding="utf-8")

    registry = load()

    assert registry["gateway.settings"].app.max_allowed_nb_of_simultaneous_upgrades == 3
    assert str(tmp_path / "var" / "gateway.db") in registry["gateway.settings"].database_url


def test_or_from_the_file_that_the_ini_names(load, ini, tmp_path):
    ini.write_text(INI + "gateway.settings = Other.config\n", encoding="utf-8")
    (tmp_path / "Other.config").write_text(SETTINGS, encoding="utf-8")

    assert load()["gateway.settings"].app.max_allowed_nb_of_simultaneous_upgrades == 3


def test_a_schema_that_is_missing_keeps_it_from_being_ready(load, tmp_path):
    (tmp_path / "Settings.config").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "var").mkdir()

    [problem] = load()["gateway.readiness"]()

    assert problem.startswith("schema: ")


def test_the_application_answers(sqlite_database, router):
    assert TestApp(router).get("/readyz").status_int == 200


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


def test_a_rehearsal_makes_what_is_made_late_and_leaves_nothing(ini, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document_bytes.cache_clear()
    threads = threading.active_count()

    rehearse(str(ini))

    assert document_bytes.cache_info().currsize == 1
    assert list(tmp_path.iterdir()) == [ini]
    assert threading.active_count() == threads
