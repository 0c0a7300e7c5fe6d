"""The simulator without a network, and a clock that passes when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from gateway.simulator import ConnectionCutError, Simulator

BASE_URL = "http://simulator.example"


class Clock:
    """Passes when a test says so, and while somebody waits."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Transport(httpx2.WSGITransport):
    """A connection that the simulator cuts looks as it would over a network."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return super().handle_request(request)
        except ConnectionCutError as exc:
            raise httpx2.RemoteProtocolError(
                "Server disconnected without an answer", request=request
            ) from exc


class Control:
    """Tells the simulator what to do, and asks it what happened."""

    def __init__(self, simulator: Simulator) -> None:
        self._http = httpx2.Client(
            transport=httpx2.WSGITransport(app=simulator), base_url=f"{BASE_URL}/_control/"
        )

    def fault(self, action: str, **options: Any) -> None:
        self._http.post("faults", json={"action": action, **options}).raise_for_status()

    def clear_faults(self) -> None:
        self._http.delete("faults").raise_for_status()

    def configure(self, **settings: Any) -> None:
        self._http.post("configure", json=settings).raise_for_status()

    def calls(self, method: str = "POST") -> list[dict[str, Any]]:
        """The journal's entries of that method, without those of signing in."""
        entries = self._http.get("journal").raise_for_status().json()["items"]
        return [entry for entry in entries if entry["method"] == method and entry["kind"] != "token"]

    def transitions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.get("transitions").raise_for_status().json()["items"]
        return found

    def close(self) -> None:
        self._http.close()
