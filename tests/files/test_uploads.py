"""Files on their way in, over a real sshd: whole or not at all, whatever breaks."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from tests.clusters.hosts import Host, wait_until

from tandem.accounts.models import Person
from tandem.clusters.door import Door
from tandem.files import uploads
from tandem.files.folder import Entry
from tandem.files.paths import quoted
from tandem.files.trouble import FilesAway, FileTrouble
from tandem.jobs.stream_access import Viewer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def known(two_clusters: Any, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    two_clusters[1].delete()


def put(door: Door, path: bytes, body: Any, size: int, over: bool = False, user: str = "alice") -> Entry:
    """Send what `body` yields to `path`."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in body:
            yield piece() if callable(piece) else piece
            await asyncio.sleep(0)

    query = f"path={quoted(path)}{'&overwrite=true' if over else ''}"
    scope = {"type": "http", "method": "PUT", "path": "/x", "query_string": query.encode(), "headers": []}
    viewer = Viewer(1, user, False, "")
    original, uploads.get_door = uploads.get_door, lambda: door
    try:
        return asyncio.run(uploads.take(ASGIRequest(scope, None), viewer, size, pieces()))
    finally:
        uploads.get_door = original


def left_in(host: Host, folder: str) -> list[str]:
    return host.inside("ls", "-A", folder).split("\n")[:-1]


def refused(call: Callable[[], object]) -> FileTrouble:
    with pytest.raises(FileTrouble) as trouble:
        call()
    return trouble.value


@pytest.fixture
def folder(host: Host, request: pytest.FixtureRequest) -> str:
    """A folder of alice's, of this test alone."""
    path = f"/home/alice/{request.node.name[:60]}"
    host.inside("install", "-d", "-o", "alice", "-g", "alice", path)
    return path


@pytest.mark.parametrize("size", [0, 1, 262_144, 5_000_000])
def test_a_file_arrives_byte_for_byte(host: Host, real_door: Door, folder: str, size: int) -> None:
    content = os.urandom(size)
    pieces = [content[at : at + 300_000] for at in range(0, size, 300_000)]
    entry = put(real_door, f"{folder}/a b.bin".encode(), pieces, size)
    assert (entry.raw_name, entry.size, entry.kind) == (b"a b.bin", size, "f")
    assert host.inside("stat", "-c", "%U %a %s", f"{folder}/a b.bin").split() == ["alice", "644", str(size)]
    read = real_door.run("alice", "cluster1", 'cat "$1"', [f"{folder}/a b.bin"]).stdout
    assert read == content
    assert left_in(host, folder) == ["a b.bin"]


@pytest.mark.parametrize("name", [b"-rf", b"<b>.html", b"no \xff text", b"a\nb", "\u202egpj".encode(), b"$(id)"])
def test_any_name_arrives(host: Host, real_door: Door, folder: str, name: bytes) -> None:
    assert put(real_door, folder.encode() + b"/" + name, [b"x"], 1).raw_name == name


def test_a_name_that_is_taken_is_refused_unless_it_is_to_be_replaced(host: Host, real_door: Door, folder: str) -> None:
    path = f"{folder}/a".encode()
    put(real_door, path, [b"old"], 3)
    host.inside("chmod", "600", f"{folder}/a")
    assert refused(lambda: put(real_door, path, [b"new"], 3)).status == 409
    assert host.inside("cat", f"{folder}/a") == "old"
    put(real_door, path, [b"new"], 3, over=True)
    assert host.inside("cat", f"{folder}/a") == "new"
    assert host.inside("stat", "-c", "%a", f"{folder}/a") == "600\n", "the mode that it had"
    assert left_in(host, folder) == ["a"]


def test_a_name_that_is_taken_meanwhile_is_not_taken_over(host: Host, real_door: Door, folder: str) -> None:
    def somebody_else() -> bytes:
        host.inside("sh", "-c", 'until ls -A "$1" | grep -q tandem; do :; done; echo theirs >"$1/a"', "sh", folder)
        return b"x" * 1000

    assert refused(lambda: put(real_door, f"{folder}/a".encode(), [b"x" * 1000, somebody_else], 2000)).status == 409
    assert host.inside("cat", f"{folder}/a") == "theirs\n"
    assert left_in(host, folder) == ["a"]


def test_a_link_is_replaced_and_not_followed(host: Host, real_door: Door, folder: str) -> None:
    host.inside("sh", "-c", 'echo kept >"$1/kept"; ln -s kept "$1/link"', "sh", folder)
    assert refused(lambda: put(real_door, f"{folder}/link".encode(), [b"x"], 1)).status == 409
    put(real_door, f"{folder}/link".encode(), [b"x"], 1, over=True)
    assert host.inside("cat", f"{folder}/kept", f"{folder}/link") == "kept\nx"


def test_where_nothing_may_be_written_it_is_said(host: Host, real_door: Door, folder: str) -> None:
    assert refused(lambda: put(real_door, b"/home/zed/a", [b"x"], 1)).status == 403
    assert refused(lambda: put(real_door, b"/etc/a", [b"x"], 1)).status == 403
    assert refused(lambda: put(real_door, f"{folder}/none/a".encode(), [b"x"], 1)).status == 404
    host.inside("mkdir", f"{folder}/sub")
    assert refused(lambda: put(real_door, f"{folder}/sub".encode(), [b"x"], 1, over=True)).status == 409
    for path in (b"~", b"/", b"~/..", b"~/a/../b"):
        assert refused(lambda path=path: put(real_door, path, [b"x"], 1)).status == 422


