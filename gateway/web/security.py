"""Who asks, and what that one may do."""

from __future__ import annotations

import enum
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Protocol

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request, RequestLocalCache
from pyramid.security import Allowed, Denied
from sqlalchemy import update

from gateway.db import DATABASE_AWAY, utcnow
from gateway.models import AccountType, APIKey
from gateway.services.api_keys import APIKeys
from gateway.services.branch import make_caller
from gateway.services.caller import Caller
from gateway.services.errors import AccountNotAllowedError
from gateway.web.observing import ACCOUNT
from gateway.web.problems import ProblemError
from gateway.web.registry import DATABASE
from gateway.web.sessions import SessionPolicy, signed_in
from gateway.web.throttle import Throttle

log = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="Office 365 gateway"'
BAD_KEYS_A_MINUTE = 60
NOTED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is; a write for each request would be too dear."""
MOST_KNOWN_KEYS = 1000


class Permission(enum.StrEnum):
    """What a call needs, as `thing:verb`."""

    CATALOG_READ = "catalog:read"
    CATALOG_IMPORT = "catalog:import"
    CATALOG_EDIT = "catalog:edit"
    PLAN_EDIT = "plan:edit"
    ACCOUNT_READ = "account:read"
    ACCOUNT_EDIT = "account:edit"
    SUBSCRIPTION_READ = "subscription:read"
    UPGRADE_READ = "upgrade:read"
    UPGRADE_CREATE = "upgrade:create"
    UPGRADE_CANCEL = "upgrade:cancel"
    UPGRADE_REFRESH = "upgrade:refresh"
    AUDIT_READ = "audit:read"
    ACCESS_READ = "access:read"
    """Users and API keys, as far as they may be shown."""
    USER_MANAGE = "user:manage"
    API_KEY_MANAGE = "api_key:manage"
    CONNECTION_TEST = "connection:test"
    POOL_READ = "pool:read"
    POOL_CONTROL = "pool:control"
    SETTINGS_CHANGE = "settings:change"


READING = frozenset(
    {
        Permission.CATALOG_READ,
        Permission.ACCOUNT_READ,
        Permission.SUBSCRIPTION_READ,
        Permission.UPGRADE_READ,
        Permission.UPGRADE_REFRESH,
        Permission.AUDIT_READ,
        Permission.ACCESS_READ,
    }
)
"""A refresh only has statuses read sooner, so whoever sees them may ask for it."""
UPGRADING = frozenset({Permission.UPGRADE_CREATE, Permission.UPGRADE_CANCEL})
ADMINISTERING = frozenset(
    {Permission.USER_MANAGE, Permission.API_KEY_MANAGE, Permission.PLAN_EDIT, Permission.ACCOUNT_EDIT}
)
"""Of the own account and below it; the services keep everybody within that."""
PROVIDER_READING = frozenset({Permission.POOL_READ})
PROVIDER_UPGRADING = frozenset({Permission.CONNECTION_TEST})
"""It signs in at Microsoft, which is no business of who may only look."""
PROVIDER_ADMINISTERING = frozenset(
    {
        Permission.CATALOG_IMPORT,
        Permission.CATALOG_EDIT,
        Permission.POOL_CONTROL,
        Permission.SETTINGS_CHANGE,
    }
)


def permissions_of(caller: Caller) -> frozenset[Permission]:
    """What the role allows; how far it reaches is the business of the services."""
    permissions = READING | (PROVIDER_READING if caller.is_provider else frozenset())
    if caller.may_upgrade:
        permissions |= UPGRADING | (PROVIDER_UPGRADING if caller.is_provider else frozenset())
    if caller.may_administer:
        permissions |= ADMINISTERING | (PROVIDER_ADMINISTERING if caller.is_provider else frozenset())
    return permissions


class Policy(Protocol):
    """One way to sign in."""

    def identity(self, request: Request) -> Caller | None: ...


class APIKeyPolicy:
    """`Authorization: Bearer KEY`."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._known = KnownKeys()
        self._cache = RequestLocalCache(self._authenticate)

    def identity(self, request: Request) -> Caller | None:
        """:raises ProblemError: if a key was given and is no good, or too many such were"""
        caller: Caller | None = self._cache.get_or_create(request)
        return caller

    def _authenticate(self, request: Request) -> Caller | None:
        scheme, _, text = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        address = request.remote_addr or "unknown"
        if not self._known.has(text) and (seconds := self._throttle.wait(address)):
            raise too_many_attempts(seconds)
        found = _find(request, text.strip())
        if found is None:
            self._known.forget(text)
            self._throttle.record_failure(address)
            log.info("API key refused: address=%s request_id=%s", address, request.request_id)
            raise invalid_api_key()
        self._known.add(text)
        return found


