from __future__ import annotations

import sys

from benchmarks.engine import client, report, worker

COMMANDS = {"worker": worker.main, "client": client.main}


def main() -> int:
    return COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else "", report.main)()


if __name__ == "__main__":
    sys.exit(main())