def test_a_full_disk_is_said_and_leaves_nothing(host: Host, real_door: Door, folder: str) -> None:
    host.inside("mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "none", folder)
    host.inside("sh", "-c", 'echo old >"$1/a"; chown alice "$1/a"', "sh", folder)
    body = [b"x" * 262_144] * 40
    full = refused(lambda: put(real_door, f"{folder}/a".encode(), body, 40 * 262_144, over=True))
    assert (full.status, "full" in str(full)) == (507, True)
    assert left_in(host, folder) == ["a"]
    assert host.inside("cat", f"{folder}/a") == "old\n"


@pytest.mark.parametrize(("program", "words"), [("head", "head: error writing 'standard output'"), ("sync", "sync: x")])
def test_a_quota_that_is_used_up_is_said_and_leaves_nothing(
    host: Host, real_door: Door, folder: str, program: str, words: str
) -> None:
    """Whether the file system says so at once or, as NFS does, when all was written."""
    host.inside("sh", "-c", 'echo old >"$1/a"; chown alice "$1/a"', "sh", folder)
    elsewhere = '[ "${0##*/}" = sync ] || [ -f /proc/self/fd/1 ] || exec /usr/bin/head "$@"'
    host.program(program, f'#!/bin/sh\n{elsewhere}\necho "{words}: Disk quota exceeded" >&2\nexit 1\n')
    try:
        full = refused(lambda: put(real_door, f"{folder}/a".encode(), [b"new"], 3, over=True))
    finally:
        host.inside("rm", f"/opt/slurm/bin/{program}")
    assert (full.status, "quota" in str(full)) == (507, True)
    assert left_in(host, folder) == ["a"]
    assert host.inside("cat", f"{folder}/a") == "old\n"


def test_what_a_dead_head_node_left_of_an_upload_goes_with_the_next(host: Host, real_door: Door, folder: str) -> None:
    script = """cd "$1" && touch .tandem-upload-goingonnow
        touch -d '2 hours ago' .tandem-upload-deadanhour .tandem-upload-somebodys1 .tandem-upload-not-ours
        chown alice .tandem-upload-goingonnow .tandem-upload-deadanhour .tandem-upload-not-ours"""
    host.inside("sh", "-c", script, "sh", folder)
    put(real_door, f"{folder}/a".encode(), [b"x"], 1)
    left = [".tandem-upload-goingonnow", ".tandem-upload-not-ours", ".tandem-upload-somebodys1", "a"]
    assert sorted(left_in(host, folder)) == left


def test_a_folder_that_vanishes_on_the_way_is_said(host: Host, real_door: Door, folder: str) -> None:
    def vanish() -> bytes:
        script = 'until ls -A "$1" | grep -q tandem; do :; done; rm -r "$1"'
        host.inside("sh", "-c", script, "sh", folder)
        return b"x" * 1000

    assert refused(lambda: put(real_door, f"{folder}/a".encode(), [b"x" * 1000, vanish], 2000)).status == 404
    assert host.inside("sh", "-c", '[ -e "$1" ] || echo gone', "sh", folder) == "gone\n"


def test_less_than_was_announced_leaves_nothing(host: Host, real_door: Door, folder: str) -> None:
    assert refused(lambda: put(real_door, f"{folder}/a".encode(), [b"x" * 10], 20)).status == 400
    assert left_in(host, folder) == []


def test_a_sender_that_hangs_up_leaves_nothing(host: Host, real_door: Door, folder: str) -> None:
    class Gone(Exception):
        pass

    def hang_up() -> bytes:
        wait_until(lambda: left_in(host, folder), "something is written")
        raise Gone

    with pytest.raises(Gone):
        put(real_door, f"{folder}/a".encode(), [b"x" * 1000, hang_up], 2000)
    wait_until(lambda: not left_in(host, folder), "what was set aside is gone")


def test_a_connection_that_is_cut_leaves_nothing(own_host: Host, own_door: Door) -> None:
    own_host.inside("install", "-d", "-o", "alice", "/home/alice/cut")

    def cut() -> bytes:
        wait_until(lambda: left_in(own_host, "/home/alice/cut"), "something is written")
        own_host.inside("pkill", "-KILL", "-u", "alice", "sshd")
        return b"x" * 1000

    body = [b"x" * 1000, cut, *[b"x" * 262_144] * 20]
    away = refused(lambda: put(own_door, b"/home/alice/cut/a", body, 2000 + 20 * 262_144))
    assert isinstance(away, FilesAway)
    assert "Nothing was changed" in str(away)
    wait_until(lambda: not left_in(own_host, "/home/alice/cut"), "what was set aside is gone")


def test_a_cluster_that_cannot_be_reached_is_said(own_host: Host, own_door: Door, tmp_path: Path) -> None:
    own_host.stop()
    away = refused(lambda: put(own_door, b"/home/alice/a", [b"x"], 1))
    assert (away.status, isinstance(away, FilesAway)) == (503, True)
