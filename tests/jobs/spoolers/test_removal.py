"""The script that removes a spooler, with the shell that runs it on the cluster."""

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import cast

import pytest

from tandem.accounts.models import Person
from tandem.clusters.door import ClusterUnreachable, Door
from tandem.jobs.models import Spooler
from tandem.jobs.spoolers import removal
from tandem.jobs.spoolers.removal import MORE, NO_STORAGE, REMOVE, TOO_LATE

NAME = "0b9f2c1e-0000-4000-8000-000000000001"


def remove(spooler: Path, *controls: Path, begin_by: int | None = None) -> subprocess.CompletedProcess[bytes]:
    words = [str(spooler), str(begin_by or int(time.time()) + 60), "20", *map(str, controls)]
    return subprocess.run(["/bin/sh", "-c", REMOVE, "sh", *words], capture_output=True, check=False)


def as_nobody(script: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = ["/bin/sh", "-c", script, "sh", *words]
    return subprocess.run(command, user=65534, group=65534, extra_groups=[], capture_output=True, check=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A person's spoolers directory with a control directory in it, and a secret beside it."""
    home = tmp_path / "spoolers" / "ada"
    (home / ".tandem" / "job").mkdir(parents=True)
    (home / ".tandem" / "job" / "claim.0.0").symlink_to("run:cluster1:x:1:y")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("secret")
    return home


@pytest.fixture
def spooler(home: Path) -> Path:
    spooler = home / NAME
    (spooler / "sub" / "deep").mkdir(parents=True)
    (spooler / "output.txt").write_text("out")
    (spooler / "-rf").write_text("dash")
    (spooler / "end\n").write_text("line end")
    os.mkfifo(spooler / "pipe")
    return spooler


def test_all_of_it_goes_and_nothing_else(spooler: Path, home: Path) -> None:
    (home / "other").mkdir()
    assert remove(spooler).returncode == 0
    assert sorted(path.name for path in home.iterdir()) == [".tandem", "other"]
    assert str((home / ".tandem" / "job" / "claim.0.0").readlink()).startswith("run:")


def test_it_is_noted_beside_the_claims(spooler: Path, home: Path) -> None:
    control = home / ".tandem" / "job"
    assert remove(spooler, control, home / ".tandem" / "another").returncode == 0
    assert sorted(path.name for path in control.iterdir()) == ["claim.0.0", "removed"]
    assert (control / "removed").is_symlink()
    assert not (home / ".tandem" / "another").exists()


def test_links_are_removed_and_never_followed(spooler: Path, tmp_path: Path, home: Path) -> None:
    (spooler / "out").symlink_to(tmp_path / "secret")
    (spooler / "sub" / "control").symlink_to(home / ".tandem")
    (spooler / "file").symlink_to(tmp_path / "secret" / "file")
    assert remove(spooler).returncode == 0
    assert not spooler.exists()
    assert (tmp_path / "secret" / "file").read_text() == "secret"
    assert (home / ".tandem" / "job").is_dir()


def test_of_a_spooler_that_is_a_link_only_the_link_goes(home: Path, tmp_path: Path) -> None:
    (home / NAME).symlink_to(home / ".tandem")
    assert remove(home / NAME).returncode == 0
    assert not (home / NAME).is_symlink()
    assert (home / ".tandem" / "job").is_dir()


def test_what_its_owner_may_not_write_to_goes_as_well() -> None:
    with tempfile.TemporaryDirectory() as place:  # which others can be let into, unlike pytest's own
        Path(place).chmod(0o777)
        spooler = Path(place, NAME)
        script = f"mkdir -p {spooler}/sub/deep; echo > {spooler}/sub/deep/file; chmod 500 {spooler}/sub/deep"
        as_nobody(f"{script}; chmod 000 {spooler}/sub")
        words = [str(spooler), str(int(time.time()) + 60), "20"]
        done = as_nobody(REMOVE, *words)
        assert (done.returncode, done.stderr) == (0, b"")
        assert not spooler.exists()


def test_a_directory_that_vanished_is_gone(home: Path) -> None:
    assert remove(home / NAME).returncode == 0


def test_storage_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    assert remove(tmp_path / "nothing" / NAME).returncode == NO_STORAGE


def test_what_comes_too_late_does_nothing(spooler: Path) -> None:
    assert remove(spooler, begin_by=int(time.time()) - 1).returncode == TOO_LATE
    assert (spooler / "output.txt").exists()


def test_what_takes_longer_says_that_there_is_more(spooler: Path, tmp_path: Path) -> None:
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "rm").write_text("#!/bin/sh\nexec sleep 60\n")
    (slow / "rm").chmod(0o755)
    words = [str(spooler), str(int(time.time()) + 60), "0.2"]  # seconds to work
    environment = {"PATH": f"{slow}:{os.environ['PATH']}"}
    done = subprocess.run(["/bin/sh", "-c", REMOVE, "sh", *words], env=environment, capture_output=True, check=False)
    assert done.returncode == MORE


def test_a_second_cluster_is_given_time_to_begin_and_a_late_one_is_over_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long the first ones let us wait: once another may take the removal over, none of these can still run."""
    clock = [1000.0]
    monkeypatch.setattr(removal.time, "time", lambda: clock[0])
    begin_by: list[int] = []

    class SlowDoor:
        def run(self, user: str, cluster: str, script: str, args: tuple[str, ...], **_: object) -> None:
            begin_by.append(int(args[1]))
            clock[0] += removal.DEADLINE
            raise ClusterUnreachable("no")

    spooler = Spooler(owner=Person(username="ada"))
    assert removal.remove(cast(Door, SlowDoor()), spooler, [], ["a", "b", "c"]).silent
    assert begin_by[1] > 1000 + removal.DEADLINE
    assert max(begin_by) + removal.WORK <= 1000 + removal.OVER_AFTER
