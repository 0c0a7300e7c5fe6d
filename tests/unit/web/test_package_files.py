"""What Pyramid asks of the files of a package."""

import importlib
import sys
import types
from pathlib import Path

import pytest

import gateway.web
from gateway.web import package_files


def test_a_file_is_found_beside_its_package():
    found = package_files.resource_filename("gateway.web", "static/gateway.css")

    assert Path(found) == Path(gateway.web.__file__).parent / "static" / "gateway.css"


def test_without_a_name_it_is_the_folder_of_the_package():
    assert package_files.resource_filename("gateway.web", "") == str(Path(gateway.web.__file__).parent)


@pytest.mark.parametrize(
    ("name", "exists", "is_folder"),
    [("static/gateway.css", True, False), ("static", True, True), ("static/other.css", False, False)],
)
def test_files_and_folders_are_told_apart(name, exists, is_folder):
    assert package_files.resource_exists("gateway.web", name) is exists
    assert package_files.resource_isdir("gateway.web", name) is is_folder


def test_the_package_of_setuptools_stays_where_somebody_has_it(monkeypatch):
    real = types.ModuleType("pkg_resources")
    monkeypatch.setitem(sys.modules, "pkg_resources", real)

    importlib.reload(package_files)

    assert sys.modules["pkg_resources"] is real
