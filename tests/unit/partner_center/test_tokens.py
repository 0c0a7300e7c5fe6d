"""Signing in: what is asked, when it is asked again, who waits for whom."""

import threading
import urllib.parse
from concurrent.futures import Future, ThreadPoolExecutor

import httpx2
import pytest

from gateway.partner_center import SignInError, ThrottledError, UnavailableError, tokens
from gateway.partner_center.connection import Connection, Timeouts
from gateway.partner_center.tokens import TokenSource
from tests.unit.partner_center.helpers import REFRESH_TOKEN, SECRET, Server, credentials, json_answer


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def make_source(server, clock):
    def make(**changes):
        callback = changes.pop("on_refresh_token", None)
        connection = Connection(Timeouts(), 5, transport=httpx2.MockTransport(server), local=False)
        return TokenSource(credentials(**changes), connection, clock=clock, on_refresh_token=callback)

    return make


def form_of(request):
    return dict(urllib.parse.parse_qsl(request.content.decode()))


class TestRequest:
    def test_an_application_alone_sends_its_secret(self, server, make_source):
        make_source().token()

        assert str(server.token_requests[0].url) == "https://login.example/partner.example/oauth2/v2.0/token"
        assert form_of(server.token_requests[0]) == {
            "grant_type": "client_credentials",
            "client_id": "the-application",
            "client_secret": SECRET,
            "scope": "https://api.partnercenter.microsoft.com/.default",
        }

    def test_a_user_is_signed_in_with_the_refresh_token(self, server, make_source):
        make_source(refresh_token=REFRESH_TOKEN).token()

        form = form_of(server.token_requests[0])
        assert (form["grant_type"], form["refresh_token"]) == ("refresh_token", REFRESH_TOKEN)

    def test_it_tells_whether_it_works_for_a_user(self, make_source):
        assert not make_source().supports_users
        assert make_source(refresh_token=REFRESH_TOKEN).supports_users


class TestRenewal:
    @pytest.mark.parametrize(
        ("life", "last_use", "renewal"),
        [(3600, 3299, 3301), ("3599", 3298, 3300), (100, 79, 81), (3600.0, 0, 3300)],
    )
    def test_it_comes_some_time_before_the_end(self, server, make_source, clock, life, last_use, renewal):
        server.on_token = lambda request: json_answer(
            {"access_token": f"t{len(server.token_requests)}", "expires_in": life}
        )
        source = make_source()
        start = clock.now

        assert source.token() == "t1"
        clock.now = start + last_use
        assert source.token() == "t1"
        clock.now = start + renewal
        assert source.token() == "t2"

    def test_a_life_that_is_not_told_is_an_hour(self, server, make_source, clock):
        server.on_token = lambda request: json_answer({"access_token": f"t{len(server.token_requests)}"})
        source = make_source()

        source.token()
        clock.now += 3000
        assert source.token() == "t1"

    def test_a_refused_token_is_forgotten(self, make_source):
        source = make_source()

        source.invalidate(source.token())

        assert source.token() == "token-2"

    def test_a_token_that_was_replaced_already_is_kept(self, make_source):
        source = make_source()
        old = source.token()
        source.invalidate(old)
        source.token()

        source.invalidate(old)

        assert source.token() == "token-2"

    def test_one_thread_renews_and_the_others_share_it(self, server, make_source):
        asked, answer = threading.Event(), threading.Event()

        def slow(request):
            asked.set()
            assert answer.wait(10)
            return json_answer({"access_token": "shared", "expires_in": 3600})

        server.on_token = slow
        source = make_source()
        with ThreadPoolExecutor(8) as pool:
            given = [pool.submit(source.token) for _ in range(8)]
            assert asked.wait(10)
            answer.set()
            assert {token.result(10) for token in given} == {"shared"}
        assert len(server.token_requests) == 1

    def test_those_who_wait_share_a_failure_too(self, server, make_source):
        asked, answer = threading.Event(), threading.Event()

        def slow(request):
            asked.set()
            assert answer.wait(10)
            return httpx2.Response(503)

        server.on_token = slow
        source = make_source()
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(source.token)
            assert asked.wait(10)
            renewal = source._renewal
            second = pool.submit(source.token)
            answer.set()
            errors = [first.exception(10), second.exception(10)]
        assert renewal is not None
        assert all(isinstance(error, UnavailableError) and not error.may_have_been_done for error in errors)
        assert [getattr(error, "is_shared", None) for error in errors] == [False, True]

    def test_an_interrupted_renewal_leaves_nobody_waiting(self, server, make_source):
        def interrupted(request):
            raise KeyboardInterrupt

        server.on_token = interrupted
        source = make_source()
        with pytest.raises(KeyboardInterrupt):
            source.token()

        server.on_token = server.give_token
        assert source.token() == "token-2"

    def test_nobody_waits_for_ever(self, server, make_source, monkeypatch):
        monkeypatch.setattr(tokens, "LONGEST_WAIT", 0.01)
        source = make_source()
        source._renewal = Future()

        with pytest.raises(UnavailableError) as caught:
            source.token()
        assert not caught.value.may_have_been_done

    def test_the_next_one_tries_again_after_a_failure(self, server, make_source):
        server.on_token = lambda request: httpx2.Response(503)
        source = make_source()
        with pytest.raises(UnavailableError):
            source.token()

        server.on_token = server.give_token
        assert source.token() == "token-2"

    def test_the_old_token_serves_while_the_login_host_is_away(self, server, make_source, clock):
        source = make_source()
        source.token()
        server.on_token = lambda request: httpx2.Response(503)

        clock.now += 3400
        assert source.token() == "token-1"
        assert source.token() == "token-1"
        assert len(server.token_requests) == 2  # Not one more for each call.
        clock.now += 200
        with pytest.raises(UnavailableError):
            source.token()


