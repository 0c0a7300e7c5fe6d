from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.models import APIKey, AuditEntry, Role, User, UserSession
from gateway.services.audit import Audit, AuditAction
from gateway.services.caller import Actor
from gateway.web.sessions import SESSION_COOKIE
from tests.factories import NOW, PASSWORD
from tests.unit.web.helpers import API
from tests.unit.web.panels.helpers import Browser, location_of

NEW_USER = {
    "login": "Anna@Example.com",
    "role": "operator",
    "password": "twelve or more",
    "password_again": "twelve or more",
}


def fields(**changes):
    return list((NEW_USER | changes).items())


def form_of(page, name):
    """The form that has this field."""
    return next(form for form in page.forms.values() if name in form.fields)


def problems(page):
    return {each["id"]: each.get_text() for each in page.html.select(".problem") if each.get_text()}


class TestUsers:
    def test_a_new_one_signs_in(self, router, owner):
        page = owner.post("/reseller/users/new", fields())

        assert "User anna@example.com added" in owner.get(location_of(page))
        browser = Browser(router)
        assert browser.sign_in("anna@example.com", "twelve or more").status_int == 303
        assert "Operator" in browser.get("/reseller/users")

    def test_the_form_leads_there_by_itself(self, owner):
        form = form_of(owner.get("/reseller/users").click("New user"), "login")
        for name, value in NEW_USER.items():
            form[name] = value

        assert form.submit().status_int == 303

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"login": ""}, "login"),
            ({"login": "a b"}, "login"),
            ({"role": "root"}, "role"),
            ({"password": "short", "password_again": "short"}, "password"),
            ({"password_again": "another password"}, "password_again"),
            ({"account": "sibling"}, "account"),
            ({"account": "\x00"}, "account"),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field_and_above(self, db, owner, changes, field):
        page = owner.post("/reseller/users/new", fields(**changes))

        assert page.status_int == 422
        assert page.html.select_one(f".summary a[href='#{field}']") or field == "account"
        if field != "account":
            assert page.html.select_one(f"#{field}-problem").get_text()
            assert page.html.select_one(f"#{field}")["aria-invalid"] == "true"
        assert db.scalars(select(User).where(User.login == "anna@example.com")).all() == []

    def test_what_was_typed_is_kept_but_not_the_password(self, owner):
        page = owner.post("/reseller/users/new", fields(password_again="x"))

        form = form_of(page, "login")
        assert (form["login"].value, form["role"].value) == ("Anna@Example.com", "operator")
        assert (form["password"].value, form["password_again"].value) == ("", "")
        assert NEW_USER["password"] not in page

    def test_a_taken_login_says_so(self, owner, people):
        page = owner.post("/reseller/users/new", fields(login=people["sibling"].upper()))

        assert "is taken" in problems(page)["login-problem"]

    def test_the_provider_chooses_the_account(self, db, administrator):
        administrator.post("/provider/users/new", fields(account="sub-reseller"))

        user = db.scalars(select(User).where(User.login == "anna@example.com")).one()
        assert user.account_id == "sub-reseller"

    def test_a_role_is_changed(self, db, owner, colleague):
        owner.post(f"/reseller/users/{colleague.id}/role", [("role", "read_only")])

        db.refresh(colleague)
        assert colleague.role is Role.READ_ONLY

    def test_the_last_administrator_stays(self, db, administrator, world):
        lonely = db.scalars(select(User).where(User.account_id == "sibling")).one()
        db.commit()

        page = administrator.post(f"/provider/users/{lonely.id}/disable")
        role = administrator.post(f"/provider/users/{lonely.id}/role", [("role", "operator")])

        assert (page.status_int, role.status_int) == (422, 422)
        assert "is the last administrator of Sibling" in page
        assert form_of(role, "role")["role"].value == "operator"
        db.refresh(lonely)
        assert (lonely.role, lonely.disabled_at) == (Role.ADMINISTRATOR, None)

    def test_one_does_not_change_oneself(self, db, owner, people):
        own = db.scalars(select(User).where(User.login == people["owner"])).one()
        db.commit()

        page = owner.get(f"/reseller/users/{own.id}")
        refused = owner.post(f"/reseller/users/{own.id}/role", [("role", "operator")])

        assert "This is you" in page
        assert page.html.select("main form") == []
        assert refused.status_int == 422

    def test_a_new_password_counts_and_ends_sessions(self, router, owner, colleague):
        theirs = Browser(router, colleague.login)
        new = [("password", "a quite new one"), ("password_again", "a quite new one")]

        owner.post(f"/reseller/users/{colleague.id}/password", new)

        assert location_of(theirs.get("/reseller/customer-cp")).startswith("/sign-in")
        assert Browser(router).sign_in(colleague.login, PASSWORD).status_int == 422
        assert Browser(router).sign_in(colleague.login, "a quite new one").status_int == 303

    def test_who_is_disabled_is_out_until_enabled(self, router, owner, colleague):
        theirs = Browser(router, colleague.login)

        owner.post(f"/reseller/users/{colleague.id}/disable")

        assert location_of(theirs.get("/reseller/customer-cp")).startswith("/sign-in")
        assert Browser(router).sign_in(colleague.login).status_int == 422
        owner.post(f"/reseller/users/{colleague.id}/enable")
        assert Browser(router).sign_in(colleague.login).status_int == 303

    def test_sign_out_everywhere_leaves_the_user_enabled(self, router, db, owner, colleague):
        theirs = Browser(router, colleague.login)
        assert "1 browser" in owner.get("/reseller/users", {"text": colleague.login}).html.tbody.get_text()

        owner.post(f"/reseller/users/{colleague.id}/sign-out")

        assert db.scalars(select(UserSession).where(UserSession.user_id == colleague.id)).all() == []
        db.commit()
        assert location_of(theirs.get("/reseller/customer-cp")).startswith("/sign-in")
        assert Browser(router).sign_in(colleague.login).status_int == 303

    def test_who_may_only_look_sees_no_buttons(self, router, people, colleague):
        browser = Browser(router, people["read_only"])

        assert "New user" not in browser.get("/reseller/users")
        assert browser.get(f"/reseller/users/{colleague.id}").html.select("main form") == []

    @pytest.mark.parametrize("number", ["0", "x", "99999999999999999999", "%D9%A3"])
    def test_another_number_is_not_found(self, owner, number):
        assert owner.get(f"/reseller/users/{number}").status_int == 404

    @pytest.mark.parametrize("query", [{"cursor": "x"}, {"text": "\x00" * 300}, {"text": "no-such"}])
    def test_an_odd_query_does_no_harm(self, owner, query):
        assert owner.get("/reseller/users", query).status_int in (200, 400)