class KnownKeys:
    """Digests of keys that were good not long ago.

    They are let through where another program behind the same address tries bad ones.
    Each is still looked up.
    """

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, text: str) -> bool:
        return _digest(text) in self._digests

    def add(self, text: str) -> None:
        with self._lock:
            self._digests[_digest(text)] = None
            while len(self._digests) > MOST_KNOWN_KEYS:
                self._digests.popitem(last=False)

    def forget(self, text: str) -> None:
        with self._lock:
            self._digests.pop(_digest(text), None)


class SecurityPolicy:
    """Pyramid's policy: picks the way to sign in by the first word of the route's name."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = policies

    def identity(self, request: Request) -> Caller | None:
        route = getattr(request, "matched_route", None)
        policy = self._policies.get(route.name.partition(".")[0]) if route else None
        return policy.identity(request) if policy else None

    def authenticated_userid(self, request: Request) -> str | None:
        caller = self.identity(request)
        return caller.name if caller else None

    def permits(self, request: Request, _context: object, permission: Permission) -> Allowed | Denied:
        caller = self.identity(request)
        if caller is not None and permission in permissions_of(caller):
            return Allowed("the caller's role allows %s", permission)
        return Denied("%s needs another caller", permission)

    def remember(self, _request: Request, _userid: str, **_kw: Any) -> list[tuple[str, str]]:
        return []

    def forget(self, _request: Request, **_kw: Any) -> list[tuple[str, str]]:
        return []


def caller(request: Request) -> Caller:
    """Who asks.

    :raises ProblemError: if nobody signed in
    """
    found: Caller | None = request.identity
    if found is None:
        raise authentication_required()
    return found


def authentication_required() -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "authentication_required",
        "An API key is expected in the header Authorization: Bearer KEY",
        headers={"WWW-Authenticate": CHALLENGE},
    )


def invalid_api_key() -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "invalid_api_key",
        "The API key is unknown or was revoked",
        headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'},
    )


def too_many_attempts(seconds: int) -> ProblemError:
    return ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_attempts",
        f"Too many invalid API keys came from this address; try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )


def _find(request: Request, text: str) -> Caller | None:
    """Look the key up in a transaction of its own, so that a bad one never waits for the write lock."""
    now = utcnow()
    with request.registry[DATABASE].read() as db:
        key = APIKeys(db).authenticate(text)
        if key is None:
            return None
        try:
            name = f"API key {key.prefix} ({key.name})"
            found = make_caller(db, key.account, key.role, name, request.remote_addr)
        except AccountNotAllowedError:
            return None
        stale = key.last_used_at is None or now - key.last_used_at >= NOTED_EVERY
        key_id = key.id
    request.environ[ACCOUNT] = found.account_id
    if stale:
        _note_use(request.registry, key_id)
    return found


def _note_use(registry: Registry, key_id: int) -> None:
    """A busy database is no reason to refuse the request."""
    try:
        with registry[DATABASE].write() as db:
            db.execute(update(APIKey).where(APIKey.id == key_id).values(last_used_at=utcnow()))
    except DATABASE_AWAY:
        log.warning("Use of an API key not noted: key=%s", key_id)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.strip().encode(errors="replace")).digest()


def includeme(config: Configurator) -> None:
    policies: dict[str, Policy] = {
        "api": APIKeyPolicy(Throttle(BAD_KEYS_A_MINUTE)),
        "provider": SessionPolicy(AccountType.PROVIDER),
        "reseller": SessionPolicy(AccountType.RESELLER),
        "session": SessionPolicy(),
    }
    config.set_security_policy(SecurityPolicy(policies))
    config.add_request_method(signed_in, reify=True)
    config.add_request_method(caller, reify=True)