class TestRefreshToken:
    def test_the_newest_one_is_used_and_handed_on(self, server, make_source):
        handed_on: list[str] = []
        server.on_token = lambda request: json_answer(
            {"access_token": "t", "expires_in": 0, "refresh_token": f"refresh-{len(server.token_requests)}"}
        )
        source = make_source(refresh_token=REFRESH_TOKEN, on_refresh_token=handed_on.append)

        source.token()
        source.token()

        assert form_of(server.token_requests[1])["refresh_token"] == "refresh-1"
        assert handed_on == ["refresh-1", "refresh-2"]

    def test_the_same_one_again_is_no_news(self, server, make_source):
        handed_on: list[str] = []
        server.on_token = lambda request: json_answer({"access_token": "t", "refresh_token": REFRESH_TOKEN})

        make_source(refresh_token=REFRESH_TOKEN, on_refresh_token=handed_on.append).token()

        assert handed_on == []

    def test_an_application_alone_stays_alone(self, server, make_source):
        server.on_token = lambda request: json_answer(
            {"access_token": "t", "expires_in": 0, "refresh_token": "r"}
        )
        source = make_source()

        source.token()
        source.token()

        assert form_of(server.token_requests[1])["grant_type"] == "client_credentials"


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "error", "text", "codes", "code", "remedy"),
        [
            (
                401,
                "invalid_client",
                "AADSTS7000215: Invalid client secret",
                [7000215],
                7000215,
                "clientSecret",
            ),
            (400, "unauthorized_client", "AADSTS700016: Unknown application", None, 700016, "clientId"),
            (
                400,
                "invalid_grant",
                "AADSTS700082: The refresh token has expired",
                [700082],
                700082,
                "refreshToken",
            ),
            (400, "invalid_grant", "AADSTS50076: Use a second factor", ["50076"], 50076, "multi-factor"),
            (400, "something_new", "", None, None, "authorityUrl"),
        ],
    )
    def test_it_says_what_to_do(self, server, make_source, status, error, text, codes, code, remedy):
        body = {"error": error, "error_description": text, "error_codes": codes}
        server.on_token = lambda request: json_answer(body, status)

        with pytest.raises(SignInError) as caught:
            make_source().token()

        assert caught.value.code == code
        assert caught.value.status == status
        assert remedy in caught.value.description

    @pytest.mark.parametrize("body", ["<html>Not here</html>", "", "[]", "null"])
    def test_a_login_host_that_is_none_is_refused_too(self, server, make_source, body):
        server.on_token = lambda request: httpx2.Response(404, text=body)

        with pytest.raises(SignInError):
            make_source().token()

    def test_a_secret_that_comes_back_is_hidden(self, server, make_source):
        text = f"AADSTS7000215: {SECRET} and {REFRESH_TOKEN} are no good"
        server.on_token = lambda request: json_answer({"error": "x", "error_description": text}, 400)

        with pytest.raises(SignInError) as caught:
            make_source(refresh_token=REFRESH_TOKEN).token()

        assert str(caught.value).endswith("AADSTS7000215: *** and *** are no good")

    @pytest.mark.parametrize(
        "answer",
        [
            httpx2.Response(503),
            httpx2.Response(302, headers={"Location": "https://elsewhere.example"}),
            json_answer({"error": "temporarily_unavailable"}, 400),
            httpx2.Response(200, text="<html>"),
            json_answer({"token_type": "Bearer"}),
            json_answer({"access_token": "two words"}),
            json_answer({"access_token": "line\nbreak"}),
            json_answer({"access_token": "t", "expires_in": "soon"}),
            json_answer({"access_token": ["t"]}),
        ],
    )
    def test_a_login_host_in_trouble_is_worth_another_try(self, server, make_source, answer):
        server.on_token = lambda request: answer

        with pytest.raises(UnavailableError) as caught:
            make_source().token()

        assert not caught.value.may_have_been_done

    def test_throttling_is_passed_on(self, server, make_source):
        server.on_token = lambda request: httpx2.Response(429, headers={"Retry-After": "7"})

        with pytest.raises(ThrottledError) as caught:
            make_source().token()

        assert caught.value.retry_after == 7

    def test_a_connection_that_breaks_never_reached_partner_center(self, server, make_source):
        def broken(request):
            raise httpx2.ReadTimeout("late", request=request)

        server.on_token = broken

        with pytest.raises(UnavailableError) as caught:
            make_source().token()

        assert not caught.value.may_have_been_done


def test_secrets_stay_out_of_representations():
    text = repr(credentials(refresh_token=REFRESH_TOKEN))

    assert SECRET not in text
    assert REFRESH_TOKEN not in text