class TestAPIKeys:
    def create(self, browser, **changes):
        values = {"name": "Billing", "role": "operator"} | changes
        return browser.post("/reseller/api-keys/new", list(values.items()))

    def test_it_is_shown_once_and_works(self, app, owner):
        page = self.create(owner)
        key = page.html.select_one("code.key").get_text()

        assert API(app, key).get("/service-plans").status_int == 200
        assert page.html.select_one("[data-copy]")["data-copy"] == key
        later = owner.get("/reseller/api-keys")
        assert key.split("_")[1] in later
        assert key.split("_", 2)[2] not in later

    def test_nobody_keeps_the_answer(self, owner):
        page = self.create(owner)

        assert page.headers["Cache-Control"] == "no-store"
        assert set(owner.app.cookies) == {SESSION_COOKIE}

    def test_nothing_of_it_gets_into_log_or_audit_log(self, db, owner, caplog):
        caplog.set_level("DEBUG")

        secret = self.create(owner).html.select_one("code.key").get_text().split("_", 2)[2]

        assert secret not in caplog.text
        assert secret not in owner.get("/reseller/audit-log")
        assert not any(secret in str(vars(each)) for each in db.scalars(select(AuditEntry)))

    @pytest.mark.parametrize(
        ("changes", "field"),
        [({"name": " "}, "name"), ({"name": "x" * 101}, "name"), ({"role": ""}, "role")],
    )
    def test_what_is_wrong_stands_beside_its_field(self, db, owner, changes, field):
        before = len(db.scalars(select(APIKey)).all())
        db.commit()
        page = self.create(owner, **changes)

        assert page.status_int == 422
        assert problems(page)[f"{field}-problem"]
        assert len(db.scalars(select(APIKey)).all()) == before

    def test_a_reseller_makes_none_for_another(self, owner):
        assert self.create(owner, account="sibling").status_int == 422

    def test_a_revoked_one_is_refused(self, app, owner):
        key = self.create(owner).html.select_one("code.key").get_text()
        question = owner.get(f"/reseller/api-keys/{key.split('_')[1]}/revoke")

        form = next(each for each in question.forms.values() if each.action.endswith("/revoke"))
        form.submit()

        assert API(app, key).get("/service-plans").status_int == 401
        assert "is revoked" in owner.get("/reseller/api-keys")
        assert "It was revoked before" in owner.get(f"/reseller/api-keys/{key.split('_')[1]}/revoke")


