"""How quickly a batch runs through the whole gateway, beside what the limit and Microsoft's time allow.

    python -m benchmarks.upgrades [--upgrades 300] [--latency 2]

Real processes: pool, worker, simulator. The ideal is upgrades / limit * latency, with no slot ever idle.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.catalogs import STANDARD, catalog, many
from tests.databases import sqlite_url
from tests.functional.site import API, Simulator, Site, wait_until

LIMITS = (10, 25, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrades", type=int, default=300)
    parser.add_argument("--latency", type=float, default=2.0, help="seconds that Microsoft takes for one")
    asked = parser.parse_args()
    for limit in LIMITS:
        _measure(asked.upgrades, limit, asked.latency)
    _measure_settings_change()


def _measure(upgrades: int, limit: int, latency: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        site, api, simulator = _open(Path(name), upgrades, limit, latency)
        began = time.monotonic()
        batch = api.schedule([s["id"] for s in many(upgrades)], STANDARD)
        scheduled = time.monotonic() - began
        ended = api.wait_for_end(batch["id"], within=600)
        seconds, ideal = time.monotonic() - began, upgrades / limit * latency
        stats = simulator.stats()
        print(
            f"{upgrades} upgrades of {latency:g} s, limit {limit}: {seconds:.1f} s, ideal {ideal:.1f} s"
            f" ({ideal / seconds:.0%}); accepted in {scheduled:.2f} s; at Microsoft {stats['transitions']}"
            f" transitions, at most {stats['max_running']} at once; {dict(ended)}",
            flush=True,
        )
        _close(site, api, simulator)


def _measure_settings_change() -> None:
    """From the saved file to the moment at which Microsoft sees more upgrades than the old limit allowed."""
    with tempfile.TemporaryDirectory() as name:
        site, api, simulator = _open(Path(name), 200, 5, 30.0)
        api.schedule([s["id"] for s in many(200)], STANDARD)
        wait_until(lambda: simulator.stats()["running"] == 5, within=30, what="5 upgrades at once")
        began = time.monotonic()
        site.save_settings(MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES="20")
        wait_until(lambda: simulator.stats()["running"] > 5, within=30, what="the new limit")
        print(
            f"Settings.config saved, first upgrade under the new limit after {time.monotonic() - began:.2f} s"
        )
        _close(site, api, simulator)


def _open(folder: Path, upgrades: int, limit: int, latency: float) -> tuple[Site, API, Simulator]:
    site = Site(
        folder,
        sqlite_url(folder / "gateway.db"),
        MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES=str(limit),
        SIMULATOR_LATENCY_SECONDS=str(latency),
        UPGRADE_POLL_INTERVAL_SECONDS="0.25",
    )
    key = site.install(catalog(*many(upgrades)))
    site.start()
    return site, site.api(key), site.simulator()


def _close(site: Site, api: API, simulator: Simulator) -> None:
    api.close()
    simulator.close()
    site.close()


if __name__ == "__main__":
    main()
