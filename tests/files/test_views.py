"""The pages: a folder with any names in it, questions before what cannot be undone, words when something fails."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from tests.files.test_folder import HOSTILE

from tandem.clusters.door import ClusterUnreachable
from tandem.clusters.models import Cluster
from tandem.files.paths import quoted


def page(client: Client, name: str, path: bytes, **query: str) -> str:
    more = "".join(f"&{key}={value}" for key, value in query.items())
    response = client.get(f"{reverse(name)}?path={quoted(path)}{more}")
    assert response.status_code == 200
    return response.content.decode()


def test_the_page_stands_before_any_cluster_is_asked(adas: Client, door: Any) -> None:
    shown = page(adas, "files", b"/efs/a b/\xff<i>")
    assert not door.passed
    assert 'hx-get="/files/folder?path=/efs/a%20b/%EE%BF%BF%3Ci%3E"' in shown
    assert "Reading /efs/a b/�&lt;i&gt;…" in shown
    for root in ("Home", "/efs", "/fsx_cluster1", "/fsx_cluster2"):
        assert f"<span>{root}</span>" in shown
    assert 'aria-current="page"' in shown


def test_every_name_is_shown_harmlessly_and_leads_to_itself(adas: Client, home: Path, door: Any) -> None:
    for name in HOSTILE:
        (home / os.fsdecode(name)).write_bytes(b"x")
    shown = page(adas, "files-folder", b"~")
    assert "8 entries" in shown
    assert "<b>" not in shown
    assert "\u202e" not in shown
    for name in HOSTILE:
        assert shown.count(f"?path={quoted(os.fsencode(home) + b'/' + name)}") == 4, "name, download, rename, delete"


def test_what_is_many_comes_page_by_page(adas: Client, home: Path, door: Any) -> None:
    for number in range(450):
        (home / f"file{number:03}").touch()
    shown = page(adas, "files-folder", b"~")
    seen = shown.count("<bdi")
    following = shown
    while "more-row" in following:
        address = following.split('class="more-row" hx-get="')[1].split('"')[0].replace("&amp;", "&")
        following = adas.get(address).content.decode()
        seen += following.count('<bdi class="entry-name"')
    assert "450 entries" in shown
    assert seen - shown.count("<bdi>") == 450


def test_an_empty_folder_says_what_to_do(adas: Client, door: Any) -> None:
    assert "Drop files here" in page(adas, "files-folder", b"~")
    assert "No name here has" in page(adas, "files-folder", b"~", wanted="x")


def test_a_cluster_that_is_down_is_shown_with_its_age_and_the_others_can_be_used(
    adas: Client, home: Path, door: Any
) -> None:
    Cluster.objects.filter(name="cluster2").update(state="DOWN")
    assert page(adas, "files", b"/fsx_cluster2").count("root-away") == 1
    shown = page(adas, "files-folder", b"/fsx_cluster2/x")
    assert "cluster2, which alone has this path, is down" in shown
    assert "last answer" in shown
    assert "Try again" in shown
    assert "This folder is empty" in page(adas, "files-folder", b"~")
    assert "Try again" in page(adas, "files-more", b"/fsx_cluster2/x")
    door.silent = {"cluster1": ClusterUnreachable("x")}
    assert "cluster1 does not answer" in page(adas, "files-folder", b"~")


def test_while_no_cluster_answers_nobody_is_sent_home_from_home(adas: Client, door: Any) -> None:
    Cluster.objects.update(state="DOWN")
    assert page(adas, "files", b"~").count("no cluster answers") == 2
    shown = page(adas, "files-folder", b"~")
    assert "No cluster answers at the moment" in shown
    assert shown.count("last answer") == 2
    assert "Try again" in shown
    assert "Home directory" not in shown
    assert "Home directory" in page(adas, "files-folder", b"/efs")


@pytest.mark.parametrize("path", [b"~/nothing", b"~/file", b"relative", b"/a/../b"])
def test_a_folder_that_cannot_be_shown_says_why(adas: Client, home: Path, door: Any, path: bytes) -> None:
    (home / "file").touch()
    assert 'role="alert"' in page(adas, "files-folder", path)


def test_a_folder_is_made(adas: Client, home: Path, door: Any) -> None:
    address = f"{reverse('files-new-folder')}?path={quoted(os.fsencode(home))}"
    assert 'name="name"' in adas.get(address).content.decode()
    for wrong in ("", "..", "a/b", "x" * 300):
        assert "field-error" in adas.post(address, {"name": wrong}).content.decode()
    done = adas.post(address, {"name": "new <one>"})
    assert "files-changed" in done["HX-Trigger-After-Settle"]
    assert "new &lt;one&gt;" in done.content.decode()
    assert (home / "new <one>").is_dir()
    assert "of this name already" in adas.post(address, {"name": "new <one>"}).content.decode()


def test_a_file_is_renamed_whatever_it_is_called(adas: Client, home: Path, door: Any) -> None:
    (home / os.fsdecode(b"no \xff text")).touch()
    (home / "taken").touch()
    address = f"{reverse('files-rename')}?path={quoted(os.fsencode(home) + b'/no %s text' % bytes([255]))}"
    assert "of this name already" in adas.post(address, {"name": "taken"}).content.decode()
    assert "files-changed" in adas.post(address, {"name": "better"})["HX-Trigger-After-Settle"]
    assert sorted(entry.name for entry in home.iterdir()) == ["better", "taken"]


def test_before_a_folder_is_deleted_it_is_said_how_much_goes(adas: Client, home: Path, door: Any) -> None:
    for number in range(3):
        (home / "full" / f"sub{number}").mkdir(parents=True)
        (home / "full" / f"sub{number}" / "file").touch()
    address = f"{reverse('files-delete')}?path=~/full"
    question = adas.get(address).content.decode()
    assert "6 entries in it will be deleted too" in question
    assert (home / "full").exists()
    assert "files-changed" in adas.post(address)["HX-Trigger-After-Settle"]
    assert not (home / "full").exists()
    assert "no such file" in adas.get(address).content.decode()
    assert "no such file" in adas.post(address).content.decode()


def test_what_is_there_already_is_told_before_files_are_sent(adas: Client, home: Path, door: Any) -> None:
    (home / "a").touch()
    (home / "-n").touch()
    address = f"{reverse('files-taken')}?path=~"
    assert adas.post(address, {"name": ["a", "b", "-n"]}).json() == {"taken": ["a", "-n"]}
    assert "failed" in adas.post(f"{reverse('files-taken')}?path=~/none", {"name": ["a"]}).json()


def test_nothing_is_changed_by_looking_or_without_the_forms_token(
    adas: Client, ada: Any, home: Path, door: Any
) -> None:
    (home / "a").touch()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    for name in ("files-delete", "files-rename", "files-new-folder", "files-taken"):
        assert strict.post(f"{reverse(name)}?path=~/a", {"name": "b"}).status_code == 403
        adas.get(f"{reverse(name)}?path=~/a")
    assert [entry.name for entry in home.iterdir()] == ["a"]


class TestPicker:
    """The same listing for a field of a form."""

    def listing(self, client: Client, pick: str, **query: str) -> str:
        response = client.get(reverse("files-folder"), {"pick": pick, "field": "input_file", **query})
        assert response.status_code == 200
        return response.content.decode()

    def test_it_opens_where_the_field_leads(self, adas: Client, home: Path, door: Any) -> None:
        (home / "runs").mkdir()
        (home / "runs" / "a.in").touch()
        for typed in (f"{home}/runs", f"{home}/runs/a.in", f"{home}/runs/not-yet", "~/runs/"):
            shown = self.listing(adas, "file", input_file=typed)
            assert f'data-pick="{home}/runs/a.in" data-pick-for="id_input_file"' in shown
        for typed in ("", "relative", "$(id)", "-n"):
            assert ">runs</bdi>" in self.listing(adas, "file", input_file=typed)

    def test_only_folders_are_picked_for_a_directory(self, adas: Client, home: Path, door: Any) -> None:
        (home / "a.in").touch()
        shown = self.listing(adas, "directory")
        assert f'data-pick="{home}"' in shown
        assert "a.in" in shown
        assert f'data-pick="{home}/a.in"' not in shown

    def test_names_that_cannot_be_typed_are_not_picked(self, adas: Client, home: Path, door: Any) -> None:
        for name in (b"line\nend", b"no \xff text", "\u202egpj".encode()):
            (home / os.fsdecode(name)).touch()
        assert "data-pick=" not in self.listing(adas, "file")

    def test_nothing_is_changed_from_there(self, adas: Client, home: Path, door: Any) -> None:
        (home / "a.in").touch()
        shown = self.listing(adas, "file")
        assert "files/delete" not in shown
        assert "upload" not in shown

    @pytest.mark.parametrize(("pick", "field"), [("file", "a b"), ("x", "input_file"), ("file", '"><script>')])
    def test_only_fields_are_picked_for(self, adas: Client, door: Any, pick: str, field: str) -> None:
        assert adas.get(reverse("files-folder"), {"pick": pick, "field": field}).status_code == 400
