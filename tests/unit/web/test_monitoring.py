from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from webtest import TestApp

from gateway.db import Database, utcnow
from gateway.engine.pauses import Pause
from gateway.models import UpgradeStatus
from gateway.schema import newest_revision
from gateway.web import make_app
from gateway.web.monitoring.cache import Cached
from tests.factories import NOW
from tests.unit.web.helpers import make_settings


class TestProbes:
    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/health"])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
    def test_they_answer_whatever_is_sent_to_them(self, app, path, method):
        response = app.request(path, method=method, headers={"Host": "10.0.0.7", "Accept": "image/png"})

        assert response.status_int == 200
        assert (response.body == b"") is (method == "HEAD")

    def test_the_word_is_stable(self, app):
        response = app.get("/readyz")

        assert response.text == "status: pass\n"
        assert response.content_type == "text/plain"

    def test_verbose_lists_the_checks(self, app):
        assert app.get("/readyz?verbose").text == (
            "[+]database ok\n[+]schema ok\n[+]draining ok\nreadyz check passed\nstatus: pass\n"
        )

    def test_other_methods_are_refused(self, app):
        response = app.post("/livez", status=405)

        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"

    @pytest.mark.parametrize("status", [{"draining": True}, {"state": "Stopping"}])
    def test_a_worker_that_drains_lives_and_is_not_ready(self, app, router, status):
        router.registry["gateway.pool_status"].update(status)

        assert app.get("/readyz", status=503).text == "status: draining\n"
        assert app.get("/livez").text == "status: pass\n"
        assert app.get("/startupz").text == "status: pass\n"
        assert app.get("/health").json["checks"]["draining:state"][0]["observedValue"] is True

    def test_a_database_that_is_away_is_not_ready_and_not_dead(self, lost_app):
        assert lost_app.get("/livez").status_int == 200
        response = lost_app.get("/readyz?verbose", status=503)
        assert "[-]database failed: the database cannot be reached\n" in response.text
        assert response.text.endswith("status: fail\n")
        assert lost_app.get("/startupz", status=503)

    def test_the_start_is_over_once(self, app):
        assert app.get("/startupz?verbose").text.count("[+]") == 2

    def test_a_schema_that_is_not_the_newest_keeps_it_from_being_ready(self, router, db):
        db.execute(text("DROP TABLE alembic_version"))
        db.commit()

        assert router.registry["gateway.readiness"]() == [
            f"schema: the schema is at revision None, expected {newest_revision()}; run `gateway init`"
        ]

    def test_a_schema_of_a_newer_program_is_not_for_gateway_init(self, router, db):
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        db.commit()

        assert router.registry["gateway.readiness"]() == [
            f"schema: the schema is at revision 9999, expected {newest_revision()}; update this program"
        ]


class TestHealth:
    def test_all_is_well(self, app, router):
        response = app.get("/health")

        assert response.content_type == "application/health+json"
        body = response.json
        assert body["status"] == "pass"
        assert body["serviceId"] == "node"
        [database] = body["checks"]["database:responseTime"]
        assert database["observedUnit"] == "ms"
        assert database["componentType"] == "datastore"
        assert body["checks"]["engine:limit"][0]["observedValue"] == 10
        assert body["checks"]["settings:revision"][0]["observedValue"] == make_settings().revision
        assert body["checks"]["partner-center:availability"][0]["componentId"] == "Office 365"

    def test_microsoft_in_trouble_is_a_warning(self, app, clients):
        clients.troubles["Office 365"] = (NOW, "500 and a secret")

        response = app.get("/health")

        assert response.status_int == 200
        assert response.json["status"] == "warn"
        [check] = response.json["checks"]["partner-center:availability"]
        assert check["status"] == "warn"
        assert check["output"] == "has not served since 2026-11-23T09:00:00Z"

    def test_a_pause_between_calls_is_a_warning(self, app, clients):
        clients.told_pauses["Office 365"] = Pause(NOW, "Microsoft does not answer")

        [check] = app.get("/health").json["checks"]["partner-center:availability"]

        assert check["status"] == "warn"
        assert check["output"] == "is asked again at 2026-11-23T09:00:00Z: Microsoft does not answer"

    def test_a_file_that_is_refused_is_a_warning(self, app, router):
        router.registry["gateway.pool_status"].update(state="Started", config_error="line 3: clientSecret=x")

        body = app.get("/health").json

        assert body["status"] == "warn"
        assert body["checks"]["pool:state"][0]["observedValue"] == "Started"
        assert "clientSecret" not in str(body)

    def test_an_engine_without_a_sign_of_life_is_a_warning(self, app, background):
        background.figures["last_heartbeat_at"] = utcnow() - timedelta(minutes=5)

        [check] = app.get("/health").json["checks"]["engine:heartbeatAge"]

        assert check["status"] == "warn"
        assert check["observedValue"] >= 300

    def test_no_database_is_a_failure(self, lost_app):
        response = lost_app.get("/health", status=503)

        assert response.json["status"] == "fail"
        assert response.json["checks"]["database:responseTime"][0]["status"] == "fail"

    def test_warnings_of_the_settings_are_shown(self, database, background, clients):
        settings = make_settings(warnings=("MAX_ALOWED is unknown",))
        app = make_app(settings, database=database, background=background, clients=clients)

        body = TestApp(app).get("/health").json

        assert body["status"] == "warn"
        assert body["checks"]["settings:warning"][0]["output"] == "MAX_ALOWED is unknown"


