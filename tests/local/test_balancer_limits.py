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
    frontend = re.sub(r"bind fd@3 .*", f"bind unix@{address}", frontend)
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
