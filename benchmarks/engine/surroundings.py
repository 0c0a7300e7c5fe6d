"""What a benchmark process is told by its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

READY, PAUSED = "ready", "paused"
"""Files in the folder: there is a store; nobody shall work on it yet."""


@dataclass(frozen=True)
class Surroundings:
    folder: Path
    log: Path
    slots: int
    sleep_seconds: float
    dsn: str | None

    @classmethod
    def from_environment(cls) -> Surroundings:
        folder = Path(os.environ["BENCH_DIR"])
        return cls(
            folder,
            Path(os.environ["BENCH_LOG"]),
            int(os.environ.get("BENCH_SLOTS", "10")),
            float(os.environ.get("BENCH_SLEEP_MS", "50")) / 1000,
            os.environ.get("BENCH_PG_DSN") or None,
        )

    @property
    def database_url(self) -> str:
        if self.dsn is None:
            return f"sqlite:///{(self.folder / 'gateway.db').as_posix()}"
        from psycopg.conninfo import conninfo_to_dict  # SQLite needs none of it.

        parts = {key: str(value) for key, value in conninfo_to_dict(self.dsn).items()}
        return URL.create("postgresql+psycopg", query=parts).render_as_string(hide_password=False)
