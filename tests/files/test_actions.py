"""Making, renaming and deleting: nothing is taken over, no link is followed, every name is just a name."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.files.test_folder import HOSTILE

from tandem.clusters.door import AnswerLost, ClusterUnreachable
from tandem.files import actions
from tandem.files.actions import Count
from tandem.files.trouble import FilesAway, FileTrouble

pytestmark = pytest.mark.usefixtures("door")


def refused(call: Any, *args: Any, **named: Any) -> int:
    with pytest.raises(FileTrouble) as trouble:
        call("ada", *args, **named)
    assert str(trouble.value).endswith(".")
    return trouble.value.status


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_can_be_made_renamed_and_deleted(home: Path, name: bytes) -> None:
    path = os.fsencode(home) + b"/" + name
    actions.make_folder("ada", path)
    assert Path(os.fsdecode(path)).is_dir()
    Path(os.fsdecode(path), "in it").touch()
    other = os.fsencode(home) + b"/other " + name
    actions.rename("ada", path, other)
    assert [os.fsencode(entry.name) for entry in home.iterdir()] == [b"other " + name]
    assert actions.count_entries("ada", other) == Count(1, True)
    actions.delete("ada", other, with_content=True)
    assert not list(home.iterdir())


def test_a_name_that_is_taken_is_not_taken_over(home: Path) -> None:
    (home / "a").write_text("a")
    (home / "b").write_text("b")
    (home / "folder").mkdir()
    (home / "link").symlink_to("nothing")
    assert refused(actions.make_folder, b"~/a") == 409
    for taken in (b"~/b", b"~/folder", b"~/link"):
        assert refused(actions.rename, b"~/a", taken) == 409
    assert (home / "a").read_text() == "a"
    assert (home / "b").read_text() == "b"
    assert refused(actions.rename, b"~/a", b"~/folder", overwrite=True) == 409
    actions.rename("ada", b"~/a", b"~/b", overwrite=True)
    assert (home / "b").read_text() == "a"


def test_what_cannot_be_renamed_is_said(home: Path) -> None:
    (home / "folder").mkdir()
    assert refused(actions.rename, b"~/nothing", b"~/a") == 404
    assert refused(actions.rename, b"~/folder", b"~/folder/in/it") == 409
    assert refused(actions.rename, b"~/folder", b"~/nowhere/x") == 404
    assert refused(actions.rename, b"~", b"~/a") == 422
    assert refused(actions.rename, b"~/folder", b"~/..") == 422


def test_another_file_system_is_refused_rather_than_copied(home: Path) -> None:
    (home / "a").write_text("a")
    assert refused(actions.rename, b"~/a", b"/dev/shm/tandem-test-a") == 409
    assert (home / "a").exists()


def test_a_folder_goes_with_its_content_only_when_told(home: Path) -> None:
    (home / "full" / "deep").mkdir(parents=True)
    (home / "full" / "deep" / "file").touch()
    (home / "empty").mkdir()
    assert actions.count_entries("ada", b"~/full") == Count(2, True)
    assert refused(actions.delete, b"~/full") == 409
    actions.delete("ada", b"~/empty")
    actions.delete("ada", b"~/full", with_content=True)
    assert not list(home.iterdir())
    assert refused(actions.delete, b"~/full") == 404
    assert refused(actions.delete, b"~") == 422
    assert refused(actions.delete, b"/", with_content=True) == 422


def test_links_are_deleted_and_not_what_they_lead_to(home: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (home / "link").symlink_to(kept)
    (home / "folder").mkdir()
    (home / "folder" / "link").symlink_to(kept)
    assert actions.count_entries("ada", b"~/link") is None
    assert actions.count_entries("ada", b"~/folder") == Count(1, True)
    actions.delete("ada", b"~/link", with_content=True)
    actions.delete("ada", b"~/folder", with_content=True)
    assert not list(home.iterdir())
    assert (kept / "file").exists()


def test_a_change_whose_answer_was_lost_is_not_asked_of_another_cluster(door: Any) -> None:
    door.silent["cluster1"] = AnswerLost("x")
    with pytest.raises(FilesAway, match="may have been done"):
        actions.make_folder("ada", b"~/x")
    assert [cluster for _, cluster in door.passed] == ["cluster1"]


def test_a_change_that_reached_no_cluster_goes_through_another(home: Path, door: Any) -> None:
    door.silent["cluster1"] = ClusterUnreachable("x")
    actions.make_folder("ada", b"~/x")
    assert (home / "x").is_dir()


def test_a_folder_of_which_not_all_is_counted_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        (home / "full" / name).mkdir(parents=True)
    monkeypatch.setattr(actions, "MOST_COUNTED", 2)
    assert actions.count_entries("ada", b"~/full") == Count(2, False)
