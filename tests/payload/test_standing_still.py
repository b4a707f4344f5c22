"""A machine may stand still at any point: what it does afterwards must not rest on what it saw before."""

import contextlib
import os
import signal
import time
import uuid
from pathlib import Path

import pytest
from tests.payload.place import FENCED, SUPERSEDED, TIMES, Place, fake_tool, wait_for


def let_pass(seconds: float) -> None:
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > seconds, f"{seconds} s")


def parents_of(pid: int | str) -> list[str]:
    """Upwards; none for a process that is gone."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        while pid not in ("0", "1"):
            pid = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            found.append(pid)
    return found


def send(sent: signal.Signals, processes: list[int]) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sent)


def test_a_successor_that_stood_still_while_it_watched_looks_once_more(place: Place) -> None:
    (place.control / "claim.0.0").symlink_to(f"run:cluster2:{uuid.uuid4()}:7:01234567-dead")
    (place.control / "hb.0.0").write_text("01234567-dead 000000001\n")
    asked, stuck, go = (place.root / name for name in ("asked", "stuck", "go"))
    stand_still = f"if [ -e {asked} ]; then : >{stuck}; until [ -e {go} ]; do sleep 0.1; done; fi; : >{asked}"
    fake_tool(place, "readlink", f'case $1 in *.0.1) {stand_still} ;; esac; exec /usr/bin/readlink "$@"')
    process = place.start("echo again", restartable=True)
    wait_for(stuck.exists, "it watches")
    (place.control / "hb.0.0").write_text("01234567-dead 000000002\n")
    let_pass(TIMES.take_over + 2)
    go.touch()
    assert process.wait(60) == SUPERSEDED
    assert not (place.control / "claim.0.1").is_symlink()


def test_a_restartable_run_that_stood_still_before_its_payload_does_not_start_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, go, started = (place.root / name for name in ("stuck", "go", "started"))
    (place.root / "bin").mkdir()
    stand_still = f"echo $$ $PPID >{stuck}; until [ -e {go} ]; do sleep 0.1; done"
    (place.root / "bin" / "env").write_text(f'#!/bin/sh\n{stand_still}; exec /usr/bin/env "$@"\n')
    (place.root / "bin" / "env").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place.root}/bin:{os.environ['PATH']}")
    process = place.start(f": >{started}; sleep 300", restartable=True)
    about_to_start = wait_for(lambda: stuck.exists() and stuck.read_text(), "it is about to start its payload").split()
    everything = place.processes()
    send(signal.SIGSTOP, everything)
    let_pass(TIMES.self_fence + 1)
    go.touch()
    # It is quicker than its watchdog.
    send(signal.SIGCONT, [pid for pid in everything if about_to_start[1] in (str(pid), *parents_of(pid))])
    shell = Path("/proc") / about_to_start[1] / "stat"
    wait_for(lambda: started.exists() or ") Z" in shell.read_text(), "it went on")
    send(signal.SIGCONT, everything)
    assert process.wait(60) == FENCED
    assert not started.exists()
    assert place.result() is None
