"""Stands in for setuptools' `pkg_resources`, of which Pyramid uses no more than these few functions.

The real one reads about every package that is installed and brings a parser along, which is a twelfth of a
worker's start; setuptools has given it up. Pyramid's overriding of files of packages needs more, and we
override none. Where somebody has the real one already, it stays.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


class DefaultProvider:
    """What Pyramid derives its overriding from."""


def resource_filename(package: str, name: str) -> str:
    """Return the path of a file of a package; `name` has slashes, and none in front."""
    module = importlib.import_module(package)
    assert module.__file__ is not None
    return str(Path(module.__file__).parent.joinpath(*name.split("/")))


def resource_exists(package: str, name: str) -> bool:
    return Path(resource_filename(package, name)).exists()


def resource_isdir(package: str, name: str) -> bool:
    return Path(resource_filename(package, name)).is_dir()


sys.modules.setdefault("pkg_resources", sys.modules[__name__])
