"""Takes something out of a module, one thing after the other, and tells what no test notices.

    python -m tests.mutation gateway/engine/submitting.py tests/unit/engine/test_unknown_outcomes.py

Everything after the module is for pytest. `--every N` tries only each N-th change. It works on a copy.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.mutation.operators import Mutant, mutants_of, mutated

PATIENCE = 600.0
"""Seconds that the tests may take."""

SLOWEST = 10.0
"""Times that they may take of what they took with nothing changed: who comes to no end is noticed, too."""

NEEDED = ("gateway", "tests", "app_pool.py", "pyproject.toml", "web.ini", "Settings.config")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("module", type=Path)
    parser.add_argument("--every", type=int, default=1)
    asked, for_pytest = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="gateway-mutation-") as folder:
        copy = _copy(Path(folder))
        began = time.monotonic()
        if not _passes(copy, for_pytest, PATIENCE):
            sys.exit("The tests must pass before anything is changed")
        patience = SLOWEST * (time.monotonic() - began)
        counts = Counter(
            _try(copy, asked.module, mutant, for_pytest, patience)
            for mutant in mutants_of(asked.module.read_text("utf-8"))[:: asked.every]
        )
    print(", ".join(f"{number} {answer}" for answer, number in counts.items()))  # noqa: T201


def _copy(folder: Path) -> Path:
    for name in NEEDED:
        if Path(name).is_dir():
            shutil.copytree(name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(name, folder / name)
    return folder


def _try(copy: Path, module: Path, mutant: Mutant, for_pytest: list[str], patience: float) -> str:
    source = module.read_text("utf-8")
    (copy / module).write_text(ast.unparse(mutated(source, mutant.number)), "utf-8")
    try:
        if not _passes(copy, for_pytest, patience):
            return "killed"
    finally:
        (copy / module).write_text(source, "utf-8")
    print(f"{module}:{mutant.lines[0]}: {mutant.words}", flush=True)  # noqa: T201
    return "survived"


def _passes(copy: Path, for_pytest: list[str], patience: float) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *for_pytest]
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    main()
