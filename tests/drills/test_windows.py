"""The critical windows are seen as they open, on the machine's side of the shared file system."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tandem.drills import evidence, windows
from tandem.drills.windows import ENDING, SENDING, STARTING, Arrivals, Windows
from tandem.environment import load_environment
from tandem.local.processes import Init
from tandem.local.state import State

REFERENCE = Path(__file__).parents[2] / "tandem.yaml"
OPENS_AFTER = 0.3


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    made = State("environment", tmp_path)
    for module in (evidence, windows):
        monkeypatch.setattr(module, "State", lambda _name: made)
    return made


@pytest.fixture
def seen(state: State) -> Windows:
    environment = load_environment(REFERENCE)
    found = Windows(environment, evidence.Evidence(environment, "mark"))
    for directory in (control(state), *found.evidence.scratch.values()):
        directory.mkdir(parents=True)
    return found


def control(state: State) -> Path:
    return state.efs / "spoolers/ec2-user/.tandem"


def opens(seen: Windows, window: str, how: Callable[[], object], deadline: float = 20.0) -> bool:
    """Whether the window is seen when that happens, while it is watched for."""
    later = threading.Timer(OPENS_AFTER, how)
    later.start()
    try:
        return seen.wait(window, "cluster1", deadline, lambda: False)
    finally:
        later.join()


def test_an_sbatch_in_the_zone_of_the_cluster(seen: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sbatch").symlink_to("/bin/sleep")
    own = Init("environment", "zone", os.getpid())
    monkeypatch.setattr(windows, "find_init", lambda _environment, zone: own if zone == "eu-central-1a" else None)
    started = []
    try:
        assert opens(seen, SENDING, lambda: started.append(subprocess.Popen([tmp_path / "sbatch", "60"])))
        assert not seen.wait(SENDING, "cluster2", 1.0, lambda: False), "another zone's is not meant"
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_program_that_has_run_for_long_is_no_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    arrivals = Arrivals(Init("environment", "zone", os.getpid()))
    own = Path("/proc/self/comm").read_text().strip()
    assert arrivals.find(own) is not None
    now = time.monotonic()
    monkeypatch.setattr(windows.time, "monotonic", lambda: now + 10)
    assert arrivals.find(own) is None


def test_a_claim(seen: Windows, state: State) -> None:
    job = control(state) / "job"
    job.mkdir()
    assert opens(seen, STARTING, lambda: (job / "claim.0.0").symlink_to("run:cluster1:p:1:n"))


def test_another_clusters_claim_is_not_meant(seen: Windows, state: State) -> None:
    job = control(state) / "job"
    job.mkdir()
    assert not opens(seen, STARTING, lambda: (job / "claim.0.0").symlink_to("run:cluster2:p:1:n"), 1.0)


def test_a_payloads_end_and_not_its_start(seen: Windows) -> None:
    file = seen.evidence.scratch["cluster1"] / "job.0"
    file.write_text("start 1 r cluster1 h 0 -\n")

    def add(what: str) -> None:
        with file.open("a") as stream:
            stream.write(f"{what} 1 r cluster1 h 0 0\n")

    assert not opens(seen, ENDING, lambda: add("tick"), 1.0)
    assert opens(seen, ENDING, lambda: add("end"))


def test_it_gives_up_when_it_is_told_to_stop(seen: Windows) -> None:
    began = time.monotonic()
    assert not seen.wait(SENDING, "cluster1", 600.0, lambda: True)
    assert time.monotonic() - began < 300
