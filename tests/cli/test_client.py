"""The command line's patience: what it repeats, what it never repeats, and whom it trusts."""

import datetime
import http.server
import ipaddress
import json
import signal
import ssl
import subprocess
import sys
import threading
import uuid

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.signals import request_started

from tandem.cli import client
from tandem.cli.client import Portal, PortalError, PortalUnreachableError
from tandem.cli.credentials import Credentials

WHO = Credentials(url="https://portal.example.org", token="t")


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(client, "time", clock)
    return clock


def portal_that(*answers):
    """A portal that answers so, one after the other; and the requests that it got."""
    requests = []

    def handle(request):
        requests.append(request)
        answer = answers[min(len(requests), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Portal(WHO, transport=httpx.MockTransport(handle)), requests


def test_a_submission_is_repeated_with_its_key_when_the_portal_node_is_lost(clock):
    portal, requests = portal_that(
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.Response(502),
        httpx.Response(201, json={"id": "x"}),
    )
    assert portal.post("/jobs", {"executable": "/bin/true"}, headers={"Idempotency-Key": "k"}) == {"id": "x"}
    assert [request.headers["Idempotency-Key"] for request in requests] == ["k"] * 4
    assert {request.content for request in requests} == {b'{"executable":"/bin/true"}'}


def test_the_portals_wish_to_wait_is_honoured(clock):
    portal, _ = portal_that(httpx.Response(503, headers={"Retry-After": "7"}), httpx.Response(200, json=[]))
    assert portal.get("/clusters") == []
    assert clock.slept == [7.0]


def test_patience_ends(clock):
    portal, requests = portal_that(httpx.ConnectError("refused"))
    with pytest.raises(PortalUnreachableError, match="gave up after 60 s"):
        portal.get("/clusters")
    assert len(requests) > 5
    assert clock.now - 1000 <= 60


def test_what_must_not_happen_twice_is_sent_once(clock):
    portal, requests = portal_that(httpx.ReadTimeout("no answer"))
    with pytest.raises(PortalUnreachableError):
        portal.post("/tokens", {}, repeatable=False)
    assert len(requests) == 1


def test_a_refusal_is_not_repeated_and_names_the_fields(clock):
    problem = {"title": "Unprocessable Entity", "detail": "Some fields are not valid.", "errors": {"memory": ["no"]}}
    portal, requests = portal_that(httpx.Response(422, json=problem))
    with pytest.raises(PortalError) as refused:
        portal.post("/jobs", {})
    assert refused.value.lines() == ["Some fields are not valid.", "  memory: no"]
    assert len(requests) == 1


@pytest.mark.parametrize("content", [b"<html>no</html>", b"[]", b'"x"', b'{"errors": 3}', b"\xff"])
def test_an_answer_that_is_no_problem_is_still_told(clock, content):
    portal, _ = portal_that(httpx.Response(400, content=content))
    with pytest.raises(PortalError):
        portal.get("/jobs")


def certificate_for_loopback():
    """A self-signed certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture
def tls_portal(tmp_path):
    """An HTTPS server whose certificate is its own authority: its address, the certificate, what it was asked."""
    certificate, key = certificate_for_loopback()
    (tmp_path / "both.pem").write_bytes(certificate + key)
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = json.dumps([]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *args: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", certificate.decode(), asked
    server.shutdown()
    server.server_close()


def test_only_the_portals_own_authority_is_trusted(tls_portal, clock):
    url, authority, asked = tls_portal
    with Portal(Credentials(url=url, token="t", authority=authority)) as portal:
        assert portal.get("/clusters") == []
    assert len(asked) == 1
    other = certificate_for_loopback()[0].decode()
    for distrusted in ("", other):
        with (
            Portal(Credentials(url=url, token="t", authority=distrusted)) as portal,
            pytest.raises(PortalUnreachableError, match="cannot be trusted"),
        ):
            portal.get("/clusters")
    assert len(asked) == 1, "nothing was sent, the token least of all"
    assert clock.slept == [], "trying again would not help"


def test_the_name_in_the_certificate_counts(tls_portal, clock):
    url, authority, _ = tls_portal
    with (
        Portal(Credentials(url=url.replace("127.0.0.1", "localhost"), token="t", authority=authority)) as portal,
        pytest.raises(PortalUnreachableError, match="cannot be trusted"),
    ):
        portal.get("/clusters")


def test_ctrl_c_ends_a_command_without_a_traceback(signed_in, tandem, monkeypatch):
    monkeypatch.setattr("tandem.jobs.actions.wait_for_first_answer", lambda job, seconds: job)
    job = str(uuid.UUID(tandem("job", "submit", "/bin/true").stdout.strip()))
    asked = threading.Event()

    def watch(environ, **_):
        if environ["PATH_INFO"].endswith(job):
            asked.set()

    request_started.connect(watch)
    waiting = subprocess.Popen(
        [sys.executable, "-c", "from tandem.cli.main import main; main()", "job", "wait", job],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert asked.wait(30)
        waiting.send_signal(signal.SIGINT)
        stdout, stderr = waiting.communicate(timeout=120)
    finally:
        waiting.kill()
        request_started.disconnect(watch)
    assert waiting.returncode == 130
    assert stdout == ""
    assert stderr.strip() == "interrupted"
