"""Installing starts no service, and leaves the machine's own policy exactly as it was."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tandem.local.packages import NEEDED, install, missing_packages, services_forbidden


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


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root directory on which nothing but munge starts, and commands that write down how they are called."""
    commands = tmp_path / "commands"
    for directory in (commands, tmp_path / "usr/sbin", tmp_path / "etc/rc2.d"):
        directory.mkdir(parents=True)
    for name in ("apt-get", "dpkg", "update-rc.d"):
        write_command(tmp_path, name, "")
    (tmp_path / "etc/rc2.d/S01munge").touch()
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    return tmp_path


def write_command(machine: Path, name: str, script: str) -> None:
    path = machine / "commands" / name
    path.write_text(f'#!/bin/bash\necho "{name} $*" >> {machine}/calls\n{script}\n')
    path.chmod(0o755)


def calls(machine: Path) -> list[str]:
    return (machine / "calls").read_text().splitlines()


def test_what_is_installed_does_not_start_with_the_machine_either(machine: Path) -> None:
    write_command(machine, "apt-get", f"touch {machine}/etc/rc2.d/S03mariadb {machine}/etc/rc2.d/K01other")
    install(["mariadb-server"], machine / "log", root=machine)
    assert calls(machine)[1:] == ["update-rc.d mariadb disable"]


def test_an_interrupted_installation_is_configured_before_it_ends(machine: Path) -> None:
    script = f"touch {machine}/etc/rc2.d/S03mariadb; trap 'exit 130' INT; kill -INT $PPID; while :; do read -t 1; done"
    write_command(machine, "apt-get", script)
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        install(["mariadb-server"], machine / "log", told.append, root=machine)
    assert told == ["interrupted; apt-get ends what it has begun"]
    assert calls(machine)[1:] == ["dpkg --configure --pending", "update-rc.d mariadb disable"]
    assert not list((machine / "usr/sbin").iterdir())
