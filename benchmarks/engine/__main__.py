from __future__ import annotations

import sys
from importlib import import_module

from gateway.pool.loading import without_collection

ROLES = ("worker", "client")


def main() -> int:
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    with without_collection():  # As a worker of the pool loads.
        # One that follows another that died has no time to load what others need.
        module = import_module(f"benchmarks.engine.{role if role in ROLES else 'report'}")
    return int(module.main())


if __name__ == "__main__":
    sys.exit(main())