class TestTheAuditLog:
    @pytest.fixture(autouse=True)
    def entries(self, db, world):
        audit = Audit(db)
        for day, name in enumerate(("anna", "=berta", "carl")):
            at = NOW + timedelta(days=day)
            audit.record(AuditAction.USER_DISABLED, Actor(name, "reseller"), at, detail=f"<b>{name}</b>")
        audit.record(AuditAction.CATALOG_IMPORTED, Actor("boss", world.provider.id), NOW)
        db.commit()

    def rows(self, browser, **query):
        page = browser.get("/reseller/audit-log", {"action": "user_disabled"} | query)
        return [row.select("td")[1].get_text() for row in page.html.select("tbody tr")]

    def test_the_newest_comes_first(self, owner):
        assert self.rows(owner) == ["carl", "=berta", "anna"]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"text": "anna"}, ["anna"]),
            ({"from": "2026-11-24"}, ["carl", "=berta"]),
            ({"from": "2026-11-24", "to": "2026-11-24"}, ["=berta"]),
            ({"to": "9999-12-31"}, ["carl", "=berta", "anna"]),
            ({"account": "sub-reseller"}, []),
            ({"account": "sibling"}, []),
        ],
    )
    def test_a_filter_leaves_what_matches(self, owner, query, found):
        assert self.rows(owner, **query) == found

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"from": "23.11.2026"}, "from"),
            ({"to": "x"}, "to"),
            ({"from": "2026-11-24", "to": "2026-11-23"}, "to"),
        ],
    )
    def test_a_bad_date_is_said_beside_it_and_kept(self, owner, query, field):
        page = owner.get("/reseller/audit-log", query)

        assert page.status_int == 422
        assert problems(page)[f"{field}-problem"]
        assert page.html.select_one(f"#{field}")["value"] == query[field]
        assert owner.get("/reseller/audit-log.csv", query).status_int == 422

    def test_what_concerns_others_is_not_there(self, owner, administrator):
        assert "Catalog imported" not in owner.get("/reseller/audit-log").html.tbody.get_text()
        assert "Catalog imported" in administrator.get("/provider/audit-log").html.tbody.get_text()

    def test_names_are_text(self, owner):
        assert owner.get("/reseller/audit-log").html.select("tbody b") == []

    def test_its_csv_has_the_same_and_no_formulas(self, owner):
        query = {"action": "user_disabled", "from": "2026-11-24"}
        lines = owner.get("/reseller/audit-log.csv", query).body.decode("utf-8-sig").splitlines()

        assert [line.split(",")[2] for line in lines] == ["Who", "carl", "'=berta"]

    def test_pages_follow_each_other(self, db, owner):
        for number in range(60):
            Audit(db).record(AuditAction.USER_ENABLED, Actor(f"user{number}", "reseller"), NOW)
        db.commit()

        first = owner.get("/reseller/audit-log", {"action": "user_enabled"})
        second = first.click("Older entries")

        assert len(first.html.select("tbody tr")) == 50
        assert len(second.html.select("tbody tr")) == 10

    def test_what_the_panels_do_is_in_it(self, owner, colleague):
        owner.post(f"/reseller/users/{colleague.id}/disable")

        page = owner.get("/reseller/audit-log", {"text": colleague.login})
        assert "User disabled" in page.html.tbody.get_text()


@pytest.fixture
def owner(reseller):
    return reseller


@pytest.fixture
def colleague(db, factories, world):
    user = factories.user(world.reseller)
    db.commit()
    return user
