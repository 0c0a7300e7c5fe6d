"""The proxy's configuration that is shipped, before nodes that are nothing but their answers."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server

import httpx2
import pytest

from tests.functional.site import ROOT, wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""


class Node:
    """Answers every request with its status, and remembers what came."""

    def __init__(self):
        self.status: int | None = 200
        self.requests: list[BaseHTTPRequestHandler] = []
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                node.requests.append(self)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if node.status is None:  # It dies over the request.
                    self.close_connection = True
                    return
                self.send_response(node.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self):
                self.do_GET()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(10)
            self._server.server_close()


def free_port():
    with create_server(("127.0.0.1", 0)) as socket:
        return socket.getsockname()[1]


def site_of(nodes, port):
    """The file as it is shipped, with addresses of the test and without TLS."""
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for number, node in enumerate(nodes, 1):
        text = text.replace(f"10.0.0.1{number}:8365", node.address)
    text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    return re.sub(r"ssl_\w+ .*;", "", text)


@contextmanager
def proxy(folder, nodes):
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(AROUND.format(folder=folder, site=site_of(nodes, port)))
    command = [str(NGINX), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until(lambda: answers(client), within=20, what="nginx")
            yield client
    finally:
        process.terminate()
        process.wait(20)


def answers(client):
    try:
        return client.get("/metrics").status_code == 404
    except httpx2.TransportError:
        return False


@pytest.fixture
def nodes():
    with ExitStack() as stack:
        found = [Node() for _ in range(3)]
        for node in found:
            stack.callback(node.close)
        yield found


@pytest.fixture
def client(tmp_path, nodes):
    with proxy(tmp_path, nodes) as client:
        yield client


def test_nodes_take_turns_and_learn_who_asks(client, nodes):
    for _ in range(6):
        client.get("/x", headers={"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "gopher"})

    assert [len(node.requests) for node in nodes] == [2, 2, 2]
    headers = nodes[0].requests[0].headers
    assert headers["Host"] == client.base_url.netloc.decode()
    assert (headers["X-Forwarded-For"], headers["X-Forwarded-Proto"]) == ("127.0.0.1", "http")


def test_nobody_notices_nodes_that_are_gone_or_not_ready(client, nodes):
    nodes[0].close()
    nodes[1].status = 503

    answers = [client.get("/x").status_code for _ in range(8)]
    answers += [client.post("/x", content=b"{}").status_code for _ in range(1)]

    assert answers == [200] * 9


def test_a_post_that_may_have_arrived_is_not_sent_to_another_node(client, nodes):
    for node in nodes:
        node.status = None

    answer = client.post("/x", content=b"{}")

    assert answer.status_code == 503
    assert sum(len(node.requests) for node in nodes) == 1


def test_what_all_nodes_say_is_what_the_client_hears(client, nodes):
    for node in nodes:
        node.status = 503

    assert client.get("/x").status_code == 503
    assert sum(len(node.requests) for node in nodes) == 3


def test_without_a_node_it_says_so(client, nodes):
    for node in nodes:
        node.close()

    answer = client.get("/x")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "does not answer" in answer.text


def test_metrics_and_probes_are_not_for_everybody(client, nodes):
    codes = [client.get(path).status_code for path in ("/metrics", "/livez", "/startupz")]

    assert codes == [404, 404, 404]
    assert not any(node.requests for node in nodes)
