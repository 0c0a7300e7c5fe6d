"""A browser without scripts, for tests."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from webtest import TestApp

from gateway.db import Database
from gateway.web.panels.rendering import FLASH_COOKIE
from tests.factories import PASSWORD


class Browser:
    """Follows links and sends forms of pages, with cookies of its own."""

    def __init__(self, router: Any, login: str | None = None) -> None:
        self.app = TestApp(router)
        self.login = login
        if login is not None:
            assert self.sign_in(login).status_int == 303

    def get(self, url: str, params: Any = None) -> Any:
        return self.app.get(url, params=params, expect_errors=True)

    def post(self, url: str, params: Any = None) -> Any:
        """As a form of a page would, with its token."""
        return self.app.post(url, [("csrf", self.token()), *list(params or [])], expect_errors=True)

    def take_message(self) -> str:
        """What the next page would say of the last action; it will not."""
        found = [cookie for cookie in self.app.cookiejar if cookie.name == FLASH_COOKIE]
        for cookie in found:
            self.app.cookiejar.clear(cookie.domain, cookie.path, cookie.name)
        return "".join(urlsafe_b64decode(cookie.value.strip('"')).decode() for cookie in found)

    def token(self) -> str:
        page = self.app.get("/account" if self.login else "/sign-in")
        return str(next(form for form in page.forms.values() if "csrf" in form.fields)["csrf"].value)

    def sign_in(self, login: str, password: str = PASSWORD, next_url: str = "") -> Any:
        form = self.sign_in_form(next_url)
        form["login"], form["password"] = login, password
        return form.submit(expect_errors=True)

    def sign_in_form(self, next_url: str = "") -> Any:
        page = self.app.get("/sign-in", params={"next": next_url} if next_url else None)
        return next(form for form in page.forms.values() if "password" in form.fields)


@contextmanager
def traced(database: Database) -> Iterator[list[str]]:
    """The first words of all that SQLite is asked meanwhile, by whatever way."""
    asked: list[str] = []

    def begin(connection: Any, *_rest: object) -> None:
        connection.set_trace_callback(lambda sql: asked.append(sql.split()[0]))

    def end(connection: Any, *_rest: object) -> None:
        connection.set_trace_callback(None)

    event.listen(database.engine, "checkout", begin)
    event.listen(database.engine, "checkin", end)
    try:
        yield asked
    finally:
        event.remove(database.engine, "checkout", begin)
        event.remove(database.engine, "checkin", end)


def location_of(response: Any) -> str:
    """Where a redirection leads, without the name of the host."""
    assert response.status_int == 303, response.status
    return str(response.headers["Location"]).removeprefix("http://localhost")
