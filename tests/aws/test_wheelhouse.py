"""What goes to AWS is gathered from the lock, whole and under a name made from all that it depends on."""

from pathlib import Path

import pytest

from tandem.aws import wheelhouse
from tandem.aws.wheelhouse import LOCK, NotGathered, closure, locked


def test_a_package_brings_all_that_it_needs() -> None:
    assert {"cryptography", "cffi", "pycparser"} <= closure(["cryptography"])
    assert closure(["PyMySQL"]) == {"pymysql"}


def test_only_what_is_asked_for_is_taken_from_the_lock_with_all_hashes() -> None:
    part = locked(LOCK.read_text(), closure(["pymysql"]))
    assert part.startswith("pymysql==")
    assert part.count("==") == 1
    whole = LOCK.read_text()
    assert part.count("--hash=sha256:") == whole.partition("pymysql==")[2].partition("\n    #")[0].count("--hash")


def test_what_the_lock_does_not_know_is_refused() -> None:
    with pytest.raises(NotGathered, match="does not lock left-pad"):
        locked(LOCK.read_text(), {"left-pad"})


def test_all_of_the_lock_can_be_taken_apart() -> None:
    names = {line.partition("==")[0] for line in LOCK.read_text().splitlines() if "==" in line}
    assert locked(LOCK.read_text(), names).count("==") == len(names)


@pytest.fixture
def gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(wheelhouse, "GATHERED", tmp_path)
    return tmp_path


def test_what_was_gathered_once_is_kept_until_something_changes(gathered: Path) -> None:
    made: list[Path] = []

    def gather(directory: Path) -> None:
        made.append(directory)
        (directory / "wheel").write_text("content")

    first = wheelhouse._kept("portal", "aaaa", gather)
    assert wheelhouse._kept("portal", "aaaa", gather) == first
    assert len(made) == 1
    second = wheelhouse._kept("portal", "bbbb", gather)
    assert (second / "wheel").read_text() == "content"
    assert [path.name for path in gathered.iterdir()] == ["portal-bbbb"]


def test_what_broke_off_is_not_taken_for_gathered(gathered: Path) -> None:
    def broken(directory: Path) -> None:
        (directory / "half").write_text("")
        raise NotGathered("no")

    with pytest.raises(NotGathered):
        wheelhouse._kept("portal", "aaaa", broken)
    assert list(gathered.iterdir()) == []


def test_a_portal_without_its_bundle_is_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheelhouse, "BUNDLE", tmp_path / "manifest.json")
    with pytest.raises(NotGathered, match="make bundle"):
        wheelhouse.portal_wheelhouse("aarch64")


def test_our_own_wheel_is_the_same_file_whenever_it_is_built(tmp_path: Path) -> None:
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        wheelhouse._build_wheel(tmp_path / name)
        (wheel,) = (tmp_path / name).iterdir()
        assert wheel.name.startswith("tandem_hpc-")
        files.append(wheel.read_bytes())
    assert files[0] == files[1]
