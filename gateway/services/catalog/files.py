"""Catalogs as files: how they are read, and how the simulator gets its copies."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gateway.services.catalog.errors import CatalogError
from gateway.services.catalog.reading import COLLECTIONS

LARGEST_FILE = 2**30
"""Bytes; a million subscriptions take about half of it."""


def read_catalog(path: Path) -> object:
    """Return the JSON document in a file.

    :raises CatalogError: if it cannot be read, is too large or is not JSON
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise CatalogError(f"{path}: {size} bytes, expected at most {LARGEST_FILE}")
        content = path.read_bytes()
    except OSError as exc:
        raise CatalogError(f"{path}: {exc.strerror}, expected a catalog file") from exc
    return parse_catalog(content, str(path))


def parse_catalog(content: bytes, source: str) -> object:
    """Return the JSON document in some bytes of UTF-8.

    :param source: what a message calls it
    :raises CatalogError: if it is not JSON, with line and column, or an object has a key twice
    """
    try:
        return json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as exc:
        raise CatalogError(f"{source}: byte {exc.start} is not UTF-8") from exc
    except json.JSONDecodeError as exc:
        raise CatalogError(f"{source}: line {exc.lineno} column {exc.colno}: not JSON: {exc.msg}") from exc
    except RecursionError as exc:
        raise CatalogError(f"{source}: objects and lists are nested too deeply") from exc
    except ValueError as exc:
        raise CatalogError(f"{source}: {exc}") from exc


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            owner = f" with the id {members['id']!r}" if isinstance(members.get("id"), str) else ""
            raise ValueError(f"an object{owner} has the key {key!r} twice, expected once")
        seen.add(key)
    raise AssertionError("Fewer members than pairs, and yet no key twice")


def _refuse_constant(name: str) -> object:
    raise ValueError(f"found {name}, expected a number")


def keep_for_simulator(document: object, folder: Path) -> Path:
    """Write a catalog into the folder that the simulator reads, and return the file.

    A catalog of the same ids takes the place of the one before it, and moves behind those that were
    written in between. The file appears at once and whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = _identity(document)
    present = sorted(folder.glob("[0-9]*-*.json"))
    earlier = [path for path in present if path.stem.endswith(f"-{digest}")]
    if present and present[-1] in earlier:
        path = present[-1]
    else:
        number = int(present[-1].stem.split("-")[0]) + 1 if present else 1
        path = folder / f"{number:06}-{digest}.json"
    _replace(path, document)
    for old in earlier:
        if old != path:
            old.unlink()
    return path


def _identity(document: object) -> str:
    """A short digest of all ids of a catalog."""
    digest = hashlib.sha256()
    if isinstance(document, Mapping):
        for name in COLLECTIONS:
            ids = sorted(str(entry["id"]) for entry in document.get(name, []))
            digest.update(json.dumps([name, ids]).encode())
    return digest.hexdigest()[:16]


def _replace(path: Path, document: object) -> None:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=".", suffix=".part", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            json.dump(document, file, ensure_ascii=False, separators=(",", ":"))
        except BaseException:
            file.close()
            temporary.unlink()
            raise
    temporary.replace(path)
