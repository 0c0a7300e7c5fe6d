"""Signing in to the control panels by cookie, and the token that each of their forms carries."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy.orm import Session

from gateway.db import utcnow
from gateway.models import AccountType
from gateway.services.caller import Caller
from gateway.services.sessions import LIFETIME, Sessions, SessionUser
from gateway.web.observing import ACCOUNT
from gateway.web.registry import DATABASE
from gateway.web.transactions import READING

SESSION_COOKIE = "gateway_session"
FORM_COOKIE = "gateway_form"
"""Stands in for the session while nobody is signed in, so that the sign-in form has a token too."""
CSRF_FIELD = "csrf"


@dataclass(frozen=True, kw_only=True)
class SignedIn(SessionUser):
    """A person at a browser."""

    token: str = field(repr=False)

    @property
    def area(self) -> str:
        """The first word of the routes of the panel that belongs to the account."""
        return "provider" if self.caller.is_provider else "reseller"


class SessionPolicy:
    """The session cookie; of the panels each lets in only accounts of its own type."""

    def __init__(self, account_type: AccountType | None = None) -> None:
        """:param account_type: None lets everybody in who is signed in"""
        self._account_type = account_type

    def identity(self, request: Request) -> Caller | None:
        found: SignedIn | None = request.signed_in
        if found is None or self._account_type not in (None, found.caller.account_type):
            return None
        return found.caller


def signed_in(request: Request) -> SignedIn | None:
    """Who sits at the browser, looked up once in a request."""
    token = request.cookies.get(SESSION_COOKIE)
    if not token:
        return None
    with _reading(request) as db:
        found = Sessions(db).find(token, utcnow(), request.remote_addr)
    if found is None:
        return None
    request.environ[ACCOUNT] = found.caller.account_id
    return SignedIn(**vars(found), token=token)


@contextmanager
def _reading(request: Request) -> Iterator[Session]:
    """The transaction of a request that only reads; one that writes does not begin before this has ended."""
    if request.method in READING:
        yield request.db
    else:
        with request.registry[DATABASE].read() as db:
            yield db


def set_session(request: Request, response: Response, token: str) -> None:
    set_cookie(request, response, SESSION_COOKIE, token, int(LIFETIME.total_seconds()))
    response.delete_cookie(FORM_COOKIE)


def forget_session(response: Response) -> None:
    response.delete_cookie(SESSION_COOKIE)


def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int | None) -> None:
    """No script reads it, no other site sends it, and behind TLS it never travels in the clear."""
    secure = request.scheme == "https"
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="Lax", secure=secure)


def form_token(request: Request) -> str:
    """What a form of this browser carries: nobody else can make it, and it tells nothing of the cookie."""
    secret = request.cookies.get(SESSION_COOKIE) if request.signed_in else _form_secret(request)
    return hmac.new((secret or "").encode(), b"form", hashlib.sha256).hexdigest()


def is_own_form(request: Request) -> bool:
    """Whether a POST comes from a page of ours in this browser."""
    origin = request.headers.get("Origin")
    if origin and origin != "null" and urlsplit(origin).netloc != request.host:
        return False
    has_cookie = SESSION_COOKIE in request.cookies or FORM_COOKIE in request.cookies
    given = request.POST.get(CSRF_FIELD, "")
    return has_cookie and isinstance(given, str) and hmac.compare_digest(given.encode(), _expected(request))


def _expected(request: Request) -> bytes:
    return form_token(request).encode()


def _form_secret(request: Request) -> str:
    """Of a browser without a session; a new one is kept in a cookie."""
    secret: str | None = request.cookies.get(FORM_COOKIE)
    if secret is None:
        secret = secrets.token_urlsafe(32)
        request.cookies[FORM_COOKIE] = secret
        request.add_response_callback(
            lambda request, response: set_cookie(request, response, FORM_COOKIE, secret or "", None)
        )
    return secret
