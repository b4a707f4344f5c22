"""A spooler as a zip: what is in it, what stays out, and that a part of it never looks like all of it."""

import asyncio
import io
import os
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.jobs.spoolers.archive import NOTE, PACK, Archive, ArchiveBroken, Incoming, harmless


def pack(spooler: Path) -> bytes:
    """What the cluster sends."""
    return subprocess.run(["/bin/sh", "-c", PACK, "sh", str(spooler)], capture_output=True, check=False).stdout


def zipped(sent: bytes, size: int = 70_000, title: str = "mesh study") -> bytes:
    """The zip of what comes in pieces of `size`, its head taken off as the stream's view does."""
    head, _, rest = sent.partition(b"\n")
    assert head == b"ok 0"

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(rest), size):
            yield rest[start : start + size]

    async def work() -> bytes:
        return b"".join([piece async for piece in Archive(title).pieces(Incoming(pieces()))])

    return asyncio.run(work())


def opened(content: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    return archive


@pytest.fixture
def spooler(tmp_path: Path) -> Path:
    spooler = tmp_path / "spoolers" / "a1"
    (spooler / "results" / "empty").mkdir(parents=True)
    (spooler / "output.txt").write_text("out\n")
    (spooler / "results" / "data.bin").write_bytes(os.urandom(700_001))
    (spooler / "run.sh").write_text("#!/bin/sh\n")
    (spooler / "run.sh").chmod(0o6755)
    (spooler / ("long-" * 40)).write_text("long")
    (tmp_path / "secret").write_text("secret")
    return spooler


@pytest.mark.parametrize("size", [1000, 512, 70_001])
def test_all_plain_files_are_in_it_however_they_come(size: int, spooler: Path) -> None:
    archive = opened(zipped(pack(spooler), size))
    names = set(archive.namelist())
    assert {"mesh study/output.txt", "mesh study/results/data.bin", "mesh study/results/empty/"} <= names
    assert f"mesh study/{'long-' * 40}" in names
    assert f"mesh study/{NOTE}" not in names
    assert archive.read("mesh study/results/data.bin") == (spooler / "results" / "data.bin").read_bytes()
    mode = archive.getinfo("mesh study/run.sh").external_attr >> 16
    assert (stat.S_IMODE(mode), stat.S_ISREG(mode)) == (0o755, True)


def test_the_systems_unzip_takes_it(spooler: Path, tmp_path: Path) -> None:
    (tmp_path / "it.zip").write_bytes(zipped(pack(spooler)))
    done = subprocess.run(
        ["python3", "-m", "zipfile", "-e", tmp_path / "it.zip", tmp_path / "out"], capture_output=True, check=False
    )
    assert done.returncode == 0
    assert (tmp_path / "out" / "mesh study" / "output.txt").read_text() == "out\n"


def test_two_names_of_one_file_are_two_files(spooler: Path) -> None:
    os.link(spooler / "output.txt", spooler / "results" / "output.txt")
    archive = opened(zipped(pack(spooler)))
    assert archive.read("mesh study/output.txt") == archive.read("mesh study/results/output.txt") == b"out\n"


def test_links_and_special_files_stay_out_and_are_told(spooler: Path, tmp_path: Path) -> None:
    (spooler / "leak").symlink_to(tmp_path / "secret")
    (spooler / "results" / "dir").symlink_to(tmp_path)
    (spooler / "inner").symlink_to("output.txt")
    os.mkfifo(spooler / "pipe")
    content = zipped(pack(spooler))
    archive = opened(content)
    assert not [name for name in archive.namelist() if name.endswith(("leak", "dir", "secret", "inner", "pipe"))]
    assert b"secret" not in content
    note = archive.read(f"mesh study/{NOTE}").decode()
    assert "leak: a link to elsewhere" in note
    assert "pipe: a pipe" in note


@pytest.mark.parametrize("aim", ["directory", "file", "nothing"])
def test_a_link_in_the_spoolers_place_is_not_followed(aim: str, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "secret").write_text("secret")
    (tmp_path / "file").write_text("secret")
    (tmp_path / "spooler").symlink_to(tmp_path / aim)
    assert pack(tmp_path / "spooler") in (b"outside\n", b"missing\n")


def test_what_is_not_there_is_told_apart(tmp_path: Path) -> None:
    assert pack(tmp_path / "nothing") == b"missing\n"
    assert pack(tmp_path / "nothing" / "spooler") == b""


def test_hostile_names_are_made_harmless(spooler: Path) -> None:
    hostile = [
        b"..\\..\\evil",
        b"caf\xe9",
        b"caf%E9",
        b"a\nb",
        b"\x1b[2J",
        b"-rf",
        "safe\u202egpj.exe".encode(),
        b"C:x",
    ]
    for name in hostile:
        (Path(os.fsdecode(bytes(spooler) + b"/" + name))).write_text("x")
    names = opened(zipped(pack(spooler))).namelist()
    assert len(names) == len(set(names))
    assert all(name.startswith("mesh study/") and name.isprintable() and "\\" not in name for name in names)
    assert {"mesh study/.._.._evil", "mesh study/a_b", "mesh study/-rf"} <= set(names)
    assert len([name for name in names if name.startswith("mesh study/caf%E9")]) == 2


def test_what_cannot_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as place:  # which others can be let into, unlike pytest's own
        spooler = Path(place, "spooler")
        spooler.mkdir()
        for directory in (Path(place), spooler):
            directory.chmod(0o755)
        (spooler / "mine").write_text("x")
        (spooler / "mine").chmod(0)
        (spooler / "yours").write_text("y")
        command = ["/bin/sh", "-c", PACK, "sh", str(spooler)]
        done = subprocess.run(command, user=65534, group=65534, extra_groups=[], capture_output=True, check=False)
    archive = opened(zipped(done.stdout))
    assert "mesh study/mine" not in archive.namelist()
    assert archive.read("mesh study/yours") == b"y"
    assert "./mine" in archive.read(f"mesh study/{NOTE}").decode()


def test_a_file_that_shrinks_while_it_is_read_keeps_the_rest_whole(spooler: Path) -> None:
    """tar fills up with zeros what it announced: the entry that comes after is found all the same."""
    big = spooler / "aaa-growing"
    with big.open("wb") as file:
        file.truncate(300_000_000)
    command = subprocess.Popen(["/bin/sh", "-c", PACK, "sh", str(spooler)], stdout=subprocess.PIPE)
    assert command.stdout is not None
    first = command.stdout.read(4096)
    os.truncate(big, 10)
    archive = opened(zipped(first + command.stdout.read()))
    command.wait()
    assert archive.read("mesh study/output.txt") == b"out\n"


@pytest.mark.parametrize("left", [0, 300, 512, 5000, -1, -600])
def test_a_part_of_it_is_no_archive(left: int, spooler: Path) -> None:
    sent = pack(spooler)
    with pytest.raises(ArchiveBroken):
        zipped(sent[: 5 + left] if left >= 0 else sent[: sent.rindex(b"end\n") + 1 + left])


def test_what_is_no_tar_is_no_archive() -> None:
    with pytest.raises(ArchiveBroken):
        zipped(b"ok 0\n" + b"x" * 5000)


def test_a_tar_that_lies_about_names_writes_nowhere_else() -> None:
    """Whatever stands in a person's tar's place on the cluster: only names below the one directory come out."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("/etc/passwd", "../../x", "./../y", "a/../../z"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
    names = opened(zipped(b"ok 0\n" + held.getvalue() + b"end\n\n")).namelist()
    assert names == ["mesh study/etc/passwd", "mesh study/x", "mesh study/y", "mesh study/a/z"]


@pytest.mark.parametrize("title", ["../../etc", "a/b", "..", "", "\\", "\u202e"])
def test_the_title_names_one_directory(title: str, spooler: Path) -> None:
    names = opened(zipped(pack(spooler), title=title)).namelist()
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 1
    assert tops.isdisjoint({"", ".", ".."})


@given(st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name))
def test_any_name_stays_below_and_readable(name: bytes) -> None:
    made = harmless(name.decode("utf-8", "surrogateescape"))
    made.encode()
    assert not made.startswith("/")
    assert not {"", ".", ".."} & set(made.split("/")) or made == ""
    assert "\\" not in made
