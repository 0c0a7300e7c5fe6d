"""An administrator at the page of the application pool, with a real pool behind it."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from typing import Any

import httpx2
import pytest
from bs4 import BeautifulSoup

from gateway.services.catalog.demonstration import make_catalog
from tests.databases import sqlite_url
from tests.functional.site import Site, wait_until

LIMIT = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"
URL = "/provider/application-pool"


class Visitor:
    """A browser without scripts, over real connections."""

    page: Any

    def __init__(self, base_url, login, password):
        self._client = httpx2.Client(base_url=base_url, follow_redirects=True, timeout=30)
        self.answer = None
        self.open("/sign-in")
        self.send("/sign-in", login=login, password=password)

    def open(self, path):
        self._take(self._client.get(path, headers={"Accept": "text/html"}))

    def send(self, action, **typed):
        """Send the form of the page that goes to this address."""
        form = next(each for each in self.page.select("form[method=post]") if each["action"] == action)
        fields = {each["name"]: each.get("value", "") for each in form.select("input[name]")}
        chosen = {each.parent["name"]: each["value"] for each in form.select("option[selected]")}
        self._take(self._client.post(action, data=fields | chosen | typed, headers={"Accept": "text/html"}))

    def _take(self, answer):
        self.answer, self.page = answer, BeautifulSoup(answer.text, "html.parser")

    @property
    def text(self):
        return " ".join(self.page.get_text(" ").split())

    def looks_again(self):
        """Whether the page of the pool is up to date; if not, do as who has no script is told to."""
        if link := self.page.select_one("#following a"):
            self.open(link["href"])
        return link is None

    def fact(self, name):
        term = next(each for each in self.page.select("dl.facts dt") if each.get_text() == name)
        return term.find_next("dd").get_text(strip=True)

    def rows(self, caption):
        found = self.page.select("table > caption")
        table = next(each.parent for each in found if each.get_text().startswith(caption))
        rows = [row.select("th, td") for row in table.select("tbody tr")]
        return [[" ".join(cell.get_text(" ").split()) for cell in row] for row in rows]

    def close(self):
        self._client.close()


@pytest.fixture(scope="module")
def started(sqlite_template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    shutil.copyfile(sqlite_template, folder / "gateway.db")
    (folder / "catalog.json").write_text(json.dumps(make_catalog(3)))
    with closing(Site(folder, sqlite_url(folder / "gateway.db"))) as site:
        site.gateway("import", str(folder / "catalog.json"))
        lines = site.gateway("demo-users").splitlines()
        site.start()
        yield site, {line.split()[2]: line.split()[3] for line in lines}["provider"]


@pytest.fixture
def site(started):
    return started[0]


@pytest.fixture
def administrator(started):
    site, password = started
    with closing(Visitor(site.status()["url"], "provider", password)) as visitor:
        yield visitor


def newest_recycle(visitor):
    visitor.open(URL)
    return visitor.rows("Recycles")[0]


def test_a_new_limit_is_saved_and_in_force_after_a_recycle(site, administrator):
    pid = site.status()["worker_pid"]
    administrator.open(f"{URL}/settings")

    administrator.send(f"{URL}/settings/preview", **{LIMIT: "20"})
    assert administrator.rows("What would be") == [[LIMIT, "10", "20"]]
    administrator.send(f"{URL}/settings")

    assert f"Saved {LIMIT}: 10 → 20" in administrator.text
    wait_until(administrator.looks_again, within=20, what="the new worker")
    assert administrator.fact("Limit of simultaneous upgrades") == "20"
    assert site.status()["limit"] == 20
    assert site.status()["worker_pid"] != pid
    _, reason, changed, seconds = newest_recycle(administrator)
    assert (reason, changed) == ("Configuration change", f"{LIMIT} 10 → 20")
    assert seconds.endswith("s")
    recycles = [row for row in administrator.rows("Events") if row[1].startswith("Recycle: the conf")]
    assert f"{LIMIT} 10 → 20" in recycles[0][2]
    administrator.open("/provider/audit-log?action=settings_changed")
    assert f"{LIMIT}: 10 → 20" in administrator.text


def test_recycle_replaces_the_worker_on_demand(site, administrator):
    before = site.status()
    administrator.open(URL)

    administrator.send(f"{URL}/recycle")

    assert "The pool recycles its worker" in administrator.text
    wait_until(lambda: site.status()["recycles"] > before["recycles"], within=20, what="the recycle")
    assert site.status()["worker_pid"] != before["worker_pid"]
    assert newest_recycle(administrator)[1:3] == ["On demand", "\u2013"]


def test_stop_answers_first_and_its_answer_starts_the_pool_again(site, administrator):
    pid = site.status()["worker_pid"]
    administrator.open(f"{URL}/stop")

    administrator.send(f"{URL}/stop")

    assert administrator.answer.status_code == 200
    assert "The application pool is being stopped" in administrator.text
    page = administrator.page
    wait_until(lambda: site.status()["state"] == "Stopped", within=20, what="the pool to stop")
    administrator.open(URL)
    assert administrator.answer.status_code == 503
    assert "app_pool.py start-pool" in administrator.text

    administrator.page = page
    administrator.send(f"{URL}/start")

    assert administrator.answer.status_code == 202
    assert "The application pool is being started" in administrator.text
    wait_until(lambda: site.status()["state"] == "Started", within=20, what="the pool to start")
    assert site.status()["worker_pid"] != pid
    administrator.open("/provider/audit-log?action=pool_stopped")
    assert "Application pool stopped provider" in administrator.text
    administrator.open("/provider/audit-log?action=pool_started")
    assert "Application pool started provider" in administrator.text


def test_start_need_not_wait_for_the_end_of_the_stop(site, administrator):
    pid = site.status()["worker_pid"]
    administrator.open(f"{URL}/stop")
    administrator.send(f"{URL}/stop")

    administrator.send(f"{URL}/start")

    assert "The application pool is being started" in administrator.text
    wait_until(lambda: site.status()["worker_pid"] not in (None, pid), within=30, what="a new worker")
