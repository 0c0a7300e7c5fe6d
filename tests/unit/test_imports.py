"""Imports point one way: what a package may use of the gateway is written here, and nowhere else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LEAVES = {"errors", "logs"}
"""Modules without a subject of their own, open to all but the two machines at the edge."""

MAY_IMPORT = {
    "errors": set(),
    "logs": set(),
    "db": {"errors"},
    "statements": {"db"},
    "settings": LEAVES,
    "schema": {"db"},
    "migrations": {"schema", "db", "errors"},
    "models": {"db"},
    "partner_center": set(),
    "simulator": set(),  # Code shared with the client would share its mistakes.
    "services": {"models", "partner_center", "db", "statements"} | LEAVES,
    "engine": {"services", "models", "partner_center", "settings", "db", "statements"} | LEAVES,
    "web": {"services", "models", "engine", "settings", "db", "schema"} | LEAVES,
    "pool": {"settings"} | LEAVES,
}

HEAVY = {"pyramid", "sqlalchemy", "alembic", "apscheduler"}
"""What the supervisor must not load: it stays small and starts at once."""


def packages() -> list[str]:
    return sorted(
        p.stem for p in (ROOT / "gateway").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    )


def imported_modules(path: Path) -> set[str]:
    """The absolute name of every module that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules_of(package: str) -> list[Path]:
    folder = ROOT / "gateway" / package
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


@pytest.mark.parametrize("package", [p for p in packages() if p not in ("__init__", "cli")])
def test_a_package_imports_only_what_it_may(package):
    allowed = MAY_IMPORT[package] | {package}
    for path in modules_of(package):
        used = {n.split(".")[1] for n in imported_modules(path) if n.startswith("gateway.")} - {"__version__"}
        assert used <= allowed, f"{path.relative_to(ROOT)} imports {sorted(used - allowed)}"


@pytest.mark.parametrize("package", ["pool", "settings", "errors", "logs"])
def test_the_supervisor_stays_light(package):
    for path in modules_of(package):
        used = {n.split(".")[0] for n in imported_modules(path)}
        assert not used & HEAVY, f"{path.relative_to(ROOT)} imports {sorted(used & HEAVY)}"
