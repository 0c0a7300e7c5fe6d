"""What goes over the wire with every call, and what comes of each kind of answer."""

import socket
import threading
import uuid

import httpx2
import pytest

from gateway.partner_center import (
    BusyError,
    PartnerCenterClient,
    RefusedError,
    SignInError,
    ThrottledError,
    Timeouts,
    UnavailableError,
)
from gateway.partner_center.connection import MAX_ANSWER_BYTES, Connection, Request
from tests.unit.partner_center.helpers import (
    CUSTOMER,
    REFRESH_TOKEN,
    SECRET,
    Server,
    client_answered,
    client_of,
    credentials,
    fault,
    json_answer,
)

CUSTOMER_ANSWER = json_answer({"id": CUSTOMER})


def error_of(answer, kind):
    with pytest.raises(kind) as caught:
        client_answered(answer).get_customer(CUSTOMER)
    assert type(caught.value) is kind
    return caught.value


class TestRequest:
    def test_it_carries_the_standing_headers(self):
        server = Server(CUSTOMER_ANSWER)

        client_of(server).get_customer(CUSTOMER)

        headers = server.call.headers
        assert str(server.call.url) == f"https://api.example/v1/customers/{CUSTOMER}"
        assert headers["Authorization"] == "Bearer token-1"
        assert headers["Accept"] == "application/json"
        assert headers["X-Locale"] == "en-US"
        assert headers["MS-Contract-Version"] == "v1"
        assert headers["MS-PartnerCenter-Application"] == "Office365Gateway"
        assert uuid.UUID(headers["MS-RequestId"]).version == 4
        assert uuid.UUID(headers["MS-CorrelationId"]).version == 4

    def test_each_call_has_a_request_id_of_its_own(self):
        server = Server(CUSTOMER_ANSWER)
        client = client_of(server)

        client.get_customer(CUSTOMER)
        client.get_customer(CUSTOMER)

        assert server.calls[0].headers["MS-RequestId"] != server.calls[1].headers["MS-RequestId"]

    def test_a_view_sends_its_correlation_id_and_shares_the_token(self):
        server = Server(CUSTOMER_ANSWER)
        client = client_of(server)

        client.for_correlation("of-the-upgrade").get_customer(CUSTOMER)
        client.get_customer(CUSTOMER)

        assert server.calls[0].headers["MS-CorrelationId"] == "of-the-upgrade"
        assert server.calls[1].headers["MS-CorrelationId"] != "of-the-upgrade"
        assert len(server.token_requests) == 1

    def test_closing_a_view_leaves_the_client_open(self):
        with client_answered(CUSTOMER_ANSWER) as client:
            client.for_correlation("x").close()

            assert client.get_customer(CUSTOMER).id == CUSTOMER

    def test_a_closed_client_says_so(self):
        client = client_answered(CUSTOMER_ANSWER)
        client.close()

        with pytest.raises(UnavailableError, match="closed") as caught:
            client.get_customer(CUSTOMER)
        assert not caught.value.may_have_been_done

    def test_it_has_every_time_out(self):
        server = Server(CUSTOMER_ANSWER)

        client_of(server).get_customer(CUSTOMER)

        assert server.call.extensions["timeout"] == {"connect": 10, "read": 60, "write": 30, "pool": 10}
        assert server.token_requests[0].extensions["timeout"]["read"] == 60

    def test_time_outs_can_be_set(self):
        server = Server(CUSTOMER_ANSWER)
        client = PartnerCenterClient(
            credentials(), timeout=Timeouts(connect=1, read=2), transport=httpx2.MockTransport(server)
        )

        client.get_customer(CUSTOMER)

        assert server.call.extensions["timeout"] == {"connect": 1, "read": 2, "write": 30, "pool": 10}

    @pytest.mark.parametrize(
        "base", ["https://api.example/", "https://api.example/v1", "https://api.example/v1/"]
    )
    def test_the_base_address_may_have_its_version_and_a_slash(self, base):
        server = Server(CUSTOMER_ANSWER)

        client_of(server, base_url=base).get_customer(CUSTOMER)

        assert str(server.call.url) == f"https://api.example/v1/customers/{CUSTOMER}"

    def test_ids_cannot_change_the_path(self):
        server = Server(CUSTOMER_ANSWER)

        client_of(server).get_customer("../x?y#z/ü\ud800")

        assert server.call.url.raw_path == b"/v1/customers/..%2Fx%3Fy%23z%2F%C3%BC%3F"

    @pytest.mark.parametrize("empty", ["", "  ", ".", ".."])
    def test_a_call_without_an_id_is_not_sent(self, empty):
        server = Server(CUSTOMER_ANSWER)

        with pytest.raises(RefusedError, match="expected an id"):
            client_of(server).get_subscription(CUSTOMER, empty)

        assert server.calls == []

    def test_cookies_are_not_kept(self):
        server = Server(json_answer({"id": CUSTOMER}, Set_Cookie="affinity=1; Path=/"))
        client = client_of(server)

        client.get_customer(CUSTOMER)
        client.get_customer(CUSTOMER)

        assert "Cookie" not in server.call.headers

    def test_the_proxy_of_the_environment_is_no_way_to_this_machine(self, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
        monkeypatch.delenv("NO_PROXY", raising=False)
        address = "http://127.0.0.1:9"  # Nobody listens there.
        with PartnerCenterClient(credentials(base_url=address, authority_url=address)) as client:
            assert client._session._connection._http._mounts == {}


class TestExpiredToken:
    def test_it_is_renewed_and_the_call_repeated_with_its_request_id(self):
        server = Server(httpx2.Response(401), CUSTOMER_ANSWER)

        assert client_of(server).get_customer(CUSTOMER).id == CUSTOMER

        first, second = server.calls
        assert first.headers["MS-RequestId"] == second.headers["MS-RequestId"]
        assert first.headers["MS-CorrelationId"] == second.headers["MS-CorrelationId"]
        assert [call.headers["Authorization"] for call in server.calls] == [
            "Bearer token-1",
            "Bearer token-2",
        ]

    def test_a_second_refusal_needs_an_administrator(self):
        server = Server(fault(401, 900420, "Audience"))

        with pytest.raises(SignInError) as caught:
            client_of(server).get_customer(CUSTOMER)

        assert len(server.calls) == 2
        assert caught.value.code == 900420
        assert "audience" in caught.value.description

    def test_an_empty_refusal_is_enough(self):
        assert "tenantId" in error_of(httpx2.Response(401, html="<h1>No</h1>"), SignInError).description

    def test_a_renewal_that_fails_leaves_the_call_undone(self):
        server = Server(httpx2.Response(401))
        server.on_token = lambda request: (
            server.give_token(request) if len(server.token_requests) == 1 else httpx2.Response(500)
        )

        with pytest.raises(UnavailableError) as caught:
            client_of(server).get_customer(CUSTOMER)

        assert not caught.value.may_have_been_done


class TestErrors:
    @pytest.mark.parametrize("code", [800090, "800090", " 800090 "])
    def test_a_refusal_tells_code_and_description(self, code):
        answer = fault(
            400, code, "Subscription quantity\ncan't be decreased", MS_RequestId="a,a", MS_CorrelationId="b"
        )

        error = error_of(answer, RefusedError)

        assert (error.status, error.code) == (400, 800090)
        assert error.description == "Subscription quantity can't be decreased"
        assert (error.request_id, error.correlation_id) == ("a", "b")
        assert str(error) == (
            f"GET /v1/customers/{CUSTOMER}: HTTP 400, code 800090: Subscription quantity can't be decreased"
        )

    def test_without_an_echo_the_ids_are_those_that_were_sent(self):
        server = Server(fault(400, 1))

        with pytest.raises(RefusedError) as caught:
            client_of(server).for_correlation("c").get_customer(CUSTOMER)

        assert caught.value.request_id == server.call.headers["MS-RequestId"]
        assert caught.value.correlation_id == "c"

    def test_the_long_form_is_read_too(self):
        body = {
            "code": 600061,
            "message": "Exists already",
            "errorName": "AlreadyExists",
            "isRetryable": False,
        }

        error = error_of(json_answer(body, 403), RefusedError)

        assert (error.code, error.description) == (600061, "Exists already")

    @pytest.mark.parametrize(
        "text", ["<html>Bad gateway</html>", "", "null", "[1]", '"text"', "{", '{"code": {}}']
    )
    def test_a_body_that_says_nothing_is_an_error_without_code(self, text):
        error = error_of(httpx2.Response(404, text=text), RefusedError)

        assert error.is_not_found
        assert error.code is None

    @pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504, 301, 307, 304, 600])
    def test_a_server_in_trouble_may_have_done_it(self, status):
        assert error_of(httpx2.Response(status), UnavailableError).may_have_been_done

    def test_a_redirect_is_not_followed(self):
        server = Server(httpx2.Response(307, headers={"Location": "https://elsewhere.example/"}))

        with pytest.raises(UnavailableError):
            client_of(server).get_customer(CUSTOMER)

        assert [call.url.host for call in server.calls] == ["api.example"]

    def test_a_pause_that_a_failure_asks_for_is_told(self):
        assert error_of(httpx2.Response(503, headers={"Retry-After": "9"}), UnavailableError).retry_after == 9

    @pytest.mark.parametrize(
        ("headers", "pause"),
        [
            ({"Retry-After": "57"}, 57),
            ({"Retry-After": "1.5"}, 1.5),
            ({"Retry-After": "999999999"}, 3600),
            ({"Retry-After": "Mon, 23 Nov 2026 10:00:30 GMT", "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30),
            ({"Retry-After": "Mon, 23 Nov 2020 10:00:30 GMT"}, 0),
            ({"Retry-After": "later"}, 42),
            ({"Retry-After": "-1"}, 42),
            ({}, 42),
        ],
    )
    def test_throttling_says_how_long(self, headers, pause):
        body = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 42 seconds."}

        assert error_of(httpx2.Response(429, json=body, headers=headers), ThrottledError).retry_after == pause

    def test_throttling_that_does_not_say_lasts_a_minute(self):
        assert error_of(httpx2.Response(429), ThrottledError).retry_after == 60

    @pytest.mark.parametrize(
        ("status", "code", "pause"),
        [
            (409, 800060, 300),
            (409, 800064, 300),
            (409, 800082, 300),
            (400, 800082, 300),
            (400, 900261, 300),
            (409, 900278, 3600),
            (409, 27009, 300),
            (409, None, 300),
        ],
    )
    def test_what_is_going_on_is_waited_for(self, status, code, pause):
        assert error_of(fault(status, code), BusyError).retry_after == pause

    def test_a_busy_resource_may_say_how_long(self):
        assert error_of(fault(409, 800082, Retry_After="12"), BusyError).retry_after == 12

    def test_a_call_that_needs_a_user_asks_the_administrator_for_one(self):
        assert "refreshToken" in error_of(fault(403, 900329), SignInError).description

    @pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 410, 412, 417, 451])
    def test_everything_else_is_final(self, status):
        assert error_of(fault(status, 2055), RefusedError).is_not_found == (status == 404)

    def test_a_token_that_comes_back_is_hidden(self):
        token = "eyJ0eXAi.eyJhdWQi.c2lnbmF0dXJl"

        error = error_of(fault(400, 1, f"token-1 and {token} are no good"), RefusedError)

        assert error.description == "*** and *** are no good"

    def test_a_long_description_is_cut(self):
        assert len(error_of(fault(400, 1, "x" * 5000), RefusedError).description) == 1024


