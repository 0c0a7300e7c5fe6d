"""What a worker loads before it serves: all of it is time that a changed limit waits for."""

import subprocess
import sys

import pytest

from gateway.db import Base
from gateway.settings.base import Settings
from gateway.web.api.kinds import APIModel

LOAD = """\
import sys
from pathlib import Path
from gateway.pool.hosting import preload
from gateway.settings import parse_settings
from gateway.web import make_app

preload(sys.argv[1])
app = make_app(parse_settings(b"<configuration />", Path("Settings.config")), var=Path(sys.argv[2]))
print(*sys.modules)
"""

INI = """
[app:main]
use = egg:office365-gateway
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The modules of a process that has the application on SQLite."""
    folder = tmp_path_factory.mktemp("starting")
    ini = folder / "web.ini"
    ini.write_text(INI, encoding="utf-8")
    command = [sys.executable, "-c", LOAD, str(ini), str(folder)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return set(found.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["psycopg", "sqlalchemy.dialects.postgresql", "alembic", "gateway.simulator", "gateway.migrations"],
)
def test_it_does_not_load_what_it_has_no_use_for(loaded, module):
    assert module not in loaded


@pytest.mark.parametrize("module", ["jinja2", "apscheduler", "gateway.web.panels.screens"])
def test_it_has_loaded_what_it_serves_with(loaded, module):
    assert module in loaded


@pytest.mark.parametrize("base", [Base, APIModel, Settings])
def test_annotations_are_no_texts_that_would_be_compiled_once_more(base):
    models = list(base.__subclasses__())
    for model in models:
        models += model.__subclasses__()
        if model.__module__.startswith("gateway."):
            assert "annotations" not in vars(sys.modules[model.__module__]), model.__module__
    assert models


def test_pyramid_finds_our_few_functions_in_place_of_setuptools_package():
    code = (
        "import sys\nimport gateway.web\nassert sys.modules['pkg_resources'] is gateway.web.package_files\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


def test_validators_are_made_in_a_rehearsal_and_not_while_somebody_waits():
    code = (
        "from gateway.web.api.schemas_upgrade import UpgradeBatchRequest\n"
        "from gateway.web.app import rehearse\n"
        "assert not UpgradeBatchRequest.__pydantic_complete__\n"
        "rehearse()\n"
        "assert UpgradeBatchRequest.__pydantic_complete__\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
