"""What the load balancer refuses before a portal node reads it, asked of the real one."""

import base64
import hashlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.jobs.submission import LARGEST_UPLOAD
from tandem.local.balancer_files import balancer_files

MIB = 1024 * 1024
pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="the load balancer is not installed")


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The template's frontend behind a local socket, with backends that answer."""
    address = tmp_path_factory.mktemp("balancer") / "socket"
    files = balancer_files({}, {}, str(address.parent))
    text = files.pop("haproxy.cfg")
    for name, content in files.items():
        file = address.parent / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    frontend = text[text.index("frontend portal") : text.index("\nbackend web")]
    # HTTP/2 is what a client and HAProxy agree on under TLS; here it has a socket of its own.
    frontend = re.sub(r"bind fd@3 .*", f"bind unix@{address}\n    bind unix@{address}-2 proto h2", frontend)
    names = [f"{name}{ready}" for name in ("web", "api", "streams", "files") for ready in ("", "-not-ready")]
    backends = "".join(f"backend {name}\n    http-request return status 200 hdr backend {name}\n" for name in names)
    config = address.with_name("haproxy.cfg")
    times = "".join(f"    timeout {name} 10s\n" for name in ("connect", "client", "server"))
    config.write_text(f"defaults\n    mode http\n{times}{frontend}\n{backends}")
    process = subprocess.Popen([str(shutil.which("haproxy")), "-db", "-f", str(config)])
    deadline = time.monotonic() + 30
    while not address.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield address
    process.kill()
    process.wait()


def answer(balancer: Path, path: str, *headers: str) -> str:
    """What comes back once the head of a POST was sent."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(balancer))
        head = [f"POST {path} HTTP/1.1", "Host: portal", "Connection: close", *headers]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


TOO_LARGE = f"Content-Length: {12 * MIB + 1}"


def test_a_body_that_is_far_larger_than_any_upload_is_refused_before_it_is_sent(balancer: Path) -> None:
    refused = answer(balancer, "/sign-in", TOO_LARGE)
    assert refused.startswith("HTTP/1.1 413 ")
    assert f"at most {LARGEST_UPLOAD // MIB} MiB" in refused


def test_a_browser_gets_a_page_that_may_use_its_own_style_and_nothing_else(balancer: Path) -> None:
    head, _, page = answer(balancer, "/applications/job-submission/", TOO_LARGE).partition("\r\n\r\n")
    assert "content-type: text/html; charset=utf-8" in head.lower()
    assert page.startswith("<!doctype html>")
    for words in ("What happened", "What was kept", "What to do"):
        assert f"<dt>{words}</dt>" in page
    style = base64.b64encode(hashlib.sha256(page[page.index("<style>") + 7 : page.index("</style>")].encode()).digest())
    assert f"style-src 'sha256-{style.decode()}'" in head
    assert "default-src 'none'" in head
    assert "x-content-type-options: nosniff" in head.lower()
    assert "unsafe" not in head
    assert "<script" not in page
    assert " style=" not in page


@pytest.mark.parametrize("header", [TOO_LARGE, "Transfer-Encoding: chunked"])
def test_a_program_gets_a_problem_document(balancer: Path, header: str) -> None:
    head, _, body = answer(balancer, "/api/v1/jobs", header).partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 413 ")
    assert "content-type: application/problem+json" in head.lower()
    problem = json.loads(body)
    assert (problem["type"], problem["status"]) == ("about:blank", 413)
    assert problem["title"]
    assert problem["detail"]
    assert "default-src 'none'" in head
    assert "x-content-type-options: nosniff" in head.lower()


def test_the_largest_upload_and_the_form_around_it_get_through(balancer: Path) -> None:
    assert answer(balancer, "/applications/job-submission/", f"Content-Length: {LARGEST_UPLOAD + MIB}").startswith(
        "HTTP/1.1 200 "
    )


def test_a_body_that_does_not_say_how_long_it_is_is_refused(balancer: Path) -> None:
    refused = answer(balancer, "/sign-in", "Transfer-Encoding: chunked")
    assert refused.startswith("HTTP/1.1 413 ")
    assert "<dt>What to do</dt>" in refused


def test_a_whole_file_may_be_as_large_as_it_is_and_goes_to_the_streams(balancer: Path) -> None:
    went = answer(balancer, "/api/v1/files/content?path=/x", f"Content-Length: {10**12}")
    assert went.startswith("HTTP/1.1 200 ")
    assert "backend: files" in went
    assert answer(balancer, "/api/v1/files/contents", TOO_LARGE).startswith("HTTP/1.1 413 ")
    assert answer(balancer, "/api/v1/files/content", "Transfer-Encoding: chunked").startswith("HTTP/1.1 413 ")


def test_streams_take_no_body(balancer: Path) -> None:
    refused = answer(balancer, "/streams/events", "Content-Length: 1")
    assert refused.startswith("HTTP/1.1 413 ")
    assert "<dt>What to do</dt>" in refused
    assert answer(balancer, "/streams/events").startswith("HTTP/1.1 200 ")


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return len(content).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + content


def answer_2(balancer: Path, path: str, body: bytes | None, method: str = "POST", **headers: str) -> tuple[str, bytes]:
    """Status and body of an answer over HTTP/2. Headers go out as literals, which any decoder of HPACK takes."""
    fields = {":method": method, ":scheme": "https", ":authority": "portal", ":path": path} | headers
    head = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(f"{balancer}-2")
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
        connection.sendall(frame(1, 0x4 | (body is None), 1, head))
        if body is not None:
            connection.sendall(frame(0, 1, 1, body))
        stream = connection.makefile("rb")
        status, content = "", b""
        while prefix := stream.read(9):
            kind, flags, payload = prefix[3], prefix[4], stream.read(int.from_bytes(prefix[:3]))
            if kind == 1:
                # Indexed (200, 400, 404, 500 have numbers of their own) or a literal of three digits.
                status = {0x88: "200", 0x8C: "400"}.get(payload[0], payload[2:5].decode(errors="replace"))
            elif kind == 0:
                content += payload
            elif kind in (3, 7):
                return f"reset {kind}", payload
            if kind in (0, 1) and flags & 1:
                break
    return status, content


def test_over_http_2_a_body_that_does_not_say_how_long_it_is_is_refused_too(balancer: Path) -> None:
    status, body = answer_2(balancer, "/api/v1/jobs", b"{}")
    assert status == "413"
    assert json.loads(body)["status"] == 413
    assert answer_2(balancer, "/sign-in", b"a=b")[0] == "413"
    assert answer_2(balancer, "/api/v1/files/content", b"x", method="PUT")[0] == "413"
    assert answer_2(balancer, "/streams/events", b"x", method="GET")[0] == "413"
    assert answer_2(balancer, "/", b"x", method="OPTIONS")[0] == "413"


def test_over_http_2_what_has_no_body_or_says_how_long_it_is_gets_through(balancer: Path) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert answer_2(balancer, "/api/v1/jobs", None, method=method)[0] == "200"
    assert answer_2(balancer, "/api/v1/jobs", b"{}", **{"content-length": "2"})[0] == "200"
