"""A server that answers what a test says, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx2

from gateway.partner_center import Credentials, PartnerCenterClient

CUSTOMER = "0c39d6d5-0000-4000-8000-000000000001"
SUBSCRIPTION = "a4c1340d-0000-4000-8000-000000000020"
REQUEST_ID = "5a1f0000-0000-4000-8000-000000000099"
SECRET = "s3cret-of-the-application"
REFRESH_TOKEN = "0.refresh-token-of-the-user"

Answering = Callable[[httpx2.Request], httpx2.Response]


def credentials(**changes: Any) -> Credentials:
    values: dict[str, Any] = {
        "authority_url": "https://login.example",
        "tenant_id": "partner.example",
        "client_id": "the-application",
        "client_secret": SECRET,
        "base_url": "https://api.example",
    }
    return Credentials(**(values | changes))


class Server:
    """Gives the answers in their order, the last one for ever; tokens come from `on_token`."""

    def __init__(self, *answers: httpx2.Response | Answering | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[httpx2.Request] = []
        self.token_requests: list[httpx2.Request] = []
        self.on_token: Answering = self.give_token
        self._lock = threading.Lock()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/oauth2/v2.0/token"):
            self.token_requests.append(request)
            return self.on_token(request)
        with self._lock:
            self.calls.append(request)
            answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else copied(answer)

    def give_token(self, request: httpx2.Request) -> httpx2.Response:
        return json_answer({"access_token": f"token-{len(self.token_requests)}", "expires_in": 3599})

    @property
    def call(self) -> httpx2.Request:
        """The last call."""
        return self.calls[-1]


def copied(answer: httpx2.Response) -> httpx2.Response:
    """An answer can be read once only; its copy again."""
    return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


def json_answer(body: Any, status: int = 200, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def collection(*members: Any, **more: Any) -> httpx2.Response:
    return json_answer({"totalCount": len(members), "items": list(members), **more})


def fault(status: int, code: Any = None, description: str = "No", **headers: str) -> httpx2.Response:
    return json_answer({"code": code, "description": description, "data": []}, status, **headers)


def client_of(server: Answering, **changes: Any) -> PartnerCenterClient:
    options = {key: changes.pop(key) for key in ("clock", "on_refresh_token") if key in changes}
    return PartnerCenterClient(credentials(**changes), transport=httpx2.MockTransport(server), **options)


def client_answered(*answers: httpx2.Response | Answering | Exception) -> PartnerCenterClient:
    return client_of(Server(*answers))
