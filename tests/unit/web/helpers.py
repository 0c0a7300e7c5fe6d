"""A caller that holds every answer against the OpenAPI document, and what stands beside the web."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from webtest import TestApp

from gateway.engine import PartnerCenterClients, Report
from gateway.engine.pauses import Pause
from gateway.settings import GatewaySettings, InstanceSettings
from gateway.web.api.openapi import document

PREFIX = "/api/v1"


class API:
    """Calls the API with a key, or without any."""

    def __init__(self, app: TestApp, key: str | None = None) -> None:
        self.app = app
        self.key = key

    def get(self, path: str, params: Any = None, **headers: str) -> Any:
        response = self.app.get(
            PREFIX + path, params=params, headers=self._headers(headers), expect_errors=True
        )
        return checked("GET", path, response)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        response = self.app.post_json(PREFIX + path, body, headers=self._headers(headers), expect_errors=True)
        return checked("POST", path, response)

    def post_text(self, path: str, text: str | bytes, content_type: str | None = "application/json") -> Any:
        headers = self._headers({})
        if content_type is not None:
            headers["Content-Type"] = content_type
        response = self.app.post(PREFIX + path, text, headers=headers, expect_errors=True)
        return checked("POST", path, response)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self.get(path) if method == "GET" else self.post(path, body)

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if self.key is not None:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        return headers


def checked(method: str, path: str, response: Any) -> Any:
    """Return the response if the document describes it."""
    assert response.headers["X-Request-ID"]
    operation = find_operation(method, path)
    if operation is None:
        validate(response.json, {"$ref": "#/components/schemas/Problem"})
        return response
    described = operation["responses"].get(str(response.status_int))
    assert described, f"{method} {path} answered {response.status_int}, which the document does not know"
    if "$ref" in described:
        described = document()["components"]["responses"][described["$ref"].rpartition("/")[2]]
    assert response.content_type in described["content"]
    validate(response.json, described["content"][response.content_type]["schema"])
    unknown = {"Location", "Retry-After", "WWW-Authenticate", "Idempotency-Replayed"} - {
        *described["headers"]
    }
    assert not unknown & {*response.headers}
    return response


def validate(instance: object, schema: dict[str, Any]) -> None:
    whole = schema | {"components": document()["components"]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(instance)


def find_operation(method: str, path: str) -> dict[str, Any] | None:
    path = path.partition("?")[0]
    for pattern, operations in _patterns():
        if pattern.fullmatch(path) and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]
            return found
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    return [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operations)
        for path, operations in document()["paths"].items()
    ]


@dataclass
class Background:
    """In place of the engine: counts how often it is woken, and says of itself what a test wants."""

    wakes: int = 0
    figures: dict[str, Any] = field(default_factory=lambda: {"limit": 10, "running": 0, "pending": 0})

    def wake(self) -> None:
        self.wakes += 1

    def status(self) -> dict[str, Any]:
        return self.figures


class Clients(PartnerCenterClients):
    """In place of Partner Center, for the few questions that requests ask."""

    def __init__(self, settings: GatewaySettings) -> None:
        super().__init__(settings)
        self.upgrade_targets: dict[str, list[str]] = {}
        self.domains: dict[str, bool | None] = {}
        self.asked: list[tuple[str, str]] = []
        self.troubles: dict[str, tuple[datetime, str]] = {}
        self.reports: dict[str, Report] = {}
        self.told_pauses: dict[str, Pause] = {}

    def ask_upgrade_targets(self, instance_name: str, offer_id: str) -> list[str] | None:
        self.asked.append((instance_name, offer_id))
        return self.upgrade_targets.get(offer_id)

    def try_connection(self, instance_name: str) -> Report:
        return self.reports.get(instance_name) or super().try_connection(instance_name)

    def ask_domain_available(self, instance_name: str, domain: str) -> bool | None:
        """Every domain is available that `domains` says nothing of."""
        self.asked.append((instance_name, domain))
        return self.domains.get(domain, True)

    def trouble(self, instance_name: str) -> tuple[datetime, str] | None:
        return self.troubles.get(instance_name)

    def pause(self, instance_name: str) -> Pause | None:
        return self.told_pauses.get(instance_name)


def make_settings(**values: Any) -> GatewaySettings:
    instance = InstanceSettings(name="Office 365", partner_center_url="simulator", simulated=True)
    return GatewaySettings(**({"application_instances": (instance,)} | values))
