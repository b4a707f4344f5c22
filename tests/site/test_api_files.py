"""Folders through the API: page by page, as who asks, with errors that name the path."""

import os
import subprocess
from urllib.parse import quote, urlsplit

import pytest

from tandem.clusters.door import Answer, AnswerLost, ClusterUnreachable
from tandem.clusters.models import Cluster
from tandem.files import places
from tandem.jobs.file_names import name_of, text_of


@pytest.fixture
def home(tmp_path):
    return tmp_path


class LocalDoor:
    """Runs the scripts here; notes who came through."""

    def __init__(self, home):
        self.home = home
        self.passed = []
        self.silent = {}

    def run(self, user, cluster, script, args=(), data=b"", **_):
        self.passed.append((user, cluster))
        if cluster in self.silent:
            raise self.silent[cluster]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C", "DATA_SIZE": str(len(data))}
        done = subprocess.run(["/bin/sh", "-c", script, "sh", *args], capture_output=True, env=environment, input=data)
        return Answer(done.stdout, done.stderr, done.returncode)


@pytest.fixture(autouse=True)
def door(home, monkeypatch, db):
    for name, zone in (("cluster1", "a"), ("cluster2", "b")):
        Cluster.objects.create(name=name, zone=zone, state="UP")
    door = LocalDoor(home)
    monkeypatch.setattr(places, "get_door", lambda: door)
    return door


def test_a_folder_comes_page_by_page_and_every_name_leads_to_itself(as_mia, home):
    names = [b"a", b"line\nend", b"no \xff text", b"-n", b"<b>"]
    for name in names:
        (home / os.fsdecode(name)).write_bytes(b"12345")
    (home / "sub").mkdir()
    (home / "link").symlink_to("sub")
    found, address = [], "/files?page_size=3"
    while address:
        page = as_mia.get(address).json()
        found += page["results"]
        assert (page["total"], page["path"]) == (7, str(home))
        address = page["next"] and page["next"].removeprefix("/api/v1")
    assert [entry["kind"] for entry in found][:2] == ["link", "folder"]
    assert [entry["leads_to_folder"] for entry in found][:2] == [True, False]
    assert sorted(name_of(entry["name"]) for entry in found if entry["kind"] == "file") == sorted(names)
    for entry in found:
        assert as_mia.get(f"/files/entry?path={quote(entry['path'])}").json() == entry


def test_folders_are_made_renamed_and_deleted(as_mia, home):
    made = as_mia.post("/files/folder", {"path": text_of(b"~/new\xff")})
    assert made.status_code == 201
    assert [os.fsencode(entry.name) for entry in home.iterdir()] == [b"new\xff"]
    assert as_mia.post("/files/rename", made.json() | {"to": "~/other"}).json() == {"path": "~/other"}
    (home / "other" / "file").touch()
    assert as_mia.delete("/files?path=~/other").status_code == 409
    assert as_mia.delete("/files?path=~/other&recursive=true").json() == {"path": "~/other", "entries": 1}
    assert not list(home.iterdir())


def test_a_name_that_is_taken_is_replaced_only_when_told(as_mia, home, is_problem):
    (home / "a").write_text("a")
    (home / "b").write_text("b")
    problem = is_problem(as_mia.post("/files/rename", {"path": "~/a", "to": "~/b"}), 409)
    assert problem["path"] == "~/a"
    told = {"path": "~/a", "to": "~/b", "overwrite": True}
    assert as_mia.post("/files/rename", told).status_code == 200
    assert (home / "b").read_text() == "a"


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/files?path=~/none", 404),
        ("GET", "/files?path=relative", 422),
        ("GET", "/files?path=~/..", 422),
        ("GET", "/files?sort=colour", 422),
        ("GET", "/files?cursor=x", 422),
        ("GET", "/files/entry?path=~/none", 404),
        ("DELETE", "/files?path=~/none", 404),
        ("DELETE", "/files?path=~&recursive=true", 422),
    ],
)
def test_what_cannot_be_done_is_a_problem_that_names_the_path(as_mia, is_problem, method, address, status):
    problem = is_problem(as_mia(method, address), status)
    wanted = dict(part.split("=") for part in urlsplit(address).query.split("&")).get("path", "~")
    assert problem["path"] == wanted
    assert wanted in problem["detail"]


def test_a_change_that_cannot_be_made_names_the_path_too(as_mia, is_problem):
    problem = is_problem(as_mia.post("/files/folder", {"path": "~/none/new"}), 404)
    assert problem["path"] == "~/none/new"
    assert is_problem(as_mia.post("/files/rename", {"path": "~/none", "to": "~/a"}), 404)["path"] == "~/none"
    assert "path" in is_problem(as_mia.post("/files/folder", {}), 422)["errors"]


def test_everything_is_done_as_who_asks(nobody, as_mia, as_tom, door, is_problem):
    assert as_mia.get("/files").status_code == 200
    assert as_tom.get("/files").status_code == 200
    assert {user for user, _ in door.passed} == {"mia", "tom"}
    for method, address in (("GET", "/files"), ("DELETE", "/files?path=~/a"), ("POST", "/files/folder")):
        is_problem(nobody(method, address), 401)


def test_places_say_what_can_be_used(as_mia, is_problem, door):
    Cluster.objects.filter(name="cluster2").update(state="DOWN")
    places = {place["path"]: place["available"] for place in as_mia.get("/files/places").json()}
    assert places == {"~": True, "/efs": True, "/fsx_cluster1": True, "/fsx_cluster2": False}
    problem = is_problem(as_mia.get("/files?path=/fsx_cluster2/a"), 503)
    assert "cluster2" in problem["detail"]
    assert not door.passed


def test_a_change_is_repeated_on_another_cluster_only_if_it_did_not_happen(as_mia, door, is_problem, home):
    door.silent["cluster1"] = ClusterUnreachable("x")
    assert as_mia.post("/files/folder", {"path": "~/a"}).status_code == 201
    door.silent["cluster1"] = AnswerLost("x")
    problem = is_problem(as_mia.post("/files/folder", {"path": "~/b"}), 503)
    assert "may have been done" in problem["detail"]
    assert not (home / "b").exists()
