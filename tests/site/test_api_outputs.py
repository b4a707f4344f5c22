"""A job's files through the API: read as who asks, never shown as a page, never from outside the spooler."""

import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from tandem.clusters.door import Answer, AnswerLost, ClusterUnreachable
from tandem.clusters.models import Cluster, ClusterState
from tandem.jobs import outputs
from tandem.jobs.models import Job

HELLO = {"executable": "/bin/echo", "options": "hello"}


class LocalDoor:
    """Runs what would go to a cluster here, with the clusters' /efs below `root`; notes who came through."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.passed: list[tuple[str, str]] = []
        self.silent: dict[str, Exception] = {}

    def run(self, user, cluster, script, args=(), **_):
        self.passed.append((user, cluster))
        if cluster in self.silent:
            raise self.silent[cluster]
        args = [str(self.root) + args[0], *args[1:]]
        done = subprocess.run(["/bin/sh", "-c", script, "sh", *args], capture_output=True, check=False)
        return Answer(done.stdout, done.stderr, done.returncode)


@pytest.fixture
def door(tmp_path, monkeypatch, db):
    for name, zone in (("cluster1", "a"), ("cluster2", "b")):
        Cluster.objects.create(name=name, zone=zone, state=ClusterState.UP)
    door = LocalDoor(tmp_path)
    monkeypatch.setattr(outputs, "get_door", lambda: door)
    return door


@pytest.fixture
def job(as_mia, door):
    identity = as_mia.post("/jobs", HELLO).json()["id"]
    Job.objects.update(cluster="cluster2")
    return Job.objects.get(pk=identity)


@pytest.fixture
def spooler(job, door):
    path = Path(str(door.root) + job.spooler.path)
    path.mkdir(parents=True)
    return path


def read(api, job, name, wanted=None):
    return api.get(f"/jobs/{job.pk}/outputs/{name}", **({"Range": wanted} if wanted else {}))


def test_there_is_nothing_before_there_is_a_spooler(as_mia, job, is_problem):
    assert as_mia.get(f"/jobs/{job.pk}/outputs").json() == {"results": [], "total": 0, "next": None}
    is_problem(read(as_mia, job, "output.txt"), 404)


def test_files_are_listed_whatever_they_are_called(as_mia, job, spooler):
    (spooler / "output.txt").write_text("hello\n")
    (spooler / "sub").mkdir()
    (spooler / "sub" / "a b\nc").write_text("x")
    (spooler / "link").symlink_to("/etc/passwd")
    listed = as_mia.get(f"/jobs/{job.pk}/outputs").json()["results"]
    assert [(file["path"], file["size"]) for file in listed] == [("output.txt", 6), ("sub/a b\nc", 1)]
    assert all(file["modified_at"] for file in listed)


def test_many_files_come_page_after_page_and_their_number_with_each(as_mia, job, spooler):
    for number in range(7):
        (spooler / f"{number}.txt").touch()
    seen, address = [], f"/jobs/{job.pk}/outputs?page_size=3"
    while address:
        page = as_mia.get(address).json()
        assert page["total"] == 7
        seen.append([file["path"] for file in page["results"]])
        address = page["next"] and page["next"].removeprefix("/api/v1")
    assert seen == [["0.txt", "1.txt", "2.txt"], ["3.txt", "4.txt", "5.txt"], ["6.txt"]]


def test_a_file_whose_name_is_not_utf8_can_be_read_by_the_name_that_is_listed(as_mia, job, spooler):
    names = [b"caf\xe9", b"caf\xc3\xa9", b"\xee\xbf\xa9", b"\xff\xfe/\x80"]
    for name in names:
        path = spooler / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name)
    listed = as_mia.get(f"/jobs/{job.pk}/outputs").json()["results"]
    assert len({file["path"] for file in listed}) == len(names)
    assert {read(as_mia, job, quote(file["path"])).content for file in listed} == set(names)


def test_a_file_with_a_line_end_in_its_name_can_be_read(as_mia, job, spooler):
    (spooler / "a\nb").write_text("x")
    assert read(as_mia, job, quote("a\nb")).content == b"x"


def test_a_file_leaves_as_an_attachment_that_no_browser_shows(as_mia, job, spooler):
    (spooler / "evil.html").write_text("<script>alert(1)</script>")
    answer = read(as_mia, job, "evil.html")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Content-Disposition"] == 'attachment; filename="evil.html"'


@pytest.mark.parametrize(
    ("wanted", "status", "content", "span"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=4-5", 206, b"45", "bytes 4-5/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-100", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=99-", 416, None, "bytes */10"),
        ("bytes=5-4", 416, None, "bytes */10"),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
    ],
)
def test_a_part_is_read_by_range(as_mia, job, spooler, wanted, status, content, span):
    (spooler / "output.txt").write_bytes(b"0123456789")
    answer = read(as_mia, job, "output.txt", wanted)
    assert answer.status_code == status
    assert answer.get("Content-Range") == span
    if content is not None:
        assert answer.content == content


@pytest.mark.parametrize("wanted", [None, "bytes=4-", "bytes=10-"])
def test_a_file_that_another_was_put_in_the_place_of_is_told_from_it(as_mia, job, spooler, wanted):
    (spooler / "output.txt").write_bytes(b"0123456789")
    before = read(as_mia, job, "output.txt", wanted)["Tandem-File"]
    with (spooler / "output.txt").open("ab") as grown:
        grown.write(b"more")
    assert read(as_mia, job, "output.txt", wanted)["Tandem-File"] == before
    (spooler / "attempt.1").mkdir()
    (spooler / "attempt.1" / "output.txt").write_bytes(b"9876543210")
    os.link(spooler / "attempt.1" / "output.txt", spooler / "new")
    (spooler / "new").rename(spooler / "output.txt")
    assert read(as_mia, job, "output.txt", wanted)["Tandem-File"] != before


def test_an_empty_file_is_whole(as_mia, job, spooler):
    (spooler / "output.txt").touch()
    assert (read(as_mia, job, "output.txt").status_code, read(as_mia, job, "output.txt").content) == (200, b"")
    assert read(as_mia, job, "output.txt", "bytes=0-").status_code == 416


def test_a_large_file_comes_in_parts(as_mia, job, spooler, monkeypatch):
    monkeypatch.setattr(outputs, "MOST_BYTES", 4)
    (spooler / "big").write_bytes(b"0123456789")
    answer = read(as_mia, job, "big")
    assert (answer.status_code, answer.content, answer["Content-Range"]) == (206, b"0123", "bytes 0-3/10")


@pytest.mark.parametrize(
    "name", ["../secret", "sub/../../secret", "%2e%2e/secret", "link", "links/secret", ".", "pipe"]
)
def test_nothing_outside_the_spooler_and_nothing_but_plain_files_is_read(as_mia, job, spooler, is_problem, name):
    (spooler.parent / "secret").write_text("secret")
    (spooler / "sub").mkdir()
    (spooler / "link").symlink_to(spooler.parent / "secret")
    (spooler / "links").symlink_to(spooler.parent)
    os.mkfifo(spooler / "pipe")
    answer = read(as_mia, job, name)
    assert answer.status_code in (403, 404)
    assert b"secret" not in answer.content.replace(name.encode(), b"")


def test_files_are_read_as_who_asks(nobody, as_mia, as_tom, as_administrator, job, spooler, door, is_problem):
    (spooler / "output.txt").write_text("x")
    assert read(as_mia, job, "output.txt").status_code == 200
    assert read(as_administrator, job, "output.txt").status_code == 200
    is_problem(read(as_tom, job, "output.txt"), 404)
    is_problem(as_tom.get(f"/jobs/{job.pk}/outputs"), 404)
    is_problem(read(nobody, job, "output.txt"), 401)
    assert door.passed == [("mia", "cluster2"), ("chief", "cluster2")]


@pytest.mark.parametrize("failure", [ClusterUnreachable("x"), AnswerLost("x")])
def test_another_cluster_is_asked_when_the_jobs_own_is_silent(as_mia, job, spooler, door, failure):
    (spooler / "output.txt").write_text("x")
    door.silent["cluster2"] = failure
    assert read(as_mia, job, "output.txt").content == b"x"
    assert [cluster for _, cluster in door.passed] == ["cluster2", "cluster1"]


def test_when_no_cluster_answers_it_is_to_be_tried_again(as_mia, job, spooler, door, is_problem):
    door.silent = {"cluster1": ClusterUnreachable("x"), "cluster2": ClusterUnreachable("x")}
    answer = read(as_mia, job, "output.txt")
    is_problem(answer, 503)
    assert answer["Retry-After"]
    Cluster.objects.update(state=ClusterState.DOWN)
    door.passed.clear()
    is_problem(as_mia.get(f"/jobs/{job.pk}/outputs"), 503)
    assert door.passed == [], "a cluster known to be down is not waited for"
