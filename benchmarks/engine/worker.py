"""One engine like that of a worker, until its process is ended."""

from __future__ import annotations

import os
import signal
import threading
import time

from benchmarks.engine.operation import Operation
from benchmarks.engine.surroundings import PAUSED, READY, Surroundings
from gateway.db import Database
from gateway.engine import Engine, PartnerCenterClients
from gateway.models import UpgradeStep
from gateway.settings import AppSettings, GatewaySettings

GLANCE = 0.002


def main() -> int:
    told = Surroundings.from_environment()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not (told.folder / READY).exists() or (told.folder / PAUSED).exists():
        if stop.wait(GLANCE):
            return 0
    run(told, stop)
    return 0


def run(told: Surroundings, stop: threading.Event) -> None:
    settings = GatewaySettings(app=AppSettings(max_allowed_nb_of_simultaneous_upgrades=told.slots))
    database = Database(told.database_url)
    clients = PartnerCenterClients(settings)
    operation = Operation(told.log, told.sleep_seconds)
    node = os.environ.get("BENCH_NODE", "node")
    engine = Engine(database, settings, clients, node=node, steps=dict.fromkeys(UpgradeStep, operation))
    engine.start()
    stop.wait()
    engine.hand_over(10)
    engine.close()
    clients.close()
    database.close()
    print(f"cpu {time.process_time():.3f}", flush=True)
