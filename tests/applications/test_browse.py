"""A directory of the cluster: listed by the script that runs there, as the person, whatever names are in it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tandem.applications import browse
from tandem.applications.browse import BrowseFailed, read_listing
from tandem.clusters.channel import Answer
from tandem.clusters.door import ClusterRefused, ClusterUnreachable
from tandem.clusters.models import Cluster


class Door:
    """Runs the script here, or fails as told."""

    def __init__(self, problem: Exception | None = None, home: Path | None = None) -> None:
        self.problem, self.home = problem, home
        self.asked: list[tuple[str, str]] = []

    def run(self, user: str, cluster: str, script: str, args: tuple[str, ...], **_: Any) -> Answer:
        self.asked.append((user, cluster))
        if self.problem:
            raise self.problem
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        done = subprocess.run(["/bin/sh", "-c", script, "sh", *args], capture_output=True, env=environment)
        return Answer(done.stdout, done.stderr, done.returncode)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home of ada"
    (home / "runs").mkdir(parents=True)
    (home / "link").symlink_to(home / "runs")
    (home / "gone").symlink_to(home / "nothing")
    for name in ("b.in", "A.in", ".hidden", "line\nend", "-n"):
        (home / name).write_bytes(b"12345")
    (home / os.fsdecode(b"no \xff text")).write_bytes(b"")
    monkeypatch.setattr(browse, "get_door", lambda: Door(home=home))
    return home


@pytest.mark.usefixtures("two_clusters")
def test_directories_come_first_and_hidden_files_last(home: Path) -> None:
    listing = browse.browse("ada", "~")
    assert listing.path == str(home)
    assert [(entry.name, entry.is_directory) for entry in listing.entries] == [
        ("link", True),
        ("runs", True),
        ("-n", False),
        ("A.in", False),
        ("b.in", False),
        ("gone", False),
        (".hidden", False),
    ]
    assert {entry.size for entry in listing.entries if entry.name.endswith(".in")} == {5}


@pytest.mark.usefixtures("two_clusters")
@pytest.mark.parametrize("path", ["~/runs", "{home}/runs", "{home}/runs/not-yet.in", "~/runs/"])
def test_a_typed_path_opens_where_it_leads(path: str, home: Path) -> None:
    assert browse.browse("ada", path.format(home=home)).path == str(home / "runs")


@pytest.mark.usefixtures("two_clusters")
@pytest.mark.parametrize("path", ["", "relative", "$(id)", "-n"])
def test_what_is_no_path_opens_home(path: str, home: Path) -> None:
    assert browse.browse("ada", path).path == str(home)


@pytest.mark.usefixtures("two_clusters")
def test_a_path_is_never_read_by_a_shell(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BrowseFailed):
        browse.browse("ada", f"/$(touch {tmp_path}/made)/`touch {tmp_path}/made`/x")
    assert not (tmp_path / "made").exists()


def test_a_full_directory_is_cut() -> None:
    rows = "".join(f"f 1 file{number}\0" for number in range(browse.MOST_ENTRIES + 1))
    listing = read_listing(f"/efs\0{rows}".encode(), "cluster1")
    assert len(listing.entries) == browse.MOST_ENTRIES
    assert listing.is_cut


def test_every_step_of_the_path_leads_somewhere() -> None:
    listing = read_listing(b"/efs/home/ada\0", "cluster1")
    assert listing.steps == [("/", "/"), ("efs", "/efs"), ("home", "/efs/home"), ("ada", "/efs/home/ada")]


@pytest.mark.parametrize("problem", [ClusterUnreachable("x"), ClusterRefused("x")])
def test_a_cluster_that_does_not_answer_is_told_in_the_dialog(
    problem: Exception, adas: Client, two_clusters: list[Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "get_door", lambda: Door(problem))
    response = adas.get(reverse("directory"), {"field": "input_file", "path": "/efs"})
    assert response.status_code == 200
    assert "cluster1" in response.content.decode()


def test_without_a_cluster_nothing_is_asked(
    adas: Client, two_clusters: list[Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    Cluster.objects.update(state="DOWN")
    door = Door()
    monkeypatch.setattr(browse, "get_door", lambda: door)
    assert "No cluster answers" in adas.get(reverse("directory"), {"field": "input_file"}).content.decode()
    assert not door.asked


@pytest.mark.usefixtures("two_clusters")
def test_it_is_listed_as_the_person_who_looks(adas: Client, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(home=home)
    monkeypatch.setattr(browse, "get_door", lambda: door)
    page = adas.get(reverse("directory"), {"field": "input_file", "input_file": f"{home}/b.in"}).content.decode()
    assert door.asked == [("ada", "cluster1")]
    assert f'data-pick="{home}/b.in"' in page


@pytest.mark.usefixtures("two_clusters")
def test_for_a_directory_only_directories_can_be_picked(adas: Client, home: Path) -> None:
    page = adas.get(reverse("directory"), {"field": "execution_directory"}).content.decode()
    assert f'data-pick="{home}"' in page
    assert "b.in&quot;" not in page
    assert f'data-pick="{home}/b.in"' not in page


def test_only_fields_that_hold_paths_are_browsed(adas: Client) -> None:
    assert adas.get(reverse("directory"), {"field": "password"}).status_code == 400
