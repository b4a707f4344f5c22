"""Which portal node the load balancer sends people to, asked of the real one with made-up nodes."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tandem.local.balancer_files import balancer_files

pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="the load balancer is not installed")


class Node(ThreadingHTTPServer):
    """A portal node that says its name, and whether it is ready."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        self.ready = True
        self.checks = 0
        self.under_way, self.go_on = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        node = self.server
        assert isinstance(node, Node)
        check = self.path in ("/healthz", "/streams/healthz")
        node.checks += check
        body = node.name.encode()
        if self.path == "/slow":
            node.under_way.set()
            node.go_on.wait(60)
        if self.path.endswith("/silent"):
            node.go_on.wait(60)
        if self.path.endswith("/broken"):
            self.close_connection = True
            return
        self.send_response(404 if check and not node.ready else 200)
        self.send_header("Content-Length", str(len(body)))
        if self.path == "/with-a-policy":
            self.send_header("Content-Security-Policy", "sandbox")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@dataclass
class Balancer:
    address: Path
    nodes: list[Node] = field(default_factory=lambda: [Node("one"), Node("two")])

    def get(self, path: str = "/") -> tuple[str, str]:
        """Head and body of an answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.address))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: portal\r\nConnection: close\r\n\r\n".encode())
            head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).decode().partition("\r\n\r\n")
        return head, body

    def until(self, done: Callable[[], bool]) -> None:
        """Wait until that many answers in a row are so, as the checks take their time."""
        end = time.monotonic() + 60
        streak = 0
        while streak < 8:
            assert time.monotonic() < end
            streak = streak + 1 if done() else 0
            time.sleep(0.05)


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[Balancer]:
    """The template, with its listener on a local socket and without what needs an environment."""
    balancer = Balancer(tmp_path / "socket")
    nodes = {node.name: f"127.0.0.1:{node.server_address[1]}" for node in balancer.nodes}
    files = balancer_files(nodes, nodes, str(tmp_path))
    text = files.pop("haproxy.cfg")
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    text = text[text.index("defaults") :].replace("bind fd@3 ssl crt /etc/tandem/portal.pem alpn h2,http/1.1", "BIND")
    text = text.replace("BIND", f"bind unix@{balancer.address}").replace("    log global\n", "")
    # Nobody waits for a minute here.
    soon = "    http-request set-timeout server 1s if { path_end /silent }\n"
    text = text.replace("    balance leastconn\n", f"    balance leastconn\n{soon}")
    config = tmp_path / "haproxy.cfg"
    config.write_text(text)
    process = subprocess.Popen([str(shutil.which("haproxy")), "-db", "-f", str(config)])
    try:
        while not balancer.address.exists():
            assert process.poll() is None
            time.sleep(0.02)
        yield balancer
    finally:
        process.kill()
        process.wait()
        for node in balancer.nodes:
            node.shutdown()
            node.server_close()


@pytest.mark.parametrize("path", ["/", "/api/v1/jobs", "/streams/events"])
def test_a_node_that_is_not_ready_is_left_out_and_taken_back(balancer: Balancer, path: str) -> None:
    one, two = balancer.nodes
    one.ready = False
    balancer.until(lambda: balancer.get(path)[1] == "two")
    one.ready, two.ready = True, False
    balancer.until(lambda: balancer.get(path)[1] == "one")


@pytest.mark.parametrize("path", ["/", "/api/v1/jobs", "/streams/events"])
def test_where_no_node_is_ready_they_are_asked_all_the_same_and_say_why(balancer: Balancer, path: str) -> None:
    """As without the database: the page that says so is the portal's own."""
    for node in balancer.nodes:
        node.ready, node.checks = False, 0
    balancer.until(lambda: all(node.checks > 6 for node in balancer.nodes))
    answers = [balancer.get(path) for _ in range(10)]
    assert all(" 200 " in head for head, _ in answers)
    assert {body for _, body in answers} == {"one", "two"}


def test_what_is_under_way_on_a_node_that_is_no_longer_ready_is_still_answered(balancer: Balancer) -> None:
    balancer.nodes[1].ready = False
    balancer.until(lambda: balancer.get()[1] == "one")
    one = balancer.nodes[0]
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(balancer.get, "/slow")
        assert one.under_way.wait(30)
        one.ready, one.checks = False, 0
        balancer.until(lambda: one.checks > 6)
        one.go_on.set()
        head, body = answer.result(30)
    assert (" 200 " in head, body) == (True, "one")


def is_of_the_balancer(head: str, status: int) -> bool:
    """Whether it may do nothing in a browser, whatever is in it."""
    head = head.lower()
    wanted = (
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'",
    )
    return head.startswith(f"http/1.1 {status} ") and all(f"\n{line}" in head for line in wanted)


def check_failure(balancer: Balancer, path: str, status: int) -> str:
    """Ask below the API and elsewhere; the page that came."""
    head, body = balancer.get(f"/api{path}")
    assert is_of_the_balancer(head, status)
    assert "content-type: application/problem+json" in head.lower()
    problem = json.loads(body)
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", HTTPStatus(status).phrase, status)
    assert problem["detail"]
    head, page = balancer.get(path)
    assert is_of_the_balancer(head, status)
    assert "content-type: text/html" in head.lower()
    for words in ("What happened", "What was kept", "What to do"):
        assert f"<dt>{words}</dt>" in page
    return page


def test_without_any_node_the_answer_has_words_and_says_when_to_come_again(balancer: Balancer) -> None:
    for node in balancer.nodes:
        node.shutdown()
        node.server_close()
    balancer.until(lambda: " 503 " in balancer.get()[0])
    assert "safe" in check_failure(balancer, "/v1/jobs", 503)
    for path in ("/", "/api/v1/jobs"):
        assert "retry-after: 5" in balancer.get(path)[0].lower()


def test_a_node_that_breaks_off_is_told_in_words(balancer: Balancer) -> None:
    assert "look at your jobs" in check_failure(balancer, "/broken", 502)


def test_a_node_that_says_nothing_is_told_in_words(balancer: Balancer) -> None:
    try:
        assert "look at your jobs" in check_failure(balancer, "/silent", 504)
    finally:
        for node in balancer.nodes:
            node.go_on.set()


def test_a_policy_that_an_answer_brings_is_left_to_it(balancer: Balancer) -> None:
    balancer.until(lambda: " 200 " in balancer.get("/with-a-policy")[0])
    head = balancer.get("/with-a-policy")[0].lower()
    assert "content-security-policy: sandbox" in head
    assert "default-src" not in head
