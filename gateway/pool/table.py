"""The status of the pool for a person."""

from __future__ import annotations

from typing import Any

LABELS = {
    "name": "Application pool",
    "state": "State",
    "reason": "Reason",
    "listen": "Listens on",
    "worker_pids": "Worker processes",
    "worker_started_at": "Worker serves since",
    "starting_pids": "Starting processes",
    "leaving_pids": "Leaving processes",
    "spare_pid": "Spare process",
    "limit": "Simultaneous upgrades",
    "revision": "Settings revision",
    "config_error": "Configuration error",
    "changes_not_applied": "Changes not applied",
    "recycles": "Recycles",
    "failures": "Failures",
    "simulator_url": "Simulator",
    "pid": "Supervisor process",
    "uptime_seconds": "Supervisor runs for",
}


def table(status: dict[str, Any]) -> str:
    """Return the status for a person; what is empty is left out."""
    rows = [(label, _shown(key, status.get(key))) for key, label in LABELS.items()]
    if last := status.get("last_recycle"):
        rows += _recycle_rows(last)
    width = max(len(label) for label, _ in rows)
    indent = "\n" + " " * (width + 2)
    return "\n".join(f"{label:<{width}}  {text.replace(chr(10), indent)}" for label, text in rows if text)


def columns(rows: list[dict[str, Any]]) -> str:
    """Return rows, of which there is one at least, below the names of their columns."""
    cells = [[name.upper().replace("_", " ") for name in rows[0]]]
    cells += [["" if value is None else str(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
    return "\n".join(lines)


def _recycle_rows(last: dict[str, Any]) -> list[tuple[str, str]]:
    changes = "\n".join(f"{c['key']}: {c['old']} -> {c['new']}" for c in last["changes"])
    return [("Last recycle", f"{last['at']}, {last['reason']}, {last['seconds']} s"), ("Changed", changes)]


def _shown(key: str, value: object) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if key == "uptime_seconds" and isinstance(value, int | float):
        minutes, seconds = divmod(int(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}"
    return str(value)
