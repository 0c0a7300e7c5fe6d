from __future__ import annotations

import pytest


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.mark.parametrize("path", ["/", "/livez", "/health", "/metrics", "/nothing", "/static/gateway.css"])
def test_every_answer_is_guarded(app, path):
    response = app.get(path, expect_errors=True)

    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


def test_the_api_is_not_kept_by_caches(provider):
    assert provider.get("/subscriptions").headers["Cache-Control"] == "no-store"


def test_a_request_id_comes_back(provider):
    response = provider.get("/subscriptions", X_Request_ID="client-17")

    assert response.headers["X-Request-ID"] == "client-17"


@pytest.mark.parametrize("given", ["two words", "x" * 129, "<script>", ""])
def test_one_that_could_do_harm_is_replaced(app, given):
    response = app.get("/livez", headers={"X-Request-ID": given})

    assert response.headers["X-Request-ID"] not in ("", given)


def test_a_request_leaves_a_line(provider, world, caplog):
    caplog.set_level("INFO")

    provider.get(f"/subscriptions/{world.subscription.id}", X_Request_ID="r1")

    [record] = [each for each in caplog.records if each.name == "gateway.web.observing"]
    assert record.levelname == "INFO"
    assert record.method == "GET"
    assert record.route == "/api/v1/subscriptions/{subscription_id}"
    assert record.status == 200
    assert record.duration > 0
    assert record.account == world.provider.id
    assert record.request_id == "r1"


def test_the_start_page_leads_on(app):
    page = app.get("/")

    assert page.content_type == "text/html"
    for link in ("/health", "/api/v1/openapi.json", "/static/gateway.css", "/static/icon.svg"):
        assert f'"{link}"' in page.text
        assert app.get(link).status_int == 200


def test_the_start_page_needs_nothing_that_its_policy_forbids(app):
    page = app.get("/").text

    assert "<script" not in page
    assert "style=" not in page
    assert "<style" not in page
