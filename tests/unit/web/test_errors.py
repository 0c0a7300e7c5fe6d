from __future__ import annotations

import importlib
import json
import pkgutil

import pytest
from pyramid.httpexceptions import HTTPFound
from webtest import TestApp

import gateway.services
from gateway.db import Database
from gateway.errors import GatewayError
from gateway.services.database_copy import CopyError
from gateway.web import make_app
from gateway.web.errors import on_http_exception, status_of
from tests.unit.web.helpers import API, make_settings, validate


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


def test_every_error_of_the_services_has_a_status():
    for module in pkgutil.walk_packages(gateway.services.__path__, "gateway.services."):
        importlib.import_module(module.name)
    errors = [error for error in subclasses(GatewayError) if error.__module__.startswith("gateway.services.")]

    assert len(errors) > 10
    assert [error for error in errors if status_of(error) is None and error not in INTERNAL] == []


INTERNAL: tuple[type[GatewayError], ...] = (CopyError,)
"""Of commands, never of a request."""


def subclasses(error):
    return [each for child in error.__subclasses__() for each in (child, *subclasses(child))]


class TestAddresses:
    @pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api/v2/subscriptions", "/api/v1/"])
    def test_an_unknown_one_is_not_found(self, app, path):
        response = app.get(path, headers={"Accept": "application/json"}, status=404)

        assert response.content_type == "application/problem+json"
        assert response.json["code"] == "not_found"
        assert response.json["instance"] == response.headers["X-Request-ID"]
        validate(response.json, {"$ref": "#/components/schemas/Problem"})

    def test_a_browser_gets_a_page(self, app):
        response = app.get("/nothing", headers={"Accept": "text/html,*/*;q=0.8"}, status=404)

        assert response.content_type == "text/html"

    def test_a_browser_gets_a_problem_from_the_api(self, app):
        response = app.get("/api/v1/nothing", headers={"Accept": "text/html,*/*;q=0.8"}, status=404)

        assert response.content_type == "application/problem+json"

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("DELETE", "/subscriptions", "GET, HEAD"),
            ("GET", "/upgrades/cancel", "POST"),
            ("PUT", "/upgrade-batches", "POST, GET, HEAD"),
        ],
    )
    def test_a_method_that_is_not_served_names_those_that_are(self, app, method, path, allowed):
        response = app.request(f"/api/v1{path}", method=method, status=405)

        assert response.headers["Allow"] == allowed
        assert response.json["code"] == "method_not_allowed"

    @pytest.mark.parametrize("path", ["/%ff", "/api/v1/subscriptions?cursor=%ff"])
    def test_one_that_is_not_utf_8_is_a_bad_request(self, app, path):
        assert app.get(path, expect_errors=True).status_int in (400, 401)


class TestQueries:
    @pytest.mark.parametrize(
        ("query", "path"),
        [
            ({"service_plans": "x"}, "service_plans"),
            ({"limit": "0"}, "limit"),
            ({"limit": "501"}, "limit"),
            ({"limit": "many"}, "limit"),
            ({"upgrade_status": "running"}, "upgrade_status"),
            ([("limit", "1"), ("limit", "2")], "limit"),
            ({"service_plan": ""}, "service_plan"),
        ],
    )
    def test_what_is_wrong_is_named(self, provider, query, path):
        response = provider.get("/subscriptions", query)

        assert response.status_int == 400
        assert response.json["code"] == "invalid_parameter"
        assert [error["path"] for error in response.json["errors"]] == [path]
        assert response.json["errors"][0]["expected"]

    def test_an_unknown_one_is_told_the_known_ones(self, provider):
        response = provider.get("/subscriptions", {"plan": "x"})

        assert "service_plan" in response.json["errors"][0]["expected"]

    def test_a_call_without_any_refuses_all(self, provider):
        assert provider.get("/application-instances", {"limit": "1"}).status_int == 400

    def test_a_cursor_of_nobody_is_refused(self, provider):
        response = provider.get("/subscriptions", {"cursor": "abc"})

        assert response.status_int == 400
        assert response.json["code"] == "invalid_cursor"


