"""What an environment leaves on the machine when it is forgotten."""

from pathlib import Path

from tandem.local.state import State


def test_the_last_environment_takes_the_directory_of_all_with_it(tmp_path: Path) -> None:
    states = [State(name, tmp_path / "tandem") for name in ("one", "two")]
    for state in states:
        state.secrets.mkdir(parents=True)
    states[0].remove()
    assert [path.name for path in (tmp_path / "tandem").iterdir()] == ["two"]
    states[1].remove()
    assert not list(tmp_path.iterdir())
