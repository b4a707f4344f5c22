"""`tandem files`: what is fetched and sent is whole or not there, whatever breaks; statuses say what happened."""

import io
import os
import subprocess
from pathlib import Path

import httpx
import pytest
from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from tandem.accounts.authentication import BearerToken
from tandem.cli import files
from tandem.clusters.door import Answer
from tandem.clusters.models import Cluster
from tandem.files import places
from tandem.site.problems import problem

REMOTE = {}


@csrf_exempt
def content(request):
    """Stands for the process of the streams: keeps files in REMOTE."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    assert BearerToken().authenticate(request, token)
    where = request.GET["path"]
    if request.method == "PUT":
        if where in REMOTE and request.GET.get("overwrite") != "true":
            return problem(409, f"{where}: There is something of this name already.")
        body = request.read()
        if len(body) < int(request.headers["Content-Length"]):
            return problem(400, "The file did not arrive whole.")
        REMOTE[where] = body
        return JsonResponse({"name": where.rpartition("/")[2], "size": len(REMOTE[where])}, status=201)
    if where not in REMOTE:
        return problem(404, f"{where}: There is no such file.")
    return HttpResponse(REMOTE[where], content_type="application/octet-stream")


content.login_required = False
urlpatterns = [path("api/v1/files/content", content), path("", include("tandem.site.urls"))]


@pytest.fixture(autouse=True)
def remote(portal, signed_in, tmp_path, monkeypatch, settings):
    """The clusters' files: below a directory of this machine."""
    settings.ROOT_URLCONF = __name__
    REMOTE.clear()
    there = tmp_path / "there"
    there.mkdir()
    Cluster.objects.create(name="cluster1", zone="a", state="UP")

    class Door:
        def run(self, user, cluster, script, args=(), data=b"", **_):
            known = {"PATH": os.environ["PATH"], "HOME": str(there), "LC_ALL": "C", "DATA_SIZE": str(len(data))}
            done = subprocess.run(["/bin/sh", "-c", script, "sh", *args], capture_output=True, env=known, input=data)
            return Answer(done.stdout, done.stderr, done.returncode)

    monkeypatch.setattr(places, "get_door", Door)
    return there


def test_a_folder_is_listed_with_any_names(tandem, remote):
    (remote / "sub").mkdir()
    (remote / "line\nend").write_text("12")
    outcome = tandem("files", "ls")
    assert outcome.status == 0
    assert "sub/" in outcome.stdout
    assert "line�end" in outcome.stdout
    listed = tandem("files", "ls", "~", "--json", "--sort", "-size").json
    assert [entry["name"] for entry in listed["entries"]] == ["sub", "line\nend"]
    assert tandem("files", "ls", "sub", "-n", "5").stderr == "This folder is empty.\n"
    assert tandem("files", "ls", "none").status == 66
    assert "~/none" in tandem("files", "ls", "none").stderr


def test_many_entries_are_fetched_page_by_page(tandem, remote, monkeypatch):
    monkeypatch.setattr(files, "PAGE", 40)
    for number in range(110):
        (remote / f"{number:04}").touch()
    assert len(tandem("files", "ls", "--json").json["entries"]) == 110
    assert len(tandem("files", "ls", "--json", "-n", "3").json["entries"]) == 3


def test_folders_are_made_moved_and_removed(tandem, remote):
    assert tandem("files", "mkdir", "runs").status == 0
    assert tandem("files", "mkdir", "runs").status == 65
    (remote / "a").touch()
    assert tandem("files", "mv", "a", "runs").status == 0
    assert (remote / "runs" / "a").exists()
    assert tandem("files", "mv", "runs/a", "b").status == 0
    (remote / "runs" / "c").touch()
    assert tandem("files", "rm", "runs").status == 65
    assert tandem("files", "rm", "-r", "runs", "--json").json["entries"] == 1
    assert tandem("files", "rm", "b").status == 0
    assert tandem("files", "rm", "b").status == 66
    assert not list(remote.iterdir())


def test_files_are_sent_into_a_folder_or_under_a_name(tandem, remote, home):
    (remote / "runs").mkdir()
    for name in ("a", "b #1"):
        (home / name).write_bytes(os.urandom(300_000))
    outcome = tandem("files", "put", "a", "b #1", "runs", "--json")
    assert [entry["size"] for entry in outcome.json] == [300_000] * 2
    assert {"~/runs/a": (home / "a").read_bytes(), "~/runs/b #1": (home / "b #1").read_bytes()} == REMOTE
    assert tandem("files", "put", "a", "other").status == 0
    assert REMOTE["~/other"] == (home / "a").read_bytes()
    taken = tandem("files", "put", "a", "other")
    assert (taken.status, "~/other" in taken.stderr) == (65, True)
    assert tandem("files", "put", "--force", "b #1", "other").status == 0
    assert tandem("files", "put", "a", "b #1", "nowhere").status == 65
    assert tandem("files", "put", "none", "other").status == 2


def test_a_file_is_fetched_whole_and_never_over_another(tandem, home):
    REMOTE["~/runs/a"] = os.urandom(500_000)
    assert tandem("files", "get", "runs/a").status == 0
    assert (home / "a").read_bytes() == REMOTE["~/runs/a"]
    assert tandem("files", "get", "runs/a").status == 65
    REMOTE["~/runs/a"] = b"new"
    assert tandem("files", "get", "runs/a", "--force", "--json").json["size"] == 3
    assert (home / "a").read_bytes() == b"new"
    assert tandem("files", "get", "~/runs/a", "b").status == 0
    assert tandem("files", "get", "none").status == 66
    assert sorted(entry.name for entry in home.iterdir() if entry.is_file()) == ["a", "b"]


@pytest.mark.parametrize("broken", [httpx.RemoteProtocolError("cut"), KeyboardInterrupt(), OSError("disk full")])
def test_whatever_breaks_nothing_half_done_is_left(tandem, home, monkeypatch, broken):
    REMOTE["~/a"] = os.urandom(500_000)

    def some(self, *_):
        yield b"half"
        raise broken

    monkeypatch.setattr(httpx.Response, "iter_raw", some)
    outcome = tandem("files", "get", "a")
    assert outcome.status == {"RemoteProtocolError": 69, "KeyboardInterrupt": 130, "OSError": 1}[type(broken).__name__]
    assert not [entry for entry in home.iterdir() if entry.is_file()]


def test_an_upload_that_is_interrupted_says_so(tandem, home, monkeypatch):
    (home / "a").write_bytes(b"x" * 1_000_000)
    real = Path.open

    class Interrupted(io.FileIO):
        def read(self, size=-1):
            if self.tell():
                raise KeyboardInterrupt
            return super().read(size)

    monkeypatch.setattr(
        Path, "open", lambda self, *a, **k: Interrupted(self) if self.name == "a" else real(self, *a, **k)
    )
    assert tandem("files", "put", "a", "b").status == 130
    assert "~/b" not in REMOTE
