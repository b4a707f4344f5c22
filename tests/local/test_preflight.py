"""What is in the way is said in one line each, before anything is changed."""

import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tandem.environment import Environment
from tandem.local import preflight
from tandem.local.processes import Init
from tandem.local.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State("preflight-test", tmp_path / "state")


def check(environment: Environment, state: State, about: str) -> None:
    (line,) = preflight.problems(environment, state)
    assert about in line
    assert "\n" not in line
    assert not state.root.exists()


def test_another_operating_system(environment: Environment, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    check(environment, state, "needs Linux")


def test_not_root(environment: Environment, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    check(environment, state, "needs root")


def test_nothing_to_install_with(environment: Environment, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "missing_packages", lambda: ["bindfs", "munge"])
    monkeypatch.setattr(shutil, "which", lambda _: None)
    check(environment, state, "bindfs, munge")


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="looks at what the kernel allows, which needs root")


@needs_root
def test_a_port_that_is_taken(edited: Callable[..., Environment], state: State) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        check(edited(("port: 8443", f"port: {port}"), ("name: tandem", "name: nobody")), state, f"Port {port}")


@pytest.fixture
def quiet(edited: Callable[..., Environment]) -> Environment:
    """An environment that does not run and whose port is free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return edited(("port: 8443", f"port: {port}"), ("name: tandem", "name: nobody"))


@needs_root
def test_nothing_in_the_way(quiet: Environment, state: State) -> None:
    assert preflight.problems(quiet, state) == []


@needs_root
def test_too_little_disk(quiet: Environment, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Any = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100 * 2**20))
    check(quiet, state, "has 100 MiB free")


@needs_root
def test_too_little_memory(quiet: Environment, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "available_memory", lambda: 64 * 2**20)
    check(quiet, state, "64 MiB of memory")


@needs_root
def test_namespaces_that_are_not_allowed(quiet: Environment, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    real = preflight.subprocess.run

    def refuse(command: list[str], **options: Any) -> Any:
        return real(["sh", "-c", "echo unshare failed: Operation not permitted >&2; exit 1"], **options)

    monkeypatch.setattr(preflight.subprocess, "run", refuse)
    check(quiet, state, "Operation not permitted")


@needs_root
def test_a_mount_point_that_is_taken(quiet: Environment, state: State) -> None:
    state.efs.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", state.efs], check=True)
    try:
        (line,) = preflight.problems(quiet, state)
    finally:
        subprocess.run(["umount", state.efs], check=True)
    assert line.startswith(f"{state.efs} is a mount point")
    assert preflight.problems(quiet, state) == []


@needs_root
@pytest.mark.parametrize("place", ["efs", "scratch"])
def test_files_of_an_earlier_release_stay_while_zones_use_them(
    quiet: Environment, state: State, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (state.root / place).mkdir(parents=True)
    assert preflight.problems(quiet, state) == []
    with monkeypatch.context() as patch:
        patch.setattr(preflight, "inits", lambda name: iter([Init(name, "eu-central-1a", 1)]))
        (line,) = preflight.problems(quiet, state)
        assert "Stop it first (tandem down): `up` then moves" in line
    (state.storage / place).mkdir(parents=True)
    (line,) = preflight.problems(quiet, state)
    assert line.startswith(f"{state.root / place} should be moved to {state.storage / place}, but that is there")


@needs_root
def test_something_else_where_the_state_should_be(quiet: Environment, tmp_path: Path) -> None:
    state = State("preflight-test", tmp_path)
    state.root.write_text("a file")
    (line,) = preflight.problems(quiet, state)
    assert "is not a directory" in line
