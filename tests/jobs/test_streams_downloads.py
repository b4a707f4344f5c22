"""Downloads: a file of the spooler, opened by the person who asked, never shown as a page."""

import asyncio
import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import pytest
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import resolve, reverse

from tandem.accounts.models import Person
from tandem.clusters.door import ClusterUnreachable
from tandem.clusters.models import Cluster
from tandem.jobs import downloads, stream_access
from tandem.jobs.downloads import SEND, attachment
from tandem.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def served_as_by_uvicorn(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ROOT_URLCONF = "tandem.jobs.streams"
    settings.MIDDLEWARE = []
    # Django's own client takes addresses for Latin-1.
    monkeypatch.setattr(AsyncClient, "_get_path", lambda client, parsed: unquote(parsed.path))


@pytest.fixture
def adas(ada: Person, signed_in: Callable[[Person], Client]) -> Client:
    return signed_in(ada)


def fetch(client: Client, job: Job, name: str) -> tuple[HttpResponseBase, bytes]:
    """The response and all that it sends."""

    async def work() -> tuple[HttpResponseBase, bytes]:
        browser = AsyncClient()
        browser.cookies = client.cookies
        response = await browser.get(reverse("job-file", kwargs={"job_id": job.pk, "name": name}))
        if not response.streaming:
            return response, cast(Any, response).content
        return response, b"".join([piece async for piece in cast(Any, response)])

    return asyncio.run(work())


@pytest.mark.usefixtures("two_clusters")
def test_a_file_comes_as_an_attachment_that_no_browser_runs(
    ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
) -> None:
    fake_door.pieces = [b"ok 1", b"1\n<scr", b"ipt>123"]
    job = make_job(ada, cluster="cluster2")
    response, content = fetch(adas, job, "results/page.html")
    assert content == b"<script>123"
    assert response["Content-Length"] == "11"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == 'attachment; filename="page.html"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert fake_door.asked == [("ada", "cluster2", (job.spooler.path, b"results/page.html"))]


@pytest.mark.usefixtures("two_clusters")
def test_a_name_that_is_not_utf8_is_asked_for_as_it_is(
    ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
) -> None:
    fake_door.pieces = [b"ok 6\nstrong"]
    response, content = fetch(adas, make_job(ada), "caf\uefe9")
    assert (response.status_code, content) == (200, b"strong")
    assert fake_door.asked[0][2][1] == b"caf\xe9"
    assert response["Content-Disposition"] == 'attachment; filename="caf_"'


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ('a"b.txt', 'attachment; filename="a\\"b.txt"'),
        ("né.txt", "attachment; filename*=utf-8''n%C3%A9.txt"),
        ("a\r\nSet-Cookie: x=1", 'attachment; filename="a__Set-Cookie: x=1"'),
    ],
)
def test_any_name_fits_into_the_header(name: str, disposition: str) -> None:
    assert attachment(name) == disposition


def test_any_name_has_an_address(no_job: uuid.UUID) -> None:
    address = reverse("job-file", kwargs={"job_id": no_job, "name": "a b/é\n?#.txt"})
    assert address.endswith("/files/a%20b/%C3%A9%0A%3F%23.txt")
    assert resolve(unquote(address)).kwargs["name"] == "a b/é\n?#.txt"


@pytest.mark.usefixtures("two_clusters")
@pytest.mark.parametrize(
    ("said", "status"), [(b"missing\n", 404), (b"outside\n", 403), (b"special\n", 403), (b"", 502), (b"ok x\n", 502)]
)
def test_what_the_cluster_does_not_send_is_an_error_in_words(
    said: bytes, status: int, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
) -> None:
    fake_door.pieces = [said] if said else []
    response, content = fetch(adas, make_job(ada), "a.txt")
    assert response.status_code == status
    assert content.endswith(b".\n")


