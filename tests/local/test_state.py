"""What an environment leaves on the machine when it is forgotten."""

from pathlib import Path

import pytest

from tandem.environment import Environment
from tandem.local.layout import Layout
from tandem.local.state import State, ensure_directory, ensure_storage, move_into_storage, outside_storage
from tandem.local.zone import StartError, start_zone


def test_the_last_environment_takes_the_directory_of_all_with_it(tmp_path: Path) -> None:
    states = [State(name, tmp_path / "tandem") for name in ("one", "two")]
    for state in states:
        state.secrets.mkdir(parents=True)
    states[0].remove()
    assert [path.name for path in (tmp_path / "tandem").iterdir()] == ["two"]
    states[1].remove()
    assert not list(tmp_path.iterdir())


def test_file_systems_are_behind_a_directory_that_only_root_enters(tmp_path: Path) -> None:
    state = State("one", tmp_path)
    ensure_storage(state)
    for directory in (state.efs, state.scratch("cluster1")):
        assert state.storage in ensure_directory(directory).parents
    assert state.storage.stat().st_mode & 0o777 == 0o700
    assert state.storage.stat().st_uid == 0


def test_files_of_an_earlier_release_move_behind_it(tmp_path: Path) -> None:
    state = State("one", tmp_path)
    for file in (state.root / "efs/home/ada/mesh", state.root / "scratch/cluster1/ada/field"):
        file.parent.mkdir(parents=True)
        file.write_text(file.name)
    for _ in range(2):
        move_into_storage(state)
        assert (state.efs / "home/ada/mesh").read_text() == "mesh"
        assert (state.scratch("cluster1") / "ada/field").read_text() == "field"
        assert outside_storage(state) == []
    assert state.storage.stat().st_mode & 0o777 == 0o700


def test_nothing_is_moved_over_what_is_there(tmp_path: Path) -> None:
    state = State("one", tmp_path)
    for file in (state.root / "efs/old", state.efs / "new"):
        file.parent.mkdir(parents=True)
        file.touch()
    with pytest.raises(OSError, match="not empty"):
        move_into_storage(state)
    assert (state.root / "efs/old").exists()
    assert (state.efs / "new").exists()


def test_no_zone_starts_without_the_files_of_an_earlier_release(environment: Environment, tmp_path: Path) -> None:
    state = State(environment.name, tmp_path)
    (state.root / "efs").mkdir(parents=True)
    with pytest.raises(StartError, match="earlier release"):
        start_zone(state, Layout(environment).zones[0], environment)
