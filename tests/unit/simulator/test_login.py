import pytest

from tests.unit.simulator.helpers import CUSTOMER


class TestToken:
    def test_version_2_answers_numbers(self, client):
        answer = client.login()

        assert answer.json["expires_in"] == 3599
        assert "expires_on" not in answer.json
        assert answer.json["scope"].endswith("/user_impersonation")

    def test_version_1_answers_numbers_as_text(self, client):
        body = client.login(version="").json

        assert body["expires_in"] == "3599"
        assert int(body["expires_on"]) == int(client.clock.now().timestamp()) + 3599
        assert body["resource"] == "https://api.partnercenter.microsoft.com"

    def test_a_refresh_token_that_was_issued_is_accepted(self, client):
        issued = client.login().json["refresh_token"]

        assert client.login(refresh_token=issued).status == 200

    def test_an_application_alone_gets_no_refresh_token(self, client):
        assert "refresh_token" not in client.login(grant_type="client_credentials").json

    @pytest.mark.parametrize(
        ("changes", "status", "error", "code"),
        [
            ({"client_id": "somebody"}, 400, "unauthorized_client", 700016),
            ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
            ({"refresh_token": "wrong"}, 400, "invalid_grant", 700082),
            ({"refresh_token": "a.b.c"}, 400, "invalid_grant", 700082),
            ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
            ({"scope": ""}, 400, "invalid_request", 900144),
        ],
    )
    def test_a_refusal_has_the_login_hosts_shape(self, client, changes, status, error, code):
        answer = client.login(**changes)

        assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (status, error, [code])
        assert answer.json["error_description"].startswith(f"AADSTS{code}: ")
        assert "wrong" not in answer.json["error_description"]


class TestAccess:
    def test_a_call_without_token_is_refused(self, start):
        answer = start(signed_in=False).get("/v1/customers")

        assert (answer.status, answer.json["code"]) == (401, 800001)
        assert answer.headers["WWW-Authenticate"].startswith("OAuth realm=")

    def test_a_forged_token_is_refused(self, client):
        client.token += "x"

        assert client.get("/v1/customers").status == 401

    def test_a_token_ends_with_its_life(self, client):
        client.configure(token_life_seconds=60)
        client.sign_in()
        client.clock.sleep(59)
        assert client.get("/v1/customers").status == 200

        client.clock.sleep(1)

        assert client.get("/v1/customers").status == 401

    def test_the_retired_audience_is_refused(self, client):
        client.sign_in(scope="https://graph.windows.net/.default")

        answer = client.get("/v1/customers")

        assert (answer.status, answer.json["code"]) == (401, 900420)

    @pytest.mark.parametrize("path", ["users", "subscribedskus", "users/x/licenses"])
    def test_people_and_licences_need_a_user(self, client, path):
        client.sign_in(grant_type="client_credentials")

        answer = client.get(f"/v1/customers/{CUSTOMER}/{path}")

        assert (answer.status, answer.json["code"]) == (403, 900329)

    def test_an_application_alone_may_read_subscriptions(self, client):
        client.sign_in(grant_type="client_credentials")

        assert client.get(f"/v1/customers/{CUSTOMER}/subscriptions").status == 200
