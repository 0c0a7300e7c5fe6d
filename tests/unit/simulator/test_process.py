"""The simulator as a process of its own, spoken to over sockets."""

import http.client
import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest

from tests.unit.simulator.helpers import CUSTOMER, STANDARD_ITEM, path_of, subscription, write_catalog

READY = "Partner Center simulator ready on http://127.0.0.1:"
WAIT_SECONDS = 20

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ends processes by signals")


class Process:
    def __init__(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> None:
        command = [sys.executable, "-m", "gateway.simulator", "--port", "0", *arguments]
        self.child = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line.startswith(READY)
        self.port = int(line.removeprefix(READY))
        self.token = ""

    def call(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        try:
            content = body if isinstance(body, str) else json.dumps(body) if body is not None else None
            sent = {"Authorization": f"Bearer {self.token}", **headers}
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            payload = response.read()
            return response.status, json.loads(payload) if payload else None
        finally:
            connection.close()

    def sign_in(self):
        form = {
            "grant_type": "client_credentials",
            "client_id": "simulated-client",
            "client_secret": "simulated-secret",
            "scope": "https://api.partnercenter.microsoft.com/.default",
        }
        self.token = self.call("POST", "/partner/oauth2/v2.0/token", urlencode(form))[1]["access_token"]
        return self

    def transition(self, request_id):
        body = {"toCatalogItemId": STANDARD_ITEM, "quantity": 10, "transitionType": "transition_only"}
        return self.call("POST", path_of() + "/transitions", body, **{"MS-RequestId": request_id})

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(WAIT_SECONDS)
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def running(*arguments, **more):
    process = Process(*arguments, **more)
    try:
        yield process
    finally:
        process.end()


@pytest.fixture
def arguments(tmp_path):
    path = write_catalog(tmp_path / "catalog.json", subscription(0x51, basic=(10, 4)))
    return ("--catalog", str(path), "--state", str(tmp_path / "state.db"), "--latency", "0.2")


def test_a_killed_simulator_goes_on_where_it_was(arguments):
    with running(*arguments) as first:
        first.sign_in()
        status, answer = first.transition("r-1")
        assert status == 200
        first.child.send_signal(signal.SIGKILL)

    with running(*arguments) as second:
        second.token = first.token
        assert second.transition("r-1") == (200, answer)
        assert second.call("GET", "/_control/stats")[1]["transitions"] == 1
        end = time.monotonic() + WAIT_SECONDS
        while second.call("GET", path_of())[1]["offerId"] != STANDARD_ITEM:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_dropped_answer_cuts_the_connection_after_the_work(arguments):
    with running(*arguments) as process:
        process.sign_in()
        fault = {"action": "drop_after", "match": {"kind": "transition"}, "times": 1}
        assert process.call("POST", "/_control/faults", fault)[0] == 201

        with pytest.raises(http.client.RemoteDisconnected):
            process.transition("r-1")

        assert process.call("GET", "/_control/stats")[1]["transitions"] == 1
        assert process.transition("r-1")[0] == 200


def test_a_dropped_request_was_not_worked_on(arguments):
    with running(*arguments) as process:
        process.sign_in()
        process.call("POST", "/_control/faults", {"action": "drop_before", "match": {"kind": "transition"}})

        with pytest.raises(http.client.RemoteDisconnected):
            process.transition("r-1")

        assert process.call("GET", "/_control/stats")[1]["transitions"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_even_while_an_answer_is_held_back(arguments, number):
    with running(*arguments, "--response-delay", "0.01") as process:
        process.sign_in()
        process.call(
            "POST", "/_control/faults", {"action": "delay", "seconds": 300, "match": {"kind": "customer"}}
        )
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=WAIT_SECONDS)
        connection.request("GET", f"/v1/customers/{CUSTOMER}")

        process.child.send_signal(number)

        assert process.child.wait(WAIT_SECONDS) == 0
        connection.close()


def test_it_ends_with_its_stdin(arguments):
    with running(*arguments, "--exit-with-stdin", stdin=subprocess.PIPE) as process:
        assert process.child.stdin is not None
        process.child.stdin.close()

        assert process.child.wait(WAIT_SECONDS) == 0


def test_a_wrong_command_line_is_refused():
    command = [sys.executable, "-m", "gateway.simulator", "--port", "0", "--latency", "-1"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)

    assert done.returncode == 2
    assert "--latency" in done.stderr
