"""The login host: tokens for a partner's application, alone or with a user."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import uuid4

from gateway.simulator.messages import Json, Request, Response, ServiceFaultError, Token
from gateway.simulator.world import World

CLIENT_ID = "simulated-client"
CLIENT_SECRET = "simulated-secret"  # noqa: S105  It opens nothing but the simulator.
REFRESH_TOKEN = "simulated-refresh-token"  # noqa: S105  It opens nothing but the simulator.
AUDIENCE = "https://api.partnercenter.microsoft.com"
RETIRED_AUDIENCE = "https://graph.windows.net"
_KEY = b"simulator"
_HEADER = urlsafe_b64encode(b'{"typ":"JWT","alg":"HS256"}').rstrip(b"=").decode()


class LoginError(Exception):
    """A refusal in the login host's own error shape."""

    def __init__(self, status: int, error: str, code: int, description: str) -> None:
        super().__init__(description)
        self.status, self.error, self.code, self.description = status, error, code, description

    def response(self, world: World, request: Request) -> Response:
        timestamp = world.now().strftime("%Y-%m-%d %H:%M:%SZ")
        trace_id = str(uuid4())
        body = {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.description} Trace ID: {trace_id}",
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": request.correlation_id,
        }
        return Response(self.status, body)


def issue_token_v1(world: World, request: Request) -> Response:
    form = request.form()
    return _issue(world, request, form, form.get("resource", ""), version=1)


def issue_token_v2(world: World, request: Request) -> Response:
    form = request.form()
    scope = next((part for part in form.get("scope", "").split() if "://" in part), "")
    return _issue(world, request, form, scope.rsplit("/", 1)[0] if scope.count("/") > 2 else scope, version=2)


def _issue(world: World, request: Request, form: dict[str, str], audience: str, version: int) -> Response:
    try:
        _check_client(form)
        has_user = _check_grant(form)
        _check_audience(audience, "resource" if version == 1 else "scope")
    except LoginError as exc:
        return exc.response(world, request)
    life = world.configuration.token_life_seconds
    body = _token_body(world, request.params["tenant"], audience, has_user)
    numbers: Json = {"expires_in": life, "ext_expires_in": life}
    if version == 1:
        now = int(world.now().timestamp())
        numbers |= {"expires_on": now + life, "not_before": now - 300}
        body["resource"] = audience
        numbers = {name: str(value) for name, value in numbers.items()}
    return Response(200, body | numbers, {"Cache-Control": "no-store"})


def _check_audience(audience: str, parameter: str) -> None:
    if not audience:
        words = f"The request body must contain the following parameter: '{parameter}'."
        raise LoginError(400, "invalid_request", 900144, words)


def _token_body(world: World, tenant: str, audience: str, has_user: bool) -> Json:
    now = world.now().timestamp()
    claims = {
        "aud": audience,
        "tid": tenant,
        "appid": CLIENT_ID,
        "iat": now,
        "exp": now + world.configuration.token_life_seconds,
        "user": has_user,
        "generation": world.token_generation,
        "jti": str(uuid4()),
    }
    body: Json = {"token_type": "Bearer", "access_token": _sign(claims)}
    if has_user:
        body["scope"] = f"{AUDIENCE}/user_impersonation"
        body["refresh_token"] = _sign({"refresh": tenant, "jti": str(uuid4())})
    return body


def _check_client(form: dict[str, str]) -> None:
    client_id = form.get("client_id", "")
    if client_id != CLIENT_ID:
        description = f"Application with identifier '{client_id}' was not found in the directory."
        raise LoginError(400, "unauthorized_client", 700016, description)
    if form.get("client_secret") != CLIENT_SECRET:
        raise LoginError(401, "invalid_client", 7000215, "Invalid client secret provided.")


def _check_grant(form: dict[str, str]) -> bool:
    """Return whether the grant has a user behind it."""
    grant = form.get("grant_type", "")
    if grant == "client_credentials":
        return False
    if grant != "refresh_token":
        raise LoginError(
            400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
        )
    token = form.get("refresh_token", "")
    if token != REFRESH_TOKEN and "refresh" not in (_verify(token) or {}):
        raise LoginError(400, "invalid_grant", 700082, "The refresh token has expired due to inactivity.")
    return True


def authenticate(world: World, request: Request) -> Token:
    """Return who calls.

    :raises ServiceFaultError: 401 without a token that is valid now
    """
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    claims = _verify(text.strip()) if scheme.lower() == "bearer" else None
    if claims is None or "aud" not in claims:
        raise ServiceFaultError(401, 800001, "Partner token missing in request context")
    if str(claims["aud"]).startswith(RETIRED_AUDIENCE):
        raise ServiceFaultError(401, 900420, "The token audience is no longer supported")
    if claims["exp"] <= world.now().timestamp() or claims["generation"] != world.token_generation:
        raise ServiceFaultError(401, 400, "Access denied: the token has expired")
    return Token(str(claims["tid"]), bool(claims["user"]))


def need_user(request: Request) -> None:
    """:raises ServiceFaultError: 403/900329 if the application calls for itself"""
    if not request.token.has_user:
        raise ServiceFaultError(403, 900329, "The resource does not support application-only authentication")


def _sign(claims: dict[str, Any]) -> str:
    payload = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{_HEADER}.{payload}.{_signature(payload)}"


def _signature(payload: str) -> str:
    return urlsafe_b64encode(hmac.digest(_KEY, payload.encode(), sha256)).rstrip(b"=").decode()


@lru_cache(maxsize=1_000)
def _verify(token: str) -> dict[str, Any] | None:
    parts = token.split(".")
    if (
        len(parts) != 3
        or not parts[1].isascii()
        or not hmac.compare_digest(_signature(parts[1]).encode(), parts[2].encode())
    ):
        return None
    claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    return claims if isinstance(claims, dict) else None