class TestBodies:
    @pytest.mark.parametrize(
        ("text", "line", "column"), [('{"a": 1,\n  b}', 2, 3), ("", 1, 1), ('{"a": 1} x', 1, 10)]
    )
    def test_json_that_breaks_off_says_where(self, provider, text, line, column):
        response = provider.post_text("/upgrade-batches", text)

        assert response.status_int == 400
        assert response.json["code"] == "malformed_json"
        assert (response.json["line"], response.json["column"]) == (line, column)

    @pytest.mark.parametrize(
        "text",
        [
            b"\xff\xfe\xfd",
            '{"a": NaN}',
            '{"a": 1, "a": 2}',
            "[" * 100_000,
            '{"a": ' + "9" * 5_000 + "}",
        ],
    )
    def test_what_json_has_not_is_refused(self, provider, text):
        response = provider.post_text("/upgrade-batches", text)

        assert response.status_int == 400
        assert response.json["code"] == "malformed_json"

    @pytest.mark.parametrize("document", [[], "text", 5, None])
    def test_only_objects_are_asked_for(self, provider, document):
        response = provider.post_text("/upgrade-batches", json.dumps(document))

        assert response.status_int == 422
        assert response.json["errors"][0]["expected"] == "an object"

    def test_half_a_character_is_no_text(self, provider, world):
        body = json.dumps(world.request() | {"subscription_ids": ["\ud800"]})

        assert provider.post_text("/upgrade-batches", body).status_int == 422

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"]
    )
    def test_another_content_type_is_refused(self, provider, content_type):
        response = provider.post_text("/upgrade-batches", "{}", content_type)

        assert response.status_int == 415
        assert response.json["code"] == "unsupported_media_type"

    def test_a_charset_does_no_harm(self, provider, world):
        body = json.dumps(world.request(dry_run=True))

        assert (
            provider.post_text("/upgrade-batches", body, "application/json; charset=utf-8").status_int == 200
        )

    def test_one_that_is_too_large_is_not_read(self, provider, world, monkeypatch):
        monkeypatch.setattr("gateway.web.api.reading.MOST_BYTES", 10)

        response = provider.post("/upgrade-batches", world.request())

        assert response.status_int == 413
        assert response.json["code"] == "body_too_large"

    def test_a_caller_that_understands_no_json_is_told(self, provider):
        response = provider.get("/subscriptions", Accept="text/csv")

        assert response.status_int == 406
        assert response.json["code"] == "not_acceptable"


class TestOurTroubles:
    def test_a_mistake_of_ours_shows_nothing_and_is_logged(self, provider, clients, world, caplog):
        def fail(*_):
            raise RuntimeError("the secret inside")

        clients.ask_upgrade_targets = fail

        response = provider.get(f"/service-plans/{world.target.id}/upgrade-targets")

        assert response.status_int == 500
        assert response.json["code"] == "internal_error"
        assert "secret" not in response.text
        assert response.json["instance"] in caplog.text
        assert "the secret inside" in caplog.text

    def test_a_database_that_is_away_is_worth_another_try(self, tmp_path, background, clients):
        database = Database(f"sqlite:///{tmp_path}/missing/gateway.db")
        app = make_app(make_settings(), database=database, background=background, clients=clients)

        response = API(TestApp(app), f"o365gw_{12 * '0'}_{43 * 'x'}").get("/subscriptions")

        assert response.status_int == 503
        assert response.headers["Retry-After"] == "5"
        assert response.json["code"] == "database_unavailable"

    def test_what_was_written_before_an_error_is_rolled_back(self, provider, world, monkeypatch, database):
        def fail(_):
            raise RuntimeError("afterwards")

        monkeypatch.setattr("gateway.web.api.upgrade_views.present_scheduled", fail)

        assert provider.post("/upgrade-batches", world.request()).status_int == 500
        assert provider.get("/upgrade-batches").json["items"] == []


def test_a_redirection_is_no_error(app):
    found = HTTPFound("/elsewhere")

    assert on_http_exception(found, app) is found