@pytest.mark.usefixtures("two_clusters")
def test_a_file_that_became_shorter_does_not_look_complete(
    ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
) -> None:
    fake_door.pieces = [b"ok 10\nshort"]
    with pytest.raises(ConnectionResetError):
        fetch(adas, make_job(ada), "a.txt")
    downloads.download_seats.check(stream_access.Viewer(ada.pk, "ada", False, ""))


@pytest.mark.usefixtures("two_clusters")
def test_an_empty_file_can_be_downloaded(
    ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
) -> None:
    fake_door.pieces = [b"ok 0\n"]
    response, content = fetch(adas, make_job(ada), "a.txt")
    assert (response.status_code, content) == (200, b"")


def test_a_silent_cluster_says_try_again(
    ada: Person, adas: Client, two_clusters: list[Cluster], make_job: Callable[..., Job], fake_door: Any
) -> None:
    fake_door.pieces = [ClusterUnreachable("no")]
    assert fetch(adas, make_job(ada), "a.txt")[0].status_code == 503
    Cluster.objects.update(state="DOWN")
    fake_door.asked.clear()
    assert fetch(adas, make_job(ada), "a.txt")[0].status_code == 503
    assert not fake_door.asked


@pytest.mark.usefixtures("two_clusters")
@pytest.mark.parametrize("name", ["../other/secret", "a/../../b", "a//b", "./a"])
def test_no_name_leads_out_of_the_spooler(
    name: str, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
) -> None:
    assert fetch(adas, make_job(ada), name)[0].status_code in (400, 404)
    assert not fake_door.asked


@pytest.mark.usefixtures("two_clusters")
def test_somebody_elses_job_has_no_files(
    bob: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
) -> None:
    assert fetch(adas, make_job(bob), "a.txt")[0].status_code == 404
    assert not fake_door.asked


class TestOnTheCluster:
    """The script itself, with the shell that runs it there."""

    def send(self, spooler: Path, name: str) -> bytes:
        return subprocess.run(["/bin/sh", "-c", SEND, "sh", spooler, name], capture_output=True, check=False).stdout

    @pytest.fixture
    def spooler(self, tmp_path: Path) -> Path:
        spooler = tmp_path / "spoolers" / "a job"
        spooler.mkdir(parents=True)
        (spooler / "out put.txt").write_bytes(b"con\ntent")
        (spooler / "sub").mkdir()
        (spooler / "sub" / "deep").write_bytes(b"deep")
        (spooler / "-n").write_bytes(b"dash")
        (spooler / "end\n").write_bytes(b"line end")
        (tmp_path / "secret").write_bytes(b"secret")
        (spooler / "link").symlink_to(tmp_path / "secret")
        (spooler / "dir").symlink_to(tmp_path)
        (spooler / "inner").symlink_to("out put.txt")
        os.mkfifo(spooler / "pipe")
        return spooler

    @pytest.mark.parametrize(
        ("name", "sent"),
        [
            ("out put.txt", b"ok 8\ncon\ntent"),
            ("sub/deep", b"ok 4\ndeep"),
            ("-n", b"ok 4\ndash"),
            ("end\n", b"ok 8\nline end"),
        ],
    )
    def test_it_sends_a_file_whatever_its_name(self, name: str, sent: bytes, spooler: Path) -> None:
        assert self.send(spooler, name) == sent

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("link", b"outside\n"),
            ("dir/secret", b"outside\n"),
            ("inner", b"outside\n"),
            ("../../secret", b"outside\n"),
            ("sub", b"special\n"),
            ("pipe", b"special\n"),
            ("nothing", b"missing\n"),
            ("end", b"missing\n"),
        ],
    )
    def test_it_sends_nothing_else(self, name: str, said: bytes, spooler: Path) -> None:
        assert self.send(spooler, name) == said

    def test_it_follows_a_link_above_the_spooler(self, spooler: Path, tmp_path: Path) -> None:
        (tmp_path / "efs").symlink_to(tmp_path / "spoolers")
        assert self.send(tmp_path / "efs" / "a job", "sub/deep") == b"ok 4\ndeep"
