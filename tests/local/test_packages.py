"""Installing starts no service, and leaves the machine's own policy exactly as it was."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tandem.local.packages import NEEDED, missing_packages, services_forbidden


def listing(directory: Path) -> dict[str, tuple[int, bytes | str]]:
    return {
        path.name: (path.lstat().st_mode, str(path.readlink()) if path.is_symlink() else path.read_bytes())
        for path in directory.iterdir()
    }


def absent(policy: Path) -> None:
    del policy


def present(policy: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o750)


def a_link(policy: Path) -> None:
    policy.symlink_to("/nowhere/at/all")


@pytest.mark.parametrize("before", [absent, present, a_link])
@pytest.mark.parametrize("end", [None, RuntimeError, KeyboardInterrupt])
def test_the_policy_of_before_is_back_whatever_happens(
    tmp_path: Path, before: Callable[[Path], None], end: type[BaseException] | None
) -> None:
    policy = tmp_path / "policy-rc.d"
    before(policy)
    kept = listing(tmp_path)
    if end is None:
        with services_forbidden(policy):
            assert os.access(policy, os.X_OK)
            assert "exit 101" in policy.read_text()
    else:
        with pytest.raises(end), services_forbidden(policy):
            raise end
    assert listing(tmp_path) == kept


@pytest.mark.parametrize("before", [absent, present, a_link])
def test_a_run_that_was_killed_is_cleaned_up_by_the_next(tmp_path: Path, before: Callable[[Path], None]) -> None:
    policy = tmp_path / "policy-rc.d"
    before(policy)
    kept = listing(tmp_path)
    killed = services_forbidden(policy)
    killed.__enter__()
    with services_forbidden(policy):
        assert "exit 101" in policy.read_text()
    assert listing(tmp_path) == kept


def test_a_package_is_missing_when_its_program_is(tmp_path: Path) -> None:
    assert missing_packages(tmp_path) == list(NEEDED)
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/haproxy").touch()
    plugins = tmp_path / "usr/lib/x86_64-linux-gnu/slurm-wlm"
    plugins.mkdir(parents=True)
    (plugins / "select_cons_tres.so").touch()
    assert set(NEEDED) - set(missing_packages(tmp_path)) == {"haproxy", "slurm-wlm-basic-plugins"}
