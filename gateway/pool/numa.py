"""How many NUMA nodes the machine has: `maxProcesses="0"` asks for a worker on each."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

NODES = Path("/sys/devices/system/node")

if sys.platform == "win32":

    def numa_nodes() -> int:
        highest = ctypes.c_ulong()
        found = ctypes.WinDLL("kernel32").GetNumaHighestNodeNumber(ctypes.byref(highest))
        return highest.value + 1 if found else 1

else:

    def numa_nodes() -> int:
        """Return at least 1, also where the system does not tell."""
        return max(1, sum(1 for _ in NODES.glob("node[0-9]*")))
