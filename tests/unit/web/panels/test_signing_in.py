from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from gateway.db import utcnow
from gateway.models import AuditEntry, UserSession
from tests.factories import PASSWORD
from tests.unit.web.panels.helpers import Browser, location_of

NEW = "a quite different phrase"


class TestSigningIn:
    @pytest.mark.parametrize(("who", "home"), [("provider", "/provider/"), ("owner", "/reseller/")])
    def test_it_leads_to_the_panel_of_the_account(self, anyone, people, who, home):
        response = anyone.sign_in(people[who])

        assert (response.status_int, location_of(response)) == (303, home)

    def test_it_leads_to_where_one_wanted_to_go(self, anyone, people):
        wanted = location_of(anyone.get("/provider/services?a=b"))

        response = anyone.sign_in_form("/provider/services?a=b")

        assert wanted == "/sign-in?next=%2Fprovider%2Fservices%3Fa%3Db"
        assert response["next"].value == "/provider/services?a=b"
        location = location_of(anyone.sign_in(people["provider"], next_url="/provider/services?a=b"))
        assert location == "/provider/services?a=b"

    @pytest.mark.parametrize(
        "url", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/reseller/", "javascript:1"]
    )
    def test_it_leads_nowhere_else(self, anyone, people, url):
        assert location_of(anyone.sign_in(people["provider"], next_url=url)) == "/provider/"

    @pytest.mark.parametrize("password", ["wrong", "", PASSWORD + "x"])
    def test_a_wrong_password_is_refused(self, anyone, people, password):
        response = anyone.sign_in(people["provider"], password)

        assert response.status_int == 422
        assert "do not belong together" in response
        assert anyone.get("/provider/").status_int == 303

    def test_an_unknown_login_is_refused_in_the_same_words(self, anyone, people):
        assert "do not belong together" in anyone.sign_in("nobody")

    @pytest.mark.parametrize("login", ["a\x00b", "\ud800", "x" * 5000])
    def test_a_login_that_cannot_be_one_is_refused(self, anyone, login):
        form = anyone.sign_in_form()
        fields = [
            ("csrf", form["csrf"].value),
            ("login", login.encode(errors="surrogatepass")),
            ("password", "x"),
        ]
        assert anyone.app.post("/sign-in", fields, expect_errors=True).status_int in (400, 422)

    def test_too_many_failures_have_to_wait(self, anyone, people):
        for _ in range(10):
            anyone.sign_in(people["provider"], "wrong")

        response = anyone.sign_in(people["provider"])

        assert response.status_int == 429
        assert 0 < int(response.headers["Retry-After"]) <= 60

    def test_the_cookie_is_for_this_site_and_no_script(self, anyone, people):
        cookies = anyone.sign_in(people["provider"]).headers.getall("Set-Cookie")
        cookie = next(each for each in cookies if each.startswith("gateway_session="))

        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "secure" not in cookie.lower()

    def test_behind_tls_the_cookie_is_secure(self, router, people):
        browser = Browser(router)
        browser.app.extra_environ["wsgi.url_scheme"] = "https"

        cookies = browser.sign_in(people["provider"]).headers.getall("Set-Cookie")

        assert "secure" in next(each for each in cookies if each.startswith("gateway_session=")).lower()

    def test_only_the_hash_of_the_token_is_kept(self, db, provider):
        token = provider.app.cookies["gateway_session"]

        kept = db.scalars(select(UserSession.token_hash)).all()

        assert len(kept) == 1
        assert token not in kept


class TestForms:
    def test_one_without_the_token_does_nothing(self, provider):
        assert provider.app.post("/sign-out", expect_errors=True).status_int == 403
        assert provider.get("/provider/services").status_int == 200

    def test_one_with_the_token_of_another_session_does_nothing(self, provider, reseller):
        response = provider.app.post("/sign-out", {"csrf": reseller.token()}, expect_errors=True)

        assert response.status_int == 403

    def test_one_from_another_site_does_nothing(self, provider):
        headers = {"Origin": "https://evil.example"}
        fields = {"csrf": provider.token()}

        assert provider.app.post("/sign-out", fields, headers=headers, expect_errors=True).status_int == 403

    def test_signing_in_needs_the_token_too(self, anyone, people):
        fields = {"login": people["provider"], "password": PASSWORD}

        assert anyone.app.post("/sign-in", fields, expect_errors=True).status_int == 403


class TestSigningOut:
    def test_it_ends_the_session(self, router, people):
        browser, other = Browser(router, people["provider"]), Browser(router, people["provider"])
        token = browser.app.cookies["gateway_session"]

        browser.post("/sign-out")

        browser.app.set_cookie("gateway_session", token)
        assert browser.get("/provider/services").status_int == 303
        assert other.get("/provider/services").status_int == 200

    def test_everywhere_ends_every_session_of_the_user(self, router, people, reseller):
        browser, other = Browser(router, people["provider"]), Browser(router, people["provider"])

        browser.post("/sign-out-everywhere")

        assert other.get("/provider/services").status_int == 303
        assert reseller.get("/reseller/customer-cp").status_int == 200

    def test_a_session_ends_by_itself(self, db, provider):
        db.execute(update(UserSession).values(expires_at=utcnow() - timedelta(seconds=1)))
        db.commit()

        assert provider.get("/provider/services").status_int == 303


class TestThePassword:
    def change(self, browser, present=PASSWORD, new=NEW, again=NEW):
        fields = [("password", present), ("new_password", new), ("new_password_again", again)]
        return browser.post("/account/password", fields)

    def test_it_can_be_changed_and_ends_other_sessions(self, router, people):
        browser, other = Browser(router, people["provider"]), Browser(router, people["provider"])

        assert self.change(browser).status_int == 303

        assert "every other browser is signed out" in browser.get("/account")
        assert other.get("/provider/services").status_int == 303
        assert Browser(router).sign_in(people["provider"], NEW).status_int == 303
        assert Browser(router).sign_in(people["provider"]).status_int == 422

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"present": "wrong"}, "present password is another one"),
            ({"again": "something else!"}, "typed in two ways"),
            ({"new": "short", "again": "short"}, "expected 12 to 1000"),
        ],
    )
    def test_what_is_wrong_is_said(self, provider, fields, words):
        response = self.change(provider, **fields)

        assert response.status_int == 422
        assert words in response


def test_what_people_do_with_their_access_is_kept(db, router, people):
    browser = Browser(router, people["owner"])
    Browser(router).sign_in(people["owner"], "wrong")
    TestThePassword().change(browser)
    browser.post("/sign-out")

    entries = db.execute(select(AuditEntry.action, AuditEntry.actor).order_by(AuditEntry.id)).all()

    actions = ["signed_in", "sign_in_refused", "password_changed", "signed_out"]
    assert [tuple(entry) for entry in entries] == [(action, people["owner"]) for action in actions]


def test_the_look_is_remembered(provider):
    location = location_of(
        provider.post(
            "/account/preferences", [("theme", "dark"), ("density", "compact"), ("next", "/account")]
        )
    )

    assert location == "/account"
    assert 'data-theme="dark" data-density="compact"' in provider.get("/account")
