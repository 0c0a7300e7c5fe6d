from __future__ import annotations

import threading

import httpx2
import pytest

from gateway.engine import Outcome
from gateway.engine.trying import Trials
from gateway.partner_center import Credentials

SECRET, REFRESH = "a-client-secret", "a-refresh-token"
TOKEN = {"access_token": "a-token", "expires_in": 3599}
CREDENTIALS = Credentials(
    base_url="https://partner.example",
    authority_url="https://login.example",
    tenant_id="partner.example",
    client_id="an-application",
    client_secret=SECRET,
    refresh_token=REFRESH,
)


def answers(*responses):
    """A network that answers the login first, then Partner Center."""
    left = list(responses)
    asked = []

    def handle(request):
        asked.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return httpx2.Response(status, json=body)

    transport = httpx2.MockTransport(handle)
    return transport, asked


def run(*responses):
    transport, _ = answers(*responses)
    return Trials({"office 365": CREDENTIALS}, transport).run("Office 365")


class TestTheReport:
    def test_it_signs_in_anew_and_reads_one_customer(self):
        transport, asked = answers((200, TOKEN), (200, {"items": []}))

        report = Trials({"office 365": CREDENTIALS}, transport).run("OFFICE 365")

        assert report.outcome is Outcome.SERVES
        assert [(each.method, each.url.path) for each in asked] == [
            ("POST", "/partner.example/oauth2/v2.0/token"),
            ("GET", "/v1/customers"),
        ]
        assert asked[1].url.params["size"] == "1"

    @pytest.mark.parametrize(
        ("responses", "outcome", "to_do"),
        [
            ([(401, {"error": "invalid_client", "error_codes": [7000215]})], "sign_in_refused", "secret"),
            (
                [(400, {"error": "invalid_grant", "error_codes": [700082]})],
                "sign_in_refused",
                "refresh token",
            ),
            ([(400, {"error": "invalid_request", "error_codes": [90002]})], "wrong_tenant", "tenantId"),
            ([httpx2.ConnectError("no route")], "not_reachable", "authorityUrl"),
            ([(200, TOKEN), httpx2.ReadTimeout("late")], "not_reachable", "firewall"),
            ([(200, TOKEN), (503, {})], "not_reachable", "Microsoft may be out of order"),
            ([(200, TOKEN), (429, {})], "throttled", "Wait 60 s"),
            ([(200, TOKEN), (401, {}), (200, TOKEN), (401, {})], "sign_in_refused", "tenantId"),
            ([(200, TOKEN), (403, {"code": 400})], "refused", "Admin agent"),
            ([(200, TOKEN), (200, [])], "not_reachable", ""),
        ],
    )
    def test_it_says_what_is_wrong_and_what_to_do(self, responses, outcome, to_do):
        report = run(*responses)

        assert report.outcome.value == outcome
        assert to_do.lower() in report.to_do.lower()

    def test_it_holds_no_secret_even_if_microsoft_quotes_one(self):
        quoted = {"error": "invalid_client", "error_description": f"{SECRET} and {REFRESH} are wrong"}

        report = run((401, quoted))

        assert SECRET not in repr(report)
        assert REFRESH not in repr(report)


class TestTrials:
    def test_an_instance_whose_simulator_is_not_there_is_not_tried(self):
        assert Trials({}, None).run("Office 365").outcome is Outcome.NOT_TRIED

    def test_one_at_a_time(self):
        inside, leave = threading.Event(), threading.Event()

        def handle(_request):
            inside.set()
            assert leave.wait(10)
            return httpx2.Response(503)

        trials = Trials({"office 365": CREDENTIALS}, httpx2.MockTransport(handle))
        first = threading.Thread(target=trials.run, args=("Office 365",))
        first.start()
        assert inside.wait(10)

        second = trials.run("office 365")
        leave.set()
        first.join(10)

        assert second.outcome is Outcome.NOT_TRIED
        assert trials.run("Office 365").outcome is Outcome.NOT_REACHABLE
