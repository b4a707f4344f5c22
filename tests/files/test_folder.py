"""A folder, whatever lies in it, page by page."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tandem.clusters.door import AnswerLost, ClusterRefused, ClusterUnreachable
from tandem.clusters.models import Cluster
from tandem.files import places
from tandem.files.folder import Folder, show_entry, show_folder, which_exist
from tandem.files.trouble import FilesAway, FileTrouble

RIGHT_TO_LEFT = "\u202egpj.exe".encode()
HOSTILE = [b"line\nend", b"no \xff text", b"-rf", b"<b>&'\".html", RIGHT_TO_LEFT, b"$(id)", b"end\n", b" a b "]


def names(folder: Folder) -> list[bytes]:
    return [entry.raw_name for entry in folder.entries]


def every(path: str, **wanted: Any) -> list[bytes]:
    """All names, page by page."""
    found, after = [], ""
    while True:
        page = show_folder("ada", path.encode(), after=after, **wanted)
        found += names(page)
        after = page.after
        if not after:
            return found


@pytest.fixture
def full(home: Path, door: Any) -> Path:
    (home / "runs").mkdir()
    (home / "Alpha").mkdir()
    (home / "link").symlink_to(home / "runs")
    (home / "gone").symlink_to(home / "nothing")
    for at, name in enumerate(("b.in", "A.in", ".hidden", "c.in")):
        (home / name).write_bytes(b"x" * (10 - at))
        os.utime(home / name, (1_700_000_000 + at, 1_700_000_000 + at))
    os.mkfifo(home / "pipe")
    return home


def test_folders_come_first_and_hidden_files_last(full: Path) -> None:
    folder = show_folder("ada", b"~")
    assert folder.path == os.fsencode(full)
    assert names(folder) == [b"Alpha", b"link", b"runs", b"A.in", b"b.in", b"c.in", b"gone", b"pipe", b".hidden"]
    assert "".join(entry.kind for entry in folder.entries) == "dDdfffl" + "of"
    assert (folder.total, folder.found, folder.after) == (9, 9, "")
    link = folder.entries[1]
    assert (link.opens, link.is_link, link.target) == (True, True, str(full / "runs"))


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("-name", [b"runs", b"link", b"Alpha", b".hidden", b"pipe", b"gone", b"c.in", b"b.in", b"A.in"]),
        ("size", [b".hidden", b"A.in", b"b.in"]),
        ("-modified", [b"c.in", b".hidden", b"A.in", b"b.in"]),
    ],
)
def test_it_is_sorted_where_it_is_read(full: Path, sort: str, order: list[bytes]) -> None:
    found = [name for name in names(show_folder("ada", b"~", sort=sort)) if name in order]
    assert found == order


@pytest.mark.parametrize("sort", ["name", "-name", "size", "-modified"])
@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_pages_together_are_the_whole(full: Path, sort: str, size: int) -> None:
    assert every("~", sort=sort, size=size) == every("~", sort=sort)


def test_what_is_deleted_between_two_pages_hides_nothing_else(full: Path) -> None:
    first = show_folder("ada", b"~", size=5)
    assert names(first)[-1] == b"b.in"
    (full / "b.in").unlink()
    (full / "b.out").touch()
    assert names(show_folder("ada", b"~", size=5, after=first.after))[:2] == [b"b.out", b"c.in"]


def test_part_of_a_name_is_looked_for_in_all_of_the_folder(full: Path) -> None:
    folder = show_folder("ada", b"~", wanted=".IN", size=2)
    assert (names(folder), folder.found, folder.total) == ([b"A.in", b"b.in"], 3, 9)
    assert names(show_folder("ada", b"~", wanted=".IN", size=2, after=folder.after)) == [b"c.in"]


@pytest.mark.parametrize("sort", ["name", "size", "modified"])
def test_every_name_comes_back_byte_for_byte(home: Path, door: Any, sort: str) -> None:
    for name in HOSTILE:
        (home / os.fsdecode(name)).write_bytes(b"1")
    assert sorted(every("~", sort=sort, size=3)) == sorted(HOSTILE)
    for entry in show_folder("ada", b"~").entries:
        assert "\n" not in entry.name
        assert "\u202e" not in entry.name
        assert show_entry("ada", entry.raw_path).raw_name == entry.raw_name
    assert {entry.name for entry in show_folder("ada", b"~").entries} >= {"line␊end", "no � text", "�gpj.exe"}


def test_a_folder_with_any_name_opens(home: Path, door: Any) -> None:
    for name in HOSTILE:
        (home / os.fsdecode(name)).mkdir()
        (home / os.fsdecode(name) / "in it").touch()
        folder = show_folder("ada", os.fsencode(home) + b"/" + name)
        assert (folder.path, names(folder)) == (os.fsencode(home) + b"/" + name, [b"in it"])


@pytest.mark.parametrize("path", ["relative", "", "/a/../b", "~/../bob", "/a\0b", "-n", "~bob"])
def test_what_is_no_path_is_refused_before_anything_is_asked(door: Any, path: str) -> None:
    with pytest.raises(FileTrouble) as trouble:
        show_folder("ada", path.encode())
    assert trouble.value.status == 422
    assert not door.passed


def test_no_path_is_read_by_a_shell(home: Path, door: Any) -> None:
    with pytest.raises(FileTrouble):
        show_folder("ada", f"/$(touch {home}/made)/`touch {home}/made`".encode())
    assert not (home / "made").exists()


def test_what_is_wrong_with_a_folder_is_said(full: Path) -> None:
    for path, status in ((b"~/nothing", 404), (b"~/b.in", 409), (b"~/gone", 404)):
        with pytest.raises(FileTrouble) as trouble:
            show_folder("ada", path)
        assert (trouble.value.status, trouble.value.path) == (status, path)


def test_a_typed_path_opens_the_folder_in_which_it_lies(full: Path) -> None:
    for path in (b"~/b.in", b"~/not-yet.in", b"~"):
        assert show_folder("ada", path, near=True).path == os.fsencode(full)


@pytest.mark.parametrize("cursor", ["x", "!!", "", "Zg", "eGE"])
@pytest.mark.parametrize("sort", ["name", "size"])
def test_any_cursor_is_an_answer_or_a_refusal(full: Path, cursor: str, sort: str) -> None:
    with pytest.raises(FileTrouble) if cursor else nullcontext() as trouble:
        show_folder("ada", b"~", after=cursor, sort=sort)
    assert trouble is None or trouble.value.status == 422


def test_only_the_entries_of_the_page_are_looked_at_closely(home: Path, door: Any) -> None:
    for number in range(300):
        (home / f"file{number:03}").touch()
    folder = show_folder("ada", b"~", size=10)
    assert (len(folder.entries), folder.total) == (10, 300)
    assert which_exist("ada", b"~", [b"file007", b"none", b"file299"]) == [b"file007", b"file299"]


@pytest.mark.parametrize("silence", [ClusterUnreachable("x"), AnswerLost("x"), ClusterRefused("x")])
def test_another_cluster_is_asked_when_one_is_silent(full: Path, door: Any, silence: Exception) -> None:
    door.silent["cluster1"] = silence
    assert show_folder("ada", b"~").cluster == "cluster2"
    door.silent["cluster2"] = silence
    with pytest.raises(FilesAway):
        show_folder("ada", b"~")


def test_a_scratch_is_reached_through_its_own_cluster_alone(door: Any) -> None:
    with pytest.raises(FileTrouble):
        show_folder("ada", b"/fsx_cluster2/runs")
    assert set(door.passed) == {("ada", "cluster2")}
    Cluster.objects.filter(name="cluster2").update(state="DOWN")
    door.passed.clear()
    with pytest.raises(FilesAway) as away:
        show_folder("ada", b"/fsx_cluster2/runs")
    assert (away.value.clusters, door.passed) == (["cluster2"], [])
    assert {root.name: bool(root.away) for root in places.roots("ada", b"~")} == {
        "Home": False,
        "/efs": False,
        "/fsx_cluster1": False,
        "/fsx_cluster2": True,
    }


def test_a_link_to_another_clusters_scratch_leads_there(home: Path, door: Any) -> None:
    (home / "scratch").symlink_to("/fsx_cluster2/ada")
    with pytest.raises(FileTrouble):
        show_folder("ada", b"~/scratch")
    assert door.passed == [("ada", "cluster1"), ("ada", "cluster2")]
