from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.engine import Outcome, Report
from gateway.models import AuditEntry
from gateway.settings import InstanceSettings
from tests.unit.web.helpers import make_settings

URL = "/provider/services/applications/aps-connectors/office-365/instances/office365"
SECRETS = {"client_secret": "the-client-secret", "refresh_token": "the-refresh-token"}


def instance(**changes):
    values = {"name": "Office 365", "tenant_id": "partner.example", "client_id": "an-application"}
    return make_settings(application_instances=(InstanceSettings(**(values | SECRETS | changes)),))


class TestTheInstance:
    @pytest.fixture
    def settings(self):
        return instance()

    def test_it_shows_what_is_configured_and_no_secret(self, provider):
        page = provider.get(URL)

        assert "partner.example" in page
        assert "an-application" in page
        assert "App+User" in page
        assert not [secret for secret in SECRETS.values() if secret in page]

    def test_the_test_says_how_it_ended_and_is_in_the_audit_log(self, db, clients, provider):
        clients.reports["Office 365"] = Report(
            Outcome.SIGN_IN_REFUSED, "POST /token: HTTP 401", "Create a new one", 1.5, "r-1", "c-1"
        )

        page = next(each for each in provider.get(URL).forms.values() if each.action.endswith("connection"))
        answer = page.submit()

        told = answer.html.select_one(".message.failed").get_text(" ", strip=True)
        assert "Microsoft refused the sign-in after 1.5 s Create a new one." in told
        assert "r-1" in told
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "connection_tested")).one()
        assert (entry.subject, entry.detail) == ("instance Office 365", "Microsoft refused the sign-in")

    def test_an_instance_that_is_not_configured_is_not_tested(self, db, factories, provider):
        factories.application_instance(id="europe", name="Europe")
        db.commit()

        page = provider.post(URL.replace("office365", "europe") + "/test-connection")

        assert "Settings.config has no application instance named Europe" in page

    def test_another_one_is_not_found(self, provider):
        assert provider.post(URL.replace("office365", "x") + "/test-connection").status_int == 404


class TestAppOnly:
    @pytest.fixture
    def settings(self):
        return instance(refresh_token="")

    def test_it_says_what_that_means(self, provider):
        page = provider.get(URL)

        assert "App-only" in page
        assert "licenses have moved cannot be looked at" in page
