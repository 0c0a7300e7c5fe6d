"""A small WSGI application for the pool to host: it shows what it was handed over, and fails when asked."""

import base64
import json
import os
import time
from pathlib import Path
from urllib.parse import parse_qs

from gateway.settings import restore_settings
from tests.functional.pool.helpers import eventually, is_alive

PIECE = b"x" * 1_000_000


class Background:
    """Claims nothing; writes down when it was started and handed over, to show that two never overlap."""

    def __init__(self, journal: Path, is_stuck: bool) -> None:
        self._journal = journal
        self._is_stuck = is_stuck

    def _note(self, what: str) -> None:
        with self._journal.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {what}\n")

    def start(self) -> None:
        earlier = self._journal.read_text().split() if self._journal.exists() else []
        others = {word for word in earlier if word.isdecimal()} - {str(os.getpid())}
        self._note("start beside another" if self._is_stuck and any(map(is_alive, others)) else "start")

    def stop_claiming(self) -> None:
        pass

    def hand_over(self, timeout: float) -> bool:
        if self._is_stuck:
            return False
        self._note("handed over")
        return True

    def status(self):
        return {"running": 0}

    def wake(self) -> None:
        pass


class Application:
    def __init__(self, settings, folder: Path, var: str) -> None:
        self.settings = settings
        self.folder = folder
        self.var = var
        self.running = 0
        self.leaked: list[bytes] = []
        self.status: dict[str, object] = {}
        self.registry = {
            "gateway.background": Background(folder / "journal.txt", settings.app.upgrade_max_attempts == 97),
            "gateway.readiness": self.problems,
            "gateway.pool_status": self.status,
        }

    def problems(self) -> list[str]:
        return ["never ready"] if self.settings.app.upgrade_max_attempts == 99 else []

    def __call__(self, environ, start_response):
        query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
        path = environ["PATH_INFO"]
        self.running += 1
        time.sleep(float(query.get("sleep", 0)))
        if "until" in query:
            eventually((self.folder / query["until"]).exists, seconds=60)
        body = self.body(path, query)
        self.running -= 1
        length = sum(map(len, body))
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(length))])
        return body

    def body(self, path, query) -> list[bytes]:
        """In pieces."""
        if path == "/pool":
            return [json.dumps(self.status).encode()]
        if path == "/leak":
            self.leaked.append(os.urandom(int(query["size"])))
        if path == "/big":
            pieces, rest = divmod(int(query["size"]), len(PIECE))
            return [PIECE] * pieces + [PIECE[:rest]] * (rest > 0)
        about = {
            "pid": os.getpid(),
            "running": self.running,
            "var": self.var,
            "limit": self.settings.app.max_allowed_nb_of_simultaneous_upgrades,
            "instances": [each.partner_center_url for each in self.settings.application_instances],
        }
        return [json.dumps(about).encode()]


def main(global_config, **_):
    print("a stray print does no harm")  # noqa: T201
    settings = restore_settings(base64.urlsafe_b64decode(global_config["gateway_settings"]).decode())
    if settings.app.upgrade_max_attempts == 98:
        raise RuntimeError("cannot be loaded with these settings")
    return Application(settings, Path(global_config["here"]), global_config["gateway_var"])
