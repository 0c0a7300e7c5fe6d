"""The page of the application pool, and its form for the appSettings."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.models import AuditEntry
from gateway.pool.event_kinds import RECYCLES
from gateway.pool.reasons import Reason
from gateway.pool.start_permit import START_AGAIN, digest_of
from gateway.settings import load_settings
from gateway.web.registry import POOL_DESK
from gateway.web.registry import SETTINGS as IN_FORCE
from tests.factories import NOW
from tests.pools import LIMIT, NODE, SECRETS, TEXT, StandInPool
from tests.unit.web.panels.helpers import Browser

URL = "/provider/application-pool"
SETTINGS = f"{URL}/settings"
DASH = "\u2013"
HELP = "ELIGIBILITY_HELP_URL"


@pytest.fixture
def pool(router, tmp_path):
    pool = StandInPool(tmp_path, NOW)
    router.registry[POOL_DESK] = pool.desk
    return pool


@pytest.fixture
def entries(db):
    """What the audit log says of the pool."""

    def found():
        db.expire_all()
        wanted = ("settings_changed", "pool_recycled", "pool_stopped")
        rows = db.scalars(select(AuditEntry).where(AuditEntry.action.in_(wanted)))
        return [(row.action, row.actor, row.subject, row.detail) for row in rows]

    return found


def following(page):
    """Whether the script looks again, and where who has none is told to."""
    script = page.html.select_one('script[src*="follow.js"]')
    assert (script is not None) == ("data-follow" in page.html.select_one("#pool").attrs)
    link = page.html.select_one("#following a")
    return script is not None, link and link["href"]


class TestTheState:
    def test_it_is_told_with_workers_limit_and_upgrades(self, pool, provider):
        facts = facts_of(provider.get(URL))

        assert facts["State"] == "Started"
        assert facts["Pool"] == f"Office365Gateway on {NODE}"
        assert facts["Limit of simultaneous upgrades"] == "10"
        assert facts["Recycles, failures"].startswith("3, 1 since")
        assert {"Upgrade operations in progress", "Pending"} <= set(facts)
        assert "4711" in provider.get(URL)

    def test_the_limit_is_that_of_the_pool_also_where_a_worker_of_before_answers(self, pool, provider):
        pool.more["limit"] = 25

        assert facts_of(provider.get(URL))["Limit of simultaneous upgrades"] == "25"

    def test_recycles_say_their_reason_what_changed_and_how_long_they_took(self, pool, administrator):
        pool.tell_of_a_day()
        pool.recycle(Reason.ON_DEMAND, 0.5)

        newest, before = rows_of(administrator.get(URL), "Recycles")

        assert newest[1:] == ["On demand", DASH, "500 ms"]
        assert before[1:] == ["Configuration change", f"{LIMIT} 5 → 10", "342 ms"]

    def test_a_recycle_without_an_end_is_in_progress_while_a_worker_starts(self, pool, provider):
        pool.events.add(RECYCLES[Reason.ON_DEMAND], pid=1, reason=Reason.ON_DEMAND)

        told = [rows_of(provider.get(URL), "Recycles")[0][-1]]
        pool.more["starting_pids"] = [4712]
        told.append(rows_of(provider.get(URL), "Recycles")[0][-1])

        assert told == ["Broken off", "In progress"]

    def test_events_are_told_with_their_details(self, pool, administrator):
        pool.tell_of_a_day()

        events = rows_of(administrator.get(URL), "Events of")

        assert events[0][1:] == [
            "Worker started well and serves 9012",
            "pid 4711 · reason configuration change · limit 10 · seconds 0.342",
        ]
        assert f"{LIMIT} 5 → 10" in events[2][2]
        assert events[3][1].startswith("Error Configuration refused")

    def test_a_file_that_is_refused_is_told_of(self, pool, administrator):
        pool.more["config_error"] = "Settings.config, line 3: <oops> is no element"

        page = administrator.get(URL)

        assert "line 3: <oops> is no element" in page.html.select_one(".message.failed").get_text()

    def test_changes_that_wait_for_the_next_recycle_are_told_of(self, pool, provider):
        pool.more["changes_not_applied"] = [LIMIT]

        assert f"next recycle: {LIMIT}" in provider.get(URL).html.select_one(".message.partly").get_text()

    @pytest.mark.parametrize("who", ["provider", "administrator"])
    def test_a_file_that_the_pool_has_not_taken_over_yet_is_told_of(self, pool, request, who):
        visitor = request.getfixturevalue(who)
        assert following(visitor.get(URL)) == (False, None)

        pool.save(TEXT.replace('"10"', '"20"'))
        assert following(visitor.get(URL)) == (True, URL)

        pool.more |= {"starting_pids": [4712]}
        assert following(visitor.get(URL)) == (True, URL)

        pool.revision = load_settings(pool.config).revision
        pool.more = {"leaving_pids": [4711]}
        assert following(visitor.get(URL)) == (True, None)

        pool.more = {}
        assert following(visitor.get(URL)) == (False, None)

    @pytest.mark.parametrize("why", [{"config_error": "rolled back"}, {"changes_not_applied": [LIMIT]}])
    def test_a_file_that_the_pool_does_not_take_over_is_not_waited_for(self, pool, provider, why):
        pool.save(TEXT.replace('"10"', '"20"'))
        pool.more = why

        assert following(provider.get(URL)) == (False, None)

    def test_a_file_that_is_not_valid_is_not_waited_for(self, pool, provider):
        pool.save("<configuration>")

        assert following(provider.get(URL)) == (False, None)

    def test_a_worker_that_did_not_answer_has_no_figures(self, pool, provider, monkeypatch):
        silent = {"pid": 7, "state": "leaving", "limit": 10, "requests_served": None}
        monkeypatch.setattr(pool, "_worker", lambda: silent)

        assert rows_of(provider.get(URL), "Worker")[0] == ["7", "Leaving", "10", DASH, DASH, DASH]

    def test_without_a_pool_it_says_so(self, router, administrator):
        page = administrator.get(URL)

        assert "No application pool started this gateway" in page
        assert facts_of(page)["Limit of simultaneous upgrades"] == "10"
        assert not [form for form in page.forms.values() if URL in form.action]

    def test_a_pool_that_does_not_answer_is_told_of(self, router, tmp_path, administrator):
        (tmp_path / "elsewhere").mkdir()
        router.registry[POOL_DESK] = type(StandInPool(tmp_path, NOW).desk)(tmp_path / "elsewhere")

        page = administrator.get(URL)

        told = page.html.select_one(".message.failed").get_text()
        assert told.startswith("The application pool did not answer. No pool runs with the data folder")
        assert URL + "/recycle" not in page


class TestWhoMay:
    @pytest.mark.parametrize("who", ["provider", "provider_read_only"])
    def test_who_does_not_administer_sees_the_state_and_no_button(self, pool, router, people, who):
        pool.tell_of_a_day()
        pool.more["config_error"] = "line 3: <oops>"

        page = Browser(router, people[who]).get(URL)

        assert rows_of(page, "Recycles")[0][1:] == ["Configuration change", LIMIT, "342 ms"]
        assert [row[2] for row in rows_of(page, "Events of")] == [
            "configuration change",
            "configuration change",
            f"{LIMIT} configuration change",
            "",
            "start",
            "start",
            "",
        ]
        assert not [form for form in page.forms.values() if URL in form.action]
        assert not page.html.select(f'a[href^="{URL}/"]')
        assert "Settings.config is refused" in page
        assert "oops" not in page

    @pytest.mark.parametrize("path", ["recycle", "stop", "settings", "settings/preview", "settings/check"])
    def test_who_does_not_administer_may_not_send_the_forms_either(self, pool, provider, entries, path):
        answer = provider.post(f"{URL}/{path}", {"node": NODE, LIMIT: "20"}.items())

        assert answer.status_int == 403
        assert (pool.asked, pool.limit(), entries()) == ([], 10, [])

    def test_the_file_itself_is_named_to_nobody(self, pool, administrator):
        assert str(pool.config) not in administrator.get(URL)
        assert str(pool.config) not in administrator.get(SETTINGS)


class TestRecycle:
    def test_it_is_asked_for_and_recorded(self, pool, administrator, people, entries):
        page = form_of(administrator.get(URL), "/recycle").submit().follow()

        assert pool.asked == ["recycle"]
        assert "The pool recycles its worker" in page
        assert entries() == [
            (
                "pool_recycled",
                people["administrator"],
                f"application pool Office365Gateway on {NODE}",
                None,
            )
        ]

    def test_what_the_pool_refuses_is_told_and_not_recorded(self, pool, administrator, entries):
        pool.problem = "the settings are not valid, so nothing was recycled"

        page = form_of(administrator.get(URL), "/recycle").submit().follow()

        assert "The settings are not valid, so nothing was recycled" in page
        assert entries() == []

    def test_the_page_of_one_node_does_not_command_another(self, pool, administrator, entries):
        form = form_of(administrator.get(URL), "/recycle")
        pool.more["node"] = "node-2"

        page = form.submit().follow()

        assert "Another node of the gateway has answered" in page
        assert (pool.asked, entries()) == ([], [])

    def test_without_a_pool_nothing_is_done(self, router, administrator, entries):
        administrator.post(f"{URL}/recycle", {"node": NODE}.items())

        assert "No application pool runs this gateway" in administrator.take_message()
        assert entries() == []


class TestStop:
    def test_it_is_asked_about_once_more_and_says_how_to_start_again(self, pool, administrator, entries):
        question = administrator.get(URL).click("Stop")
        assert (pool.asked, "start-pool" in question) == ([], True)

        answer = form_of(question, "/stop").submit()

        assert answer.status_int == 200
        assert "start-pool" in answer
        assert pool.asked == ["stop"]
        assert [entry[0] for entry in entries()] == ["pool_stopped"]

    def test_the_page_that_follows_holds_the_secret_to_start_it_with(self, pool, administrator):
        answer = self._stop(administrator)

        assert pool.permits == [digest_of(form_of(answer, "/start")["permit"].value)]
        assert answer.headers["Cache-Control"] == "no-store"

    def test_the_worker_that_ends_passes_start_on(self, pool, administrator):
        form = form_of(self._stop(administrator), "/start")
        pool.more["state"] = "Stopping"

        answer = form.submit()

        assert pool.asked == ["stop", START_AGAIN]
        assert pool.by.keys() == {"name", "account_id", "address"}
        assert "The application pool is being started" in answer

    def test_what_speaks_against_that_is_told(self, pool, administrator):
        form = form_of(self._stop(administrator), "/start")
        pool.more["state"], pool.problem = "Stopping", "the permit was withdrawn"

        assert "The permit was withdrawn" in form.submit().follow()

    def test_a_worker_that_serves_has_nothing_to_start(self, pool, administrator):
        page = form_of(self._stop(administrator), "/start").submit().follow()

        assert pool.asked == ["stop"]
        assert "The pool is started" in page.html.select_one(".message.done").get_text()

    def test_the_worker_of_another_node_starts_nothing(self, pool, administrator):
        form = form_of(self._stop(administrator), "/start")
        pool.more |= {"state": "Stopping", "node": "node-2"}

        assert "Another node of the gateway has answered" in form.submit().follow()
        assert pool.asked == ["stop"]

    def test_there_is_no_button_where_the_stopped_pool_cuts_connections(self, pool, router, administrator):
        settings = router.registry[IN_FORCE]
        failure = settings.application_pool.failure.model_copy(
            update={"load_balancer_capabilities": "TcpLevel"}
        )
        changed = settings.application_pool.model_copy(update={"failure": failure})
        router.registry[IN_FORCE] = settings.model_copy(update={"application_pool": changed})

        answer = self._stop(administrator)

        assert not [form for form in answer.forms.values() if form.action.endswith("/start")]
        assert "TcpLevel" in answer

    def _stop(self, administrator):
        return form_of(administrator.get(f"{URL}/stop"), "/stop").submit()


class TestTheForm:
    def test_it_has_every_key_and_no_secret(self, pool, administrator):
        page = administrator.get(SETTINGS)

        form = form_of(page, "/preview")
        assert form[LIMIT].value == "10"
        assert form["LOG_LEVEL"].value == "INFO"
        assert "How many upgrade operations run at the same time" in page
        assert not [secret for secret in SECRETS if secret in page]

    def test_the_preview_shows_the_difference_and_writes_nothing(self, pool, administrator, entries):
        page = change(administrator, **{LIMIT: " 20 ", "LOG_LEVEL": "DEBUG"})

        assert rows_of(page, "What would be") == [["LOG_LEVEL", "INFO", "DEBUG"], [LIMIT, "10", "20"]]
        assert pool.config.read_text() == TEXT
        assert entries() == []

    def test_saving_writes_that_and_nothing_else_and_is_recorded(self, pool, administrator, people, entries):
        page = form_of(change(administrator, **{LIMIT: "20"}), "/settings").submit("", index=0).follow()

        assert pool.config.read_text() == TEXT.replace('"10"', '"20"')
        assert f"Saved {LIMIT}: 10 → 20. The pool recycles its worker" in page
        assert entries() == [
            (
                "settings_changed",
                people["administrator"],
                f"Settings.config on {NODE}",
                f"{LIMIT}: 10 → 20",
            )
        ]

    def test_it_says_when_only_the_next_recycle_applies_it(self, pool, administrator):
        recycling = '<applicationPool><recycling disallowRotationOnConfigChange="true" /></applicationPool>'
        pool.save(TEXT.replace("</configuration>", f"{recycling}</configuration>"))

        preview = change(administrator, **{LIMIT: "20"})
        page = form_of(preview, "/settings").submit("", index=0).follow()

        assert "The next recycle applies it" in preview
        assert "The next recycle applies it" in page

    @pytest.mark.parametrize(
        ("key", "value", "problem"),
        [
            (LIMIT, "0", "Expected a whole number from 1 to 1000"),
            (LIMIT, "ten", "Expected a whole number from 1 to 1000"),
            (LIMIT, " ", "Expected a whole number from 1 to 1000"),
            (LIMIT, "<x>", "Expected a whole number from 1 to 1000"),
            (HELP, "ftp://help.example", "an http:// or https:// URL"),
            ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
        ],
    )
    @pytest.mark.parametrize("path", ["/preview", ""])
    def test_a_bad_value_is_refused_beside_its_field(self, pool, administrator, key, value, problem, path):
        form = dict(form_of(administrator.get(SETTINGS), "/preview").submit_fields()) | {key: value}

        page = administrator.post(SETTINGS + path, [(k, v) for k, v in form.items() if k != "csrf"])

        assert page.status_int == 422
        assert problem in page.html.find(id=f"{key}-problem").get_text()
        assert page.html.title.get_text().startswith("Not accepted")
        assert pool.config.read_text() == TEXT

    def test_a_file_that_changed_since_is_not_overwritten(self, pool, administrator, entries):
        preview = change(administrator, **{LIMIT: "20"})
        pool.save(TEXT.replace('"10"', '"15"'))

        page = form_of(preview, "/settings").submit("", index=0, expect_errors=True)

        assert page.status_int == 409
        assert "Settings.config is not what it was" in page
        assert (pool.limit(), entries()) == (15, [])
        again = form_of(page, "/preview").submit()
        assert rows_of(again, "What would be") == [[LIMIT, "15", "20"]]

    def test_what_somebody_else_changed_meanwhile_is_not_changed_back(self, pool, administrator):
        form = form_of(administrator.get(SETTINGS), "/preview")
        form["LOG_LEVEL"] = "DEBUG"
        pool.save(TEXT.replace('"10"', '"15"'))

        page = form.submit(expect_errors=True)

        assert page.status_int == 409
        again = form_of(page, "/preview")
        assert (again[LIMIT].value, again["LOG_LEVEL"].value) == ("15", "DEBUG")
        assert rows_of(again.submit(), "What would be") == [["LOG_LEVEL", "INFO", "DEBUG"]]

    def test_the_file_may_change_while_it_is_being_saved(self, pool, administrator, entries, monkeypatch):
        preview = form_of(change(administrator, **{LIMIT: "20"}), "/settings")
        save = pool.desk.save

        def too_late(values, digest):
            pool.save(TEXT.replace('"10"', '"15"'))
            return save(values, digest)

        monkeypatch.setattr(pool.desk, "save", too_late)
        page = preview.submit("", index=0, expect_errors=True)

        assert page.status_int == 409
        assert (pool.limit(), entries()) == (15, [])

    def test_the_digest_tells_nothing_of_the_secrets_in_the_file(self, pool, administrator):
        before = form_of(administrator.get(SETTINGS), "/preview")["digest"].value
        (pool.var / "control.key").write_text("that of the pool after its next start")

        assert form_of(administrator.get(SETTINGS), "/preview")["digest"].value != before

    def test_no_difference_is_told(self, pool, administrator):
        page = change(administrator, **{LIMIT: "10"})

        assert page.status_int == 422
        assert "No value differs" in page

    def test_one_may_go_on_editing_after_the_preview(self, pool, administrator):
        preview = form_of(change(administrator, **{LIMIT: "20"}), "/settings")
        preview.action = f"{SETTINGS}/preview"

        page = preview.submit("again")

        assert page.status_int == 200
        assert form_of(page, "/preview")[LIMIT].value == "20"

    def test_a_key_of_the_second_file_is_changed_there(self, pool, administrator, tmp_path):
        (tmp_path / "Second.config").write_text(f'<appSettings><add key="{LIMIT}" value="5" /></appSettings>')
        pool.save(TEXT.replace("<appSettings>", '<appSettings file="Second.config">'))

        page = change(administrator, **{LIMIT: "20"})

        assert page.status_int == 422
        assert f"{LIMIT}: the second file has this key too" in page

    def test_a_file_that_is_not_valid_is_not_edited_here(self, pool, administrator):
        pool.save(TEXT.replace('"10"', '"ten"'))

        page = administrator.get(SETTINGS)

        assert f'{LIMIT} is "ten"' in page.html.select_one(".message.failed").get_text()
        assert not [form for form in page.forms.values() if SETTINGS in form.action]

    def test_without_a_pool_there_is_no_form(self, router, administrator):
        page = administrator.get(SETTINGS)

        assert "No application pool runs this gateway" in page
        assert not [form for form in page.forms.values() if SETTINGS in form.action]


class TestWhileOneTypes:
    def test_what_is_wrong_and_what_differs_is_told(self, pool, administrator):
        answer = administrator.post(
            f"{SETTINGS}/check", {LIMIT: "0", "LOG_LEVEL": "DEBUG", "UPGRADE_MAX_ATTEMPTS": "5"}.items()
        )

        assert answer.json == {
            "problems": {LIMIT: "Expected a whole number from 1 to 1000"},
            "differ": ["LOG_LEVEL"],
        }

    def test_a_file_that_is_not_valid_is_told_of(self, pool, administrator):
        pool.save("<configuration>")

        answer = administrator.post(f"{SETTINGS}/check", {LIMIT: "20"}.items())

        assert "Settings.config" in answer.json["problems"][""]

    def test_it_answers_only_to_the_form(self, pool, administrator):
        assert administrator.app.post(f"{SETTINGS}/check", {LIMIT: "0"}, expect_errors=True).status_int == 403


def form_of(page, action):
    return next(form for form in page.forms.values() if form.action.endswith(action))


def change(browser, **values):
    """The answer to Preview with these values typed in."""
    form = form_of(browser.get(SETTINGS), "/preview")
    for key, value in values.items():
        form[key] = value
    return form.submit(expect_errors=True)


def facts_of(page):
    return {
        div.dt.get_text(" ", strip=True): div.dd.get_text(" ", strip=True)
        for div in page.html.select(".facts > div")
    }


def rows_of(page, caption):
    """The cells of the table whose caption begins so."""
    table = next(each for each in page.html.select("table") if each.caption.get_text().startswith(caption))
    return [
        [" ".join(cell.get_text(" ").split()) for cell in row.select("th, td")]
        for row in table.select("tbody tr")
    ]
