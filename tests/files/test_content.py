"""Whole files at their address: an attachment that no browser runs; taken from people's own pages and tokens alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from django.test import AsyncClient, Client
from tests.clusters.hosts import Host

from tandem.accounts.actions import create_token
from tandem.accounts.models import Person
from tandem.clusters.door import ClusterUnreachable, Door
from tandem.site.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "/api/v1/files/content"


@pytest.fixture(autouse=True)
def served_as_by_uvicorn(settings: Any, two_clusters: Any) -> None:
    settings.ROOT_URLCONF = "tandem.site.stream_urls"
    settings.MIDDLEWARE = [
        "tandem.site.middleware.RequestLogMiddleware",
        "tandem.site.middleware.SecurityHeadersMiddleware",
        "tandem.site.problems.StreamProblemMiddleware",
    ]
    two_clusters[1].delete()


@pytest.fixture
def alice(db: None) -> Person:
    return Person.objects.create(username="alice", uid=2001)


@pytest.fixture
def alices(alice: Person) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture(autouse=True)
def through(real_door: Door, monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setattr("tandem.jobs.downloads.get_door", lambda: real_door)
    monkeypatch.setattr("tandem.files.uploads.get_door", lambda: real_door)
    return real_door


def fetch(client: Client, path: str, **headers: str) -> tuple[Any, bytes]:
    async def work() -> tuple[Any, bytes]:
        browser = AsyncClient()
        browser.cookies = client.cookies
        response = await browser.get(f"{ADDRESS}?path={path}", headers=headers)
        if not response.streaming:
            return response, response.content
        return response, b"".join([piece async for piece in cast(Any, response)])

    return asyncio.run(work())


def put(path: str, body: bytes, headers: dict[str, str], size: int | None = None) -> tuple[int, dict[str, str], Any]:
    """PUT as uvicorn hands it on: status, headers and JSON of the answer."""
    sent: list[dict[str, Any]] = []
    half = len(body) // 2
    coming = [
        {"type": "http.request", "body": body[:half], "more_body": True},
        {"type": "http.request", "body": body[half:], "more_body": size is not None},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return coming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    said = {"host": "testserver", "content-length": str(len(body) if size is None else size), **headers}
    scope = {
        "type": "http",
        "method": "PUT",
        "path": ADDRESS,
        "query_string": f"path={path}".encode(),
        "headers": [(name.encode(), value.encode()) for name, value in said.items()],
    }
    asyncio.run(application(scope, receive, send))
    if not sent:
        return 0, {}, None
    got = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], got, json.loads(sent[1]["body"])


def cookies(client: Client) -> dict[str, str]:
    return {"cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())}


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "a%0D%0ASet-Cookie:%20x=1"])
def test_a_file_comes_as_an_attachment_that_no_browser_runs(alices: Client, real_door: Door, name: str) -> None:
    content = b"<script>alert(1)</script>"
    assert put(f"~/{name}", content, cookies(alices))[0] == 201
    response, got = fetch(alices, f"~/{name}")
    assert (response.status_code, got) == (200, content)
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["Content-Disposition"].startswith("attachment")
    assert "\n" not in response["Content-Disposition"]
    assert "Set-Cookie" not in response


def test_what_cannot_be_sent_is_a_problem_that_names_the_path(alices: Client, host: Host) -> None:
    host.inside("sh", "-c", "mkdir -p /home/alice/sub; install -m 600 /dev/null /home/alice/roots")
    for path, status in (("~/none", 404), ("~/sub", 403), ("~/roots", 403), ("~/../zed", 422), ("x", 422)):
        response, content = fetch(alices, path)
        assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
        problem = json.loads(content)
        assert problem["status"] == status
        assert problem["detail"].startswith(f"{path}: ")
    # A person's browser shows the words.
    response, content = fetch(alices, "~/none", Accept="text/html")
    assert response["Content-Type"].startswith("text/plain")


def test_a_token_opens_what_a_session_opens_and_nobody_gets_anything(alice: Person, alices: Client) -> None:
    _, secret = create_token(alice, "test")
    bearer = {"authorization": f"Bearer {secret}"}
    status, headers, entry = put("~/by-token", b"x", bearer)
    assert (status, entry["name"], entry["size"], entry["kind"]) == (201, "by-token", 1, "file")
    assert headers["x-content-type-options"] == "nosniff"
    assert fetch(Client(), "~/by-token", Authorization=f"Bearer {secret}")[1] == b"x"
    assert fetch(Client(), "~/by-token")[0].status_code == 401
    assert put("~/a", b"x", {"authorization": "Bearer wrong", **cookies(alices)})[0] == 401
    assert put("~/a", b"x", {})[0] == 401


def test_another_sites_page_can_send_nothing(alices: Client, host: Host) -> None:
    assert put("~/evil", b"x", {**cookies(alices), "origin": "https://evil.example"})[0] == 403
    assert put("~/evil", b"x", {**cookies(alices), "sec-fetch-site": "cross-site"})[0] == 403
    assert "evil" not in host.inside("ls", "/home/alice")


def test_a_refusal_is_a_problem_that_names_the_path(alices: Client) -> None:
    put("~/there", b"x", cookies(alices))
    status, headers, problem = put("~/there", b"x" * 1_000_000, cookies(alices))
    assert (status, headers["content-type"]) == (409, "application/problem+json")
    assert (problem["path"], problem["status"]) == ("~/there", 409)
    assert put("~/there&overwrite=true", b"y", cookies(alices))[0] == 201
    assert put("relative", b"x", cookies(alices))[0] == 422


@pytest.mark.parametrize("size", ["", "-1", "x", "1" * 20])
def test_a_file_must_say_how_long_it_is(alices: Client, size: str) -> None:
    assert put("~/a", b"x", {**cookies(alices), "content-length": size})[0] == 411


def test_a_sender_that_hangs_up_gets_no_answer_and_leaves_nothing(alices: Client, host: Host) -> None:
    host.inside("install", "-d", "-o", "alice", "/home/alice/given-up")
    assert put("~/given-up/a", b"x" * 1000, cookies(alices), size=5000)[0] == 0
    listed = 'until [ -z "$(ls -A /home/alice/given-up)" ]; do :; done'
    host.inside("timeout", "60", "sh", "-c", listed)


def test_a_silent_cluster_is_to_be_tried_again(alices: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        async def send(self, *_: Any) -> None:
            raise ClusterUnreachable("x")

        async def stream(self, *_: Any) -> AsyncIterator[bytes]:
            raise ClusterUnreachable("x")
            yield b""

    monkeypatch.setattr("tandem.jobs.downloads.get_door", Silent)
    monkeypatch.setattr("tandem.files.uploads.get_door", Silent)
    status, headers, _ = put("~/a", b"x", cookies(alices))
    assert (status, bool(headers["retry-after"])) == (503, True)
    assert fetch(alices, "~/a")[0].status_code == 503


def test_a_cluster_that_dies_while_it_sends_leaves_no_whole_looking_file(
    alices: Client, own_host: Host, own_door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.jobs.downloads.get_door", lambda: own_door)
    own_host.inside("sh", "-c", "head -c 200000000 /dev/zero >/home/alice/large")
    got = 0

    async def work() -> None:
        nonlocal got
        browser = AsyncClient()
        browser.cookies = alices.cookies
        response: Any = await browser.get(f"{ADDRESS}?path=~/large")
        assert response["Content-Length"] == "200000000"
        async for piece in response:
            if not got:
                own_host.inside("pkill", "-KILL", "-u", "alice", "sshd")
            got += len(piece)

    with pytest.raises(ConnectionResetError, match="not sent whole"):
        asyncio.run(work())
    assert 0 < got < 200_000_000


def test_the_file_that_is_sent_does_not_lie_on_the_portal_node(alices: Client, tmp_path: Path, settings: Any) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    assert put("~/large", b"x" * 4_000_000, cookies(alices))[0] == 201
    assert not list(tmp_path.iterdir())
