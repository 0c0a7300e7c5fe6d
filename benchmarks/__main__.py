"""Runs every benchmark: `make bench`."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = ("catalog_import", "panels", "scheduling", "engine", "upgrades", "recycle")


def main() -> int:
    """Return the worst exit code."""
    worst = 0
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        worst = max(
            worst, subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        )
    return worst


if __name__ == "__main__":
    sys.exit(main())