class TestMetrics:
    def test_the_queue_is_shown(self, app, db, factories):
        factories.upgrade()
        factories.upgrade(status=UpgradeStatus.IN_PROGRESS)
        factories.upgrade(status=UpgradeStatus.FAILED)
        db.commit()

        samples = scrape(app)

        assert samples["o365gw_upgrades_queued"] == 1
        assert samples["o365gw_upgrades_in_progress"] == 1
        assert samples["o365gw_upgrades_limit"] == 10
        assert samples["o365gw_upgrades_total", "failed"] == 1
        assert samples["o365gw_upgrades_total", "completed"] == 0
        assert samples["o365gw_oldest_pending_upgrade_timestamp_seconds"] == NOW.timestamp()
        assert samples["o365gw_database_up"] == 1

    def test_nothing_pending_is_zero(self, app):
        assert scrape(app)["o365gw_oldest_pending_upgrade_timestamp_seconds"] == 0

    def test_requests_are_measured_by_route(self, app):
        app.get("/api/v1/subscriptions/secret-id", expect_errors=True)

        text = app.get("/metrics").text

        labels = 'code="401",method="GET",route="/api/v1/subscriptions/{subscription_id}"'
        assert f"http_request_duration_seconds_count{{{labels}}} 1.0" in text
        assert "secret-id" not in text

    @pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
    def test_invented_methods_share_a_label(self, app):
        app.request("/livez", method="BREW", expect_errors=True)

        text = app.get("/metrics").text

        assert 'method="other"' in text
        assert "BREW" not in text

    def test_the_pool_is_shown(self, app, router):
        status = {"state": "Started", "recycles": 2, "failures": 0, "config_error": None}
        router.registry["gateway.pool_status"].update(status)

        samples = scrape(app)

        assert samples["o365gw_pool_state", "Started"] == 1
        assert samples["o365gw_pool_state", "Stopped"] == 0
        assert samples["o365gw_pool_recycles_total"] == 2
        assert samples["o365gw_pool_config_invalid"] == 0

    def test_without_a_database_the_rest_is_still_told(self, lost_app):
        samples = scrape(lost_app)

        assert samples["o365gw_database_up"] == 0
        assert "o365gw_upgrades_queued" not in samples

    def test_the_heartbeat_is_shown(self, app, background):
        background.figures["last_heartbeat_at"] = NOW

        assert scrape(app)["o365gw_engine_heartbeat_timestamp_seconds"] == NOW.timestamp()


class TestCached:
    def test_it_computes_once_in_so_many_seconds(self):
        now = [0.0]
        cached = Cached(itertools.count(1).__next__, 1.0, clock=lambda: now[0])

        first, second = cached(), cached()
        now[0] = 1.0
        third = cached()

        assert (first, second, third) == (1, 1, 2)


def scrape(app):
    """Samples by name, or by name and the value of their one label."""
    samples = {}
    for family in text_string_to_metric_families(app.get("/metrics").text):
        for sample in family.samples:
            key = (sample.name, *sample.labels.values()) if len(sample.labels) == 1 else sample.name
            samples[key] = sample.value
    return samples


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture
def lost_app(tmp_path, background, clients):
    database = Database(f"sqlite:///{tmp_path}/missing/gateway.db")
    yield TestApp(make_app(make_settings(), database=database, background=background, clients=clients))
    database.close()
