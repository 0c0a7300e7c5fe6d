"""How much memory this process uses for itself, and how much the machine has left; in KB."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")

if sys.platform == "win32":
    from ctypes import wintypes

    class _Counters(ctypes.Structure):
        _fields_ = (
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            *((name, ctypes.c_size_t) for name in ("PeakWorkingSetSize", "WorkingSetSize")),
            *((f"Quota{n}", ctypes.c_size_t) for n in range(4)),
            *((name, ctypes.c_size_t) for name in ("PagefileUsage", "PeakPagefileUsage", "PrivateUsage")),
        )

    class _Status(ctypes.Structure):
        _fields_ = (
            ("dwLength", wintypes.DWORD),
            ("dwMemoryLoad", wintypes.DWORD),
            *((name, ctypes.c_ulonglong) for name in ("TotalPhys", "AvailPhys", "TotalPage", "AvailPage")),
            *((name, ctypes.c_ulonglong) for name in ("TotalVirtual", "AvailVirtual", "AvailExtended")),
        )

    def private_memory() -> int | None:
        counters = _Counters()
        counters.cb = ctypes.sizeof(counters)
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        process = wintypes.HANDLE(kernel.GetCurrentProcess())
        found = kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb)
        return counters.PrivateUsage // 1024 if found else None

    def free_memory() -> int | None:
        status = _Status()
        status.dwLength = ctypes.sizeof(status)
        found = ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status))
        return status.AvailPhys // 1024 if found else None

else:

    def private_memory() -> int | None:
        """Return what this process shares with nobody, None where the system does not tell."""
        try:
            _, resident, shared, *_ = Path("/proc/self/statm").read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return None
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") // 1024

    def free_memory() -> int | None:
        """Return what may still be used, by the machine or by the control group, whichever is less."""
        found = [each for each in (_free_of_machine(), _free_of_group()) if each is not None]
        return min(found) if found else None

    def _free_of_machine() -> int | None:
        try:
            lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
        except (OSError, ValueError, StopIteration):
            return None

    def _free_of_group() -> int | None:
        try:
            limit = int((CGROUP / "memory.max").read_text(encoding="ascii"))
            used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        return max(0, limit - used) // 1024