class TestTransport:
    @pytest.mark.parametrize(
        "failure",
        [
            httpx2.ConnectError("refused"),
            httpx2.ConnectTimeout("late"),
            httpx2.PoolTimeout("busy"),
            httpx2.ProxyError("407"),
        ],
    )
    def test_what_never_left_was_not_done(self, failure):
        assert not error_of(failure, UnavailableError).may_have_been_done

    @pytest.mark.parametrize(
        "failure",
        [
            httpx2.ReadTimeout("late"),
            httpx2.WriteTimeout("late"),
            httpx2.ReadError("cut"),
            httpx2.WriteError("cut"),
            httpx2.RemoteProtocolError("cut"),
            httpx2.DecodingError("gzip"),
            UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"),
        ],
    )
    def test_what_broke_on_the_way_may_have_been_done(self, failure):
        assert error_of(failure, UnavailableError).may_have_been_done

    def test_a_call_without_an_answer_still_has_its_ids(self):
        server = Server(httpx2.ReadTimeout("late"))

        with pytest.raises(UnavailableError, match="ReadTimeout: late") as caught:
            client_of(server).for_correlation("c").get_customer(CUSTOMER)

        assert caught.value.request_id == server.call.headers["MS-RequestId"]
        assert caught.value.correlation_id == "c"

    def test_a_failure_that_quotes_the_token_hides_it(self):
        error = error_of(
            httpx2.LocalProtocolError("Illegal header value b'Bearer token-1'"), UnavailableError
        )

        assert "Bearer ***" in str(error)

    def test_a_client_closed_in_between_says_so(self):
        assert error_of(RuntimeError("closed"), UnavailableError).may_have_been_done

    def test_a_server_that_speaks_no_tls_did_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = threading.Thread(target=answer_in_plain_text, args=[listener])
            server.start()
            address = f"https://127.0.0.1:{listener.getsockname()[1]}"
            with (
                PartnerCenterClient(credentials(base_url=address, authority_url=address)) as client,
                pytest.raises(UnavailableError) as caught,
            ):
                client.check_connection()
            server.join(10)
        assert not caught.value.may_have_been_done

    def test_nothing_listening_is_told_apart(self):
        address = "http://127.0.0.1:1"
        with (
            PartnerCenterClient(credentials(base_url=address, authority_url=address)) as client,
            pytest.raises(UnavailableError) as caught,
        ):
            client.check_connection()
        assert not caught.value.may_have_been_done

    def test_an_endless_answer_is_cut_off(self):
        def endless():
            while True:
                yield b" " * 1024 * 1024

        assert str(MAX_ANSWER_BYTES) in str(error_of(httpx2_stream(endless()), UnavailableError))

    def test_an_answer_that_does_not_end_in_time_is_cut_off(self):
        transport = httpx2.MockTransport(httpx2_stream(iter([b" ", b"{}"])))
        connection = Connection(Timeouts(total=-1), 1, transport=transport, local=False)

        with pytest.raises(UnavailableError, match="in time") as caught:
            connection.send(Request(method="GET", url="https://api.example/v1/x", headers={}))
        assert caught.value.may_have_been_done

    def test_an_answer_that_is_no_gzip_is_unreadable(self):
        answer = httpx2_stream(iter([b"not gzip"]), {"Content-Encoding": "gzip"})

        assert error_of(answer, UnavailableError).may_have_been_done


def answer_in_plain_text(listener):
    listener.settimeout(10)
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(10)
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def httpx2_stream(chunks, headers=None):
    return lambda request: httpx2.Response(200, headers=headers, content=chunks)


@pytest.mark.parametrize("level", ["DEBUG"])
def test_no_secret_is_ever_logged(caplog, level):
    caplog.set_level(level)
    server = Server(httpx2.Response(401), fault(400, 1, "token-2"))

    with pytest.raises(RefusedError) as caught:
        client_of(server, refresh_token=REFRESH_TOKEN).get_customer(CUSTOMER)

    everything = caplog.text + str(caught.value) + repr(caught.value) + repr(vars(caught.value))
    assert not [secret for secret in (SECRET, REFRESH_TOKEN, "token-1", "token-2") if secret in everything]
